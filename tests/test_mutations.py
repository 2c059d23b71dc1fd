"""Every mutation is noticed by the guards that the list names, and by no others."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from mutation_list import MUTATIONS, REORDERED, TRAINER, Mutation
from mutations import GUARDS, ROOT, TABLE, mutated, mutated_copy, red_guards, table

from methods.registry import BUILT_IN

EVERY = (*MUTATIONS, *REORDERED)


@pytest.mark.parametrize("mutation", EVERY, ids=lambda m: m.label)
def test_a_mutation_fits_the_source(mutation: Mutation) -> None:
    text = (ROOT / mutation.file).read_text(encoding="utf-8")
    changed = mutated(text, mutation)
    assert changed != text
    compile(changed, mutation.file, "exec")


def test_every_method_is_mutated_and_every_mutation_is_caught() -> None:
    assert min(Counter(m.method for m in MUTATIONS)[name] for name in (*BUILT_IN, TRAINER)) >= 3
    assert len({m.label for m in MUTATIONS}) == len(MUTATIONS)
    assert {m.method for m in REORDERED} == set(BUILT_IN)
    for mutation in MUTATIONS:
        assert mutation.caught_by, mutation.label
        assert [guard for guard in GUARDS if guard in mutation.caught_by] == [*mutation.caught_by]


def test_the_table_is_that_of_the_list() -> None:
    assert TABLE.read_text(encoding="utf-8") == table((m, m.caught_by) for m in MUTATIONS)


@pytest.mark.mutation
def test_nothing_is_noticed_where_nothing_is_changed(tmp_path: Path) -> None:
    assert red_guards(mutated_copy(tmp_path, None), None) == ()


@pytest.mark.mutation
@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.label)
def test_a_mutation_is_caught(mutation: Mutation, tmp_path: Path) -> None:
    assert red_guards(mutated_copy(tmp_path, mutation), mutation.method) == mutation.caught_by


@pytest.mark.mutation
@pytest.mark.parametrize("mutation", REORDERED, ids=lambda m: m.label)
def test_the_same_formula_written_otherwise_is_not_noticed(
    mutation: Mutation, tmp_path: Path
) -> None:
    assert red_guards(mutated_copy(tmp_path, mutation), mutation.method) == ()
