"""The errors that a user can meet; the command line prints them as one line."""

from __future__ import annotations


class InputError(Exception):
    """Wrong usage or input: the message says what is wrong, where, and what to do (exit code 2)."""


class TrainingError(Exception):
    """A cell could not be trained; the other cells go on (exit code 1)."""


class StorageError(Exception):
    """The store cannot be written to any more; what is finished is kept (exit code 1)."""
