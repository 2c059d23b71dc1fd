"""Text for a place that cannot print every letter: a code page, ASCII, a file name's stray bytes.

What the encoding lacks is replaced, never refused: the signs of our own tables by what they look
like, anything else by its escape, so that two names stay two names.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable

READABLE = "fer-bench-readable"
"""The name of the error handler, as ``str.encode`` and streams take it."""

_SIGNS = {
    "–": "-",
    "—": "-",
    "─": "-",
    "±": "+-",
    "×": "x",
    "…": "...",
    "†": "(dagger)",
    "τ": "tau",
}
_SEVEN_BIT = "fer_bench_seven_bit"


def encoded(text: str) -> bytes:
    """Return a text as a file holds it: UTF-8; what no file can hold is escaped."""
    return text.encode("utf-8", READABLE)


def printable(text: str, encoding: str) -> str:
    """Return a text as a stream of this encoding shows it."""
    return text.encode(encoding, READABLE).decode(encoding)


def never_fail(streams: Iterable[object]) -> None:
    """Let text streams replace what their encoding lacks.

    Args:
        streams: such as ``sys.stdout``; what is no text stream over bytes is left alone.
    """
    for stream in streams:
        if isinstance(stream, io.TextIOWrapper):
            # click takes a stream that calls itself ASCII for a mistake, and writes UTF-8 into it.
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(
                encoding=_SEVEN_BIT if ascii_only else stream.encoding, errors=READABLE
            )


def _readable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    letters = error.object[error.start : error.end]
    return "".join(_SIGNS.get(letter) or _escape(letter) for letter in letters), error.end


def _escape(letter: str) -> str:
    return letter.encode("ascii", "backslashreplace").decode("ascii")


def _seven_bit(name: str) -> codecs.CodecInfo | None:
    """Return ASCII under another name."""
    if name != _SEVEN_BIT:
        return None
    plain = codecs.lookup("ascii")
    return codecs.CodecInfo(
        plain.encode,
        plain.decode,
        plain.streamreader,
        plain.streamwriter,
        plain.incrementalencoder,
        plain.incrementaldecoder,
        _SEVEN_BIT,
    )


codecs.register_error(READABLE, _readable)
codecs.register(_seven_bit)
