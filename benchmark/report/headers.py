"""What the columns of a table are called, told apart whatever the classes are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from benchmark.paper.published import RECALL_PREFIX

PREDICTED = "predicted_"


def headers(
    keys: Sequence[str], labels: Sequence[str], titles: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return the header of each number column.

    Args:
        keys: of the columns; a class's begins with ``recall_`` or ``predicted_``.
        labels: headers of the text columns beside them.
        titles: headers of columns that are not called as their key.
    """
    classes = {key: _class_of(key) for key in keys if _class_of(key) is not None}
    others = {key: (titles or {}).get(key) or key.capitalize() for key in keys}
    taken = [*labels, *(others[key] for key in keys if key not in classes)]
    named = dict(zip(classes, class_titles([str(c) for c in classes.values()], taken), strict=True))
    return tuple(named.get(key, others[key]) for key in keys)


def class_titles(
    classes: Sequence[str], taken: Sequence[str] = (), *, capital: bool = True
) -> list[str]:
    """Return what columns of classes are called.

    A class is written with a capital, unless told otherwise; one that would then read as another
    column is written as it is, with ``(class)`` behind it.
    """
    titles = [name.capitalize() if capital else name for name in classes]
    while True:
        seen = Counter(title.casefold() for title in (*titles, *taken))
        again = [
            f"{name} (class)" if seen[title.casefold()] > 1 else title
            for name, title in zip(classes, titles, strict=True)
        ]
        if again == titles:
            return titles
        titles = again


def _class_of(key: str) -> str | None:
    for prefix in (RECALL_PREFIX, PREDICTED):
        if key.startswith(prefix):
            return key.removeprefix(prefix)
    return None
