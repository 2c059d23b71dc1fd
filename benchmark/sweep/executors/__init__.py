"""Executors: how the cells of a sweep are worked through."""
