"""fer-bench: an honest benchmark for imbalanced facial expression recognition."""

__version__ = "0.2.0"
