"""Values as TOML, which Python reads and does not write."""

from __future__ import annotations

import json
from typing import Any


def toml_value(value: Any) -> str:
    """Return a plain value as TOML, which takes JSON's texts, numbers, truths and lists."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
