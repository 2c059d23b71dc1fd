"""The errors that a user can meet; the command line prints them as one line."""

from __future__ import annotations

_LONGEST = 300
"""Letters of a foreign message that are shown."""

_LONGEST_PATH = 200
"""Letters of a path that is shown whole."""


def escaped(text: str) -> str:
    """Return a text on one line that any UTF-8 file takes: what is not printable is escaped.

    Names of files may hold line ends, and bytes that are no UTF-8, which Python makes surrogates.
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )


class InputError(Exception):
    """Wrong usage or input: the message says what is wrong, where, and what to do (exit code 2).

    Messages quote what files and options hold. What is not printable in it is escaped, so that a
    message stays one line and cannot steer a terminal.
    """

    def __str__(self) -> str:
        """Return the message on one line."""
        return escaped(super().__str__())


class TrainingError(Exception):
    """A cell could not be trained; the other cells go on (exit code 1)."""


class DivergedError(TrainingError):
    """Loss or logits are no longer finite: the same training would come to the same again."""


class StorageError(Exception):
    """The store cannot be written to any more; what is finished is kept (exit code 1)."""


def describe(error: BaseException) -> str:
    """Return kind and message of an error that foreign code raised, cut to what a line can hold."""
    try:
        text = str(error)
    except Exception:  # its message is foreign code too
        text = "its message cannot be read"
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return f"{type(error).__name__}: {short}" if short else type(error).__name__


def shortened(path: object) -> str:
    """Return a path as text for a message, the middle of a very long one left out."""
    text = str(path)
    return text if len(text) <= _LONGEST_PATH else f"{text[:60]}...{text[-20:]}"
