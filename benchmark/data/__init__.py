"""Datasets, imbalanced sets, batches and augmentation."""

from benchmark.data.ferplus import majority_labels as majority_labels
from benchmark.data.imbalance import imbalanced_counts as imbalanced_counts
