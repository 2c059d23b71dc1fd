"""What attention maps say: mirrored faces, other classes, the face's rim, shared action units."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.analysis.attention import FINE_ENOUGH, MapNumbers
from benchmark.analysis.groups import Entry
from benchmark.analysis.measurements import Measurements
from benchmark.report.compare_table import show_p
from benchmark.report.headers import class_titles
from benchmark.report.rows import table_of
from benchmark.report.scope import Scope, labels_for, name_of, reference_of, scopes
from benchmark.report.sheet import Number, Row, Table, mean_number
from benchmark.stats.crossed import Contrast
from benchmark.store.attention_file import MEASURES, UNITS
from benchmark.store.record import Record

HELP = (
    "attention maps of kept networks, worked out once where --data-root leads to the images: are "
    "they mirrored with the face, alike for all classes, outside the face's centre"
)
PLACE = 7
MAPS = True
PLAIN = "adjusted logits have the same maps"
NOTHING = (
    "no cell has measured attention maps; train cells with 'fer-bench run --keep-weights', and "
    "name the folder of the dataset's files with --data-root"
)

ALL_CLASSES = "all classes"
TITLES = {
    "consistency": "Consistency",
    "overlap": "Overlap",
    "outside": "Outside",
    "on_units": "On shared units",
    "units_area": "Area of these",
}
NOTES = (
    "Maps: HiResCAM of the final weights' last feature map (Draelos and Carin 2020). Heat: a map "
    "less its smallest value, in shares of its sum.",
    "Consistency: correlation of a map with the mirrored face's map mirrored back, 100 where they "
    "are the same. Overlap: heat that a class's map shares with another's, averaged over the "
    "others, 100 where all classes have one map. Outside: heat outside the middle 75 % of height "
    "and width, for classes that the image does not show; 43.75 for even heat.",
    "Averages over test images: of the class's maps, and for all classes of each image's average.",
)
AGAINST_NOTES = (
    "Differences of each image's average over classes on the same images and seeds, with 95 % "
    "intervals; p of no difference counts images and, from two seeds on, seeds as chance. With one "
    "seed it says something of two networks and nothing of methods.",
)
UNIT_NOTES = (
    "On shared units: on a drawn face of another class, heat where the face changes without the "
    "action units that its class shares with the map's (energy-based pointing game, Wang et al. "
    "2020); even heat would have the area of these.",
)


def build(measured: Measurements, *, number: int | None, mixed: bool) -> list[Table]:
    """Return a table for each scope that has measured cells."""
    if measured.store is None or measured.answers is None:
        return []
    numbers = MapNumbers(measured.store, measured.answers)
    found = scopes(measured, number=number, mixed=mixed, plain=True)
    return [
        table
        for scope in found
        for table in (_table(scope, measured, numbers), _against(scope, measured, numbers))
        if table is not None
    ]


def _table(scope: Scope, measured: Measurements, numbers: MapNumbers) -> Table | None:
    entries = [entry for block in scope.blocks for entry in block]
    records = [record for entry in entries for record in entry.runs.values()]
    seen = [found for record in records if (found := numbers.of(record)) is not None]
    if not seen:
        return None
    units = any(UNITS[0] in found.measures for found in seen)
    keys = (*MEASURES, *(UNITS if units else ()))
    absent = [record.cell.slug for record in records if numbers.of(record) is None]
    left_out = (
        "Not measured, as weights were not kept, or they or the images cannot be used: "
        f"{', '.join(sorted(absent))}."
    )
    return table_of(
        scope,
        measured,
        "attention maps (%)",
        keys,
        lambda scope, entry: _rows(scope, entry, numbers, keys),
        (
            *NOTES,
            _places_note(records, numbers),
            *(UNIT_NOTES if units else ()),
            *([left_out] if absent else []),
        ),
        more_labels=("Class of the map",),
        titles=TITLES,
    )


def _against(scope: Scope, measured: Measurements, numbers: MapNumbers) -> Table | None:
    """Return how far measures lie from the baseline's, None where none can be told."""

    def rows(scope: Scope, entry: Entry) -> list[Row]:
        reference = reference_of(scope, entry)
        shared = [run for run in entry.runs if reference is not None and run in reference.runs]
        if reference is None or not shared:
            return []
        own, other = ([side.runs[run] for run in shared] for side in (entry, reference))
        told = [numbers.difference(own, other, key) for key in MEASURES]
        if not any(told):
            return []
        return [
            Row(
                (*labels_for(scope, entry), f"{len(shared)}"),
                tuple(number for each in told for number in _difference(each)),
                name_of(scope, entry),
            )
        ]

    keys = [key for name in MEASURES for key in (name, f"{name}_p")]
    titles = {f"{name}_p": "p" for name in MEASURES} | {name: TITLES[name] for name in MEASURES}
    found = table_of(
        scope,
        measured,
        "attention maps less the baseline's (points)",
        keys,
        rows,
        AGAINST_NOTES,
        more_labels=("Shared runs",),
        titles=titles,
    )
    return found if found.blocks else None


def _difference(told: tuple[float, float, Contrast] | None) -> tuple[Number, Number]:
    if told is None:
        return Number(), Number()
    value, low, high = (f"{100 * x:+.2f}" for x in (told[2].estimate, told[2].low, told[2].high))
    return Number(value, low=low, high=high), Number(show_p(told[2].p))


def _places_note(records: Sequence[Record], numbers: MapNumbers) -> str:
    """Return how fine the maps are, and what they are not worth where they are coarse."""
    found = {places for record in records if (places := numbers.places(record)) is not None}
    sizes = " or ".join(f"{height} x {width}" for height, width in sorted(found))
    coarse = min(min(places) for places in found) < FINE_ENOUGH
    more = ": too coarse to say where a network looks (2 x 2: no number outside)" if coarse else ""
    return f"Places of a map: {sizes}{more}."


def _rows(scope: Scope, entry: Entry, numbers: MapNumbers, keys: tuple[str, ...]) -> list[Row]:
    runs = [record for record in entry.runs.values() if numbers.of(record) is not None]
    if not runs:
        return []
    classes = entry.first.classes
    titles = [ALL_CLASSES, *class_titles(classes)]
    return [
        Row(
            (*labels_for(scope, entry), title),
            tuple(
                mean_number([100 * numbers.average(record, key, label) for record in runs])
                for key in keys
            ),
            (*name_of(scope, entry), name),
        )
        for title, name, label in zip(
            titles, [ALL_CLASSES, *classes], [None, *range(len(classes))], strict=True
        )
    ]
