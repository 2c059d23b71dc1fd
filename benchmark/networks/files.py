"""The images of a folder that anybody may have, at any depth."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.data.decode import is_image
from benchmark.data.left_out import ending
from benchmark.data.tree import of_system


@dataclass
class Below:
    """What stands below a folder.

    Attributes:
        images: files whose names end as images do, sorted by folder and name.
        others: other files, by the endings of their names.
        faulty: folders that cannot be listed and links to folders, with the reason.
    """

    images: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    faulty: dict[str, str] = field(default_factory=dict)


def images_below(folder: Path) -> Below:
    """Return the images below a folder; what systems leave behind and hide is passed over."""
    found = Below()

    def refused(error: OSError) -> None:
        found.faulty[str(error.filename)] = f"cannot be listed ({error.strerror})"

    for place, folders, files in os.walk(folder, onerror=refused):
        folders[:] = sorted(name for name in folders if not of_system(name))
        for name in folders:
            link = Path(place) / name
            if link.is_symlink():  # which may lead back to where it stands
                found.faulty[str(link)] = "is a link to a folder; give the folder itself"
        for name in sorted(files):
            if is_image(name) and not of_system(name):
                found.images.append(Path(place) / name)
            elif not of_system(name):
                found.others[ending(name)] += 1
    return found
