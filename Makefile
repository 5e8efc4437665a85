# make demo: environment, then a first look: two airports, 60 frames, detections, pages (demo/README.md).
# make repro: environment, then the whole pipeline offline.  make test: environment, then the tests.
# make fuzz: environment, then 1500 damaged inputs of every reader, the same everywhere.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
# the stages of dvc.yaml call `python`
export PATH := $(abspath $(BIN)):$(PATH)

.PHONY: demo docs repro test fuzz lint env flightgear clean

repro: $(VENV)/.ready
	$(BIN)/dvc repro

demo: $(VENV)/.ready
	$(BIN)/dvc repro demo/dvc.yaml
	@$(BIN)/python demo/show.py

test: $(VENV)/.ready
	$(BIN)/python -m pytest -n auto --dist loadfile

# damaged inputs of every reader; FUZZ='--seed 7 --seconds 3600' tries others (docs/fuzzing.md)
fuzz: $(VENV)/.ready
	PYTHONPATH=tests:. $(BIN)/python -m fuzz $(FUZZ)

# the pages as a site, in docs/_build/html; a warning is an error
docs: $(VENV)/.ready
	$(BIN)/python -m sphinx -q -W --keep-going -b html -d docs/_build/trees docs docs/_build/html
	@echo "open docs/_build/html/index.html"

lint: $(VENV)/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

env: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	touch $@

# the simulator of the second source, by the system's packages; without it that source is left out
flightgear:
	@if test -x /usr/games/fgfs; then \
	  echo "FlightGear is installed"; \
	elif test "$$(id -u)" = 0 && command -v apt-get > /dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    flightgear flightgear-data-all xvfb dbus util-linux > /dev/null \
	    || echo "FlightGear could not be installed: its tests are skipped, its pictures left out"; \
	else \
	  echo "FlightGear is left out: install flightgear, flightgear-data-all, xvfb and dbus as root"; \
	fi

clean:
	rm -rf $(VENV)
