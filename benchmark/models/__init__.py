"""Backbones: what turns images into feature maps."""
