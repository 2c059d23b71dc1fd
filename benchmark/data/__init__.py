"""Datasets, imbalanced sets, batches and augmentation."""
