"""fer-bench: an honest benchmark for imbalanced facial expression recognition."""

__version__ = "0.1.0"
