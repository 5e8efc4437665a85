# make repro: environment, then the whole pipeline offline.  make test: environment, then the tests.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
# the stages of dvc.yaml call `python`
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: repro test lint env clean

repro: $(VENV)/.ready
	$(BIN)/dvc repro

test: $(VENV)/.ready
	$(BIN)/python -m pytest

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

env: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV)
