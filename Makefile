# Everything a newcomer types. Needs Python >= 3.11, pip and make; the rest goes into .venv.
PYTHON ?= python3
BIN := .venv/bin
DONE := .venv/.setup-done
SOURCES := src tests benchmarks examples

.PHONY: setup demo test test-fast check format bench clean

setup: $(DONE)

$(DONE): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps trackers  # not the OpenCV that needs a screen
	touch $@

demo: setup  ## the whole tour on synthetic clips; ends with the page to look at
	$(BIN)/endofm demo --out demo --overwrite

check: setup  ## format, lint, types, layers, spelling
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell $(SOURCES) docs README.md CHANGELOG.md

test: check  ## all that can run without a GPU
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 -m "not gpu"

test-fast: check  ## what to run after every change
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

format: setup
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

bench: setup  ## ratios to what the machine could do, one JSON line a case
	$(BIN)/python -m benchmarks.forward
	$(BIN)/python -m benchmarks.loader
	$(BIN)/python -m benchmarks.shards
	$(BIN)/python -m benchmarks.evaluation
	$(BIN)/python -m benchmarks.prediction
	$(BIN)/python -m benchmarks.segmentation
	$(BIN)/python -m benchmarks.detection
	$(BIN)/python -m benchmarks.preparation
	$(BIN)/python -m benchmarks.audit

clean:
	rm -rf .venv demo runs build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
