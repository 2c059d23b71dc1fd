"""Trained networks: found by their cell, rebuilt from kept weights, asked about any picture."""
