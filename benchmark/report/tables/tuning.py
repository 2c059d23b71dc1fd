"""How values were chosen: every try, what was chosen, and what more tries may have brought."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.analysis.measurements import Measurements
from benchmark.data.imbalance import factor_label
from benchmark.data.known import dataset_notes, dataset_title
from benchmark.report.sheet import MISSING, Number, Row, Table, percent
from benchmark.stats.expected_best import expected_best
from benchmark.store.ledger import Ledger, ledgers
from benchmark.tuning.choice import Standing
from benchmark.tuning.outcome import Outcome, Outcomes
from benchmark.tuning.subject import CARRIER, SHARED
from benchmark.tuning.written import show_values, unchosen
from benchmark.words import count, short

HELP = "tries of 'fer-bench tune', what they chose on validation images and how sure that is"
SPLIT = "validation"
TRIES = True
PLAIN = "it is of validation images"
NOTHING = "no values were chosen in this store; 'fer-bench tune' does that"
PLACE = 7

LAST = "tries are compared after their last epoch, each search in tables of its own"

WHY = {"default": "default", "sobol": "Sobol", "beyond": "beyond the range"}
_STANDING = {"score": "Mean", "behind": "Behind best", "error": "Error", "departure": "Departure"}
SCORED = (
    "Mean: mean accuracy on clean VALIDATION images after the last epoch; no test image was looked "
    "at. Behind best: how far below the best try, with the standard error of that difference on "
    "the same images, as 'fer-bench compare' has it: each class is lent two images, so that one "
    "which both tries answer alike does not count as certain. Departure: distance from the "
    "defaults, in shares of the ranges. Of the tries that are not behind by more than an error the "
    "one of the smallest departure is chosen."
)
EXPECTED = (
    "Best of n: the best mean accuracy that n of these tries are expected to have (drawn without "
    "replacement). A row that still rises at its end was given too few tries. Edge: how far the "
    "chosen value lies from the nearest end of its range, as a share of it; below 0 beyond it."
)


def build(measured: Measurements, *, number: int | None, mixed: bool) -> list[Table]:
    """Return two tables for each tuning in the store: its tries, and what they promise."""
    if measured.store is None or number is not None:
        return []
    found = ledgers(measured.store.root)
    outcomes = Outcomes(measured.store) if found else None
    tables = []
    for ledger in found:
        assert outcomes is not None
        known = outcomes.of_all(ledger)
        tables += [_tries(ledger, known), _promise(ledger, known)]
    return tables


def subject_title(outcome: Outcome) -> str:
    """Return what a subject is called in tables and figures."""
    name = outcome.searched.name
    return f"{SHARED} ({outcome.searched.method})" if name == SHARED else name


def notes(ledger: Ledger, outcomes: Sequence[Outcome]) -> list[str]:
    """Return what every table and figure of a search says."""
    factors = ", ".join(map(factor_label, ledger.factors))
    several = "s" if len(ledger.factors) > 1 else ""
    seeds = ", ".join(map(str, ledger.seeds))
    said = [
        *dataset_notes(ledger.dataset),
        f"{count(ledger.budget, 'try', 'tries')} of each, factor{several} {factors}, "
        f"seed{'s'[: len(ledger.seeds) > 1]} {seeds}, which no study is to use.",
        *_images(outcomes),
    ]
    if ledger.shared:
        said.append(f"Set for all: {', '.join(ledger.shared)}.")
    if ledger.own:
        said.append(f"Set of methods: {', '.join(ledger.own)}.")
    if ledger.without:
        carries = CARRIER in ledger.without and any(o.searched.name == SHARED for o in outcomes)
        of_baseline = f"; {CARRIER} carries the shared rate" if carries else ""
        said.append(f"Without values to search: {', '.join(ledger.without)}{of_baseline}.")
    left = [unchosen(outcome) for outcome in outcomes if outcome.chosen is None]
    if left:
        said.append(f"Not chosen: {', '.join(left)}.")
    return said


def _images(outcomes: Sequence[Outcome]) -> list[str]:
    """Return how many clean validation images of each class choose."""
    found = next((outcome.images for outcome in outcomes if outcome.images), {})
    counts = ", ".join(f"{name} {number}" for name, number in found.items())
    empty = [name for name, number in found.items() if not number]
    apart = f"; the mean is without {', '.join(empty)}" if empty else ""
    return [f"Clean validation images: {counts}{apart}."] if found else []


def heading(ledger: Ledger) -> str:
    """Return what every table and figure of a tuning is of."""
    return f"{dataset_title(ledger.dataset)}, {ledger.protocol} v{ledger.version}"


def _tries(ledger: Ledger, outcomes: Sequence[Outcome]) -> Table:
    blocks = tuple(tuple(_try_rows(outcome)) for outcome in outcomes)
    return Table(
        title=f"{heading(ledger)}: tries, clean VALIDATION images (%)",
        labels=("Searched", "Try", "Point", "Values", "Cells", "Chosen"),
        columns=tuple(_STANDING.values()),
        keys=tuple(_STANDING),
        blocks=blocks,
        notes=(*notes(ledger, outcomes), SCORED),
        name=f"{ledger.key} tries",
        facts={"tuning": ledger.key, "split": "validation"},
    )


def _try_rows(outcome: Outcome) -> list[Row]:
    choice = outcome.choice
    rows = []
    for place, one in enumerate(outcome.searched.tries):
        standing = None if choice is None else choice.standings[place]
        chosen = choice is not None and outcome.complete and place == choice.chosen
        state = outcome.states[place]
        values = show_values(one.values)
        cells = " ".join(short(cell) for cell in one.cells)
        labels = (
            subject_title(outcome),
            str(place + 1),
            WHY[one.why],
            values,
            cells,
            "chosen" if chosen else "" if state == "finished" else state,
        )
        rows.append(
            Row(
                labels,
                (
                    *_standing(
                        standing,
                        best=choice is not None and place == choice.best,
                        bold=outcome.complete,
                    ),
                    Number(f"{one.departure:.2f}"),
                ),
                (outcome.searched.name, str(place + 1)),
            )
        )
    return rows


def _standing(
    standing: Standing | None, *, best: bool, bold: bool
) -> tuple[Number, Number, Number]:
    if standing is None:  # not finished, or it diverged
        return Number(), Number(), Number()
    apart = (
        (Number(), Number())
        if best
        else (Number(percent(100 * standing.behind)), Number(percent(100 * standing.error)))
    )
    return Number(percent(100 * standing.score), best=best and bold), *apart


def _promise(ledger: Ledger, outcomes: Sequence[Outcome]) -> Table:
    most = range(1, ledger.budget + 1)
    rows = []
    for outcome in outcomes:
        scores = known_scores(outcome)
        expected = [percent(100 * value) for value in expected_best(scores)]
        expected += [MISSING] * (ledger.budget - len(expected))
        chosen = outcome.chosen
        spans = "; ".join(
            f"{key.rpartition('.')[2]} {span.words}" for key, span in outcome.searched.spans.items()
        )
        labels = (subject_title(outcome), spans, str(len(scores)))
        edge = Number() if chosen is None else Number(f"{chosen.edge:.2f}")
        rows.append(Row(labels, (edge, *map(Number, expected)), (outcome.searched.name,)))
    return Table(
        title=f"{heading(ledger)}: expected best of n tries, clean VALIDATION images (%)",
        labels=("Searched", "Ranges", "Tries"),
        columns=("Edge", *(f"Best of {n}" for n in most)),
        keys=("edge", *(f"best_of_{n}" for n in most)),
        blocks=(tuple(rows),) if rows else (),
        notes=(*notes(ledger, outcomes), EXPECTED, *diverged_notes(outcomes)),
        name=f"{ledger.key} expected best",
        facts={"tuning": ledger.key, "split": "validation"},
    )


def diverged_notes(outcomes: Sequence[Outcome]) -> list[str]:
    """Return whose expected best is of fewer tries than were made."""
    lost = [(one.searched.name, one.states.count("diverged")) for one in outcomes]
    told = ", ".join(f"{name} {number}" for name, number in lost if number)
    return [f"Tries that diverged, and are not among these: {told}."] if told else []


def known_scores(outcome: Outcome) -> list[float]:
    """Return the scores of the tries that came to something, in 0..1."""
    standings = () if outcome.choice is None else outcome.choice.standings
    return [standing.score for standing in standings if standing is not None]
