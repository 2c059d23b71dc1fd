"""What reading a damaged archive raises."""

from __future__ import annotations

import zipfile
import zlib

ARCHIVE_ERRORS = (
    OSError,
    EOFError,
    NotImplementedError,  # another version or compression
    RuntimeError,  # an encrypted member
    ValueError,
    zipfile.BadZipFile,
    zlib.error,  # none of the above, and seldom: most damage is met by a checksum first
)
