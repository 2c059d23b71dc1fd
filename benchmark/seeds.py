"""One way to make a seed for every random draw, so that any step of a run can be replayed."""

from __future__ import annotations

import hashlib


def derive(*parts: object) -> int:
    """Return a 63-bit seed from named parts, such as ``derive(seed, "augment", epoch, step)``.

    Hashing keeps the streams of different purposes and neighbouring seeds apart.
    """
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
