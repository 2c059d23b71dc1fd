# `make demo` and `make test` set everything up in .venv; PYTHON names the interpreter it is made with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo docs manual test lint types check gate clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'fer-bench needs Python 3.11 or newer: make PYTHON=python3.11')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# At 32 px and 6 epochs, less than the stored results have: every method at three factors in about 6 minutes of 2 cores.
demo: setup
	$(BIN)/fer-bench run --methods all --factors 50,100,150 --set image.size=32 --set training.epochs=6 --results demo/runs
	$(BIN)/fer-bench report --results demo/runs --format markdown --out demo/table.md
	$(BIN)/fer-bench report --results demo/runs --format latex --out demo/table.tex
	$(BIN)/fer-bench report --results demo/runs --format csv --out demo/table.csv
	cat demo/table.md

# Writes the blocks of the documentation that a command prints.
docs: setup
	$(BIN)/python tools/generated_blocks.py --write

# The manual as web pages in build/manual: its tutorials are run, and a warning is an error.
manual: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs build/manual

# A file of tests a core; torch's own threads would only stand in each other's way.
test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

check: lint types test

# The paper's methods and three of long-tailed recognition, which touch logits, head and images, trained anew on
# the synthetic faces with one of the five stored seeds, and held against the stored results.
gate: setup
	rm -rf gate
	$(BIN)/fer-bench run --methods paper,logit_adjustment,ldam,mixup --factors 100 --results gate/runs
	$(BIN)/fer-bench check --results gate/runs --against results/smoke --allow-missing '*-s[1-4]' --curves --junit gate/junit.xml --summary gate/summary.md

clean:
	rm -rf $(VENV) build dist demo gate .pytest_cache .mypy_cache .ruff_cache .hypothesis
