# make demo | test | lint | bench | soak | faults | setup; ARGS='...' is passed on.
# make test-cloud-suite SUITE=path: the official Scrapy Cloud client's own tests, of a checkout.
# On a machine with Python 3.11 or later nothing has to be installed beforehand.

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTEST := $(BIN)/coverage run -m pytest -q

.PHONY: setup demo test test-still test-live test-processes test-faults test-cloud-suite lint bench soak faults

demo: $(INSTALLED)
	$(BIN)/scrapy-do demo $(ARGS)

setup: $(INSTALLED)

$(INSTALLED): setup.cfg pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	touch $(INSTALLED)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Still tests, those of whole daemons, those of single processes and browsers, and those of faults
# run side by side (all but the first mostly wait); all count for the coverage.
ifeq ($(strip $(ARGS)),)
test: lint
	$(BIN)/coverage erase
	$(MAKE) --jobs=4 --output-sync=target test-still test-live test-processes test-faults
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=95
else
test: $(INSTALLED)
	$(BIN)/pytest $(ARGS)
endif

test-still: $(INSTALLED)
	$(PYTEST) -m 'not live and not faults'

test-live: $(INSTALLED)
	$(PYTEST) -m 'live and not faults' tests/live

test-processes: $(INSTALLED)
	$(PYTEST) -m 'live and not faults' --ignore=tests/live

test-faults: $(INSTALLED)
	$(PYTEST) -m faults

bench: $(INSTALLED)
	$(BIN)/python -m bench $(ARGS)

soak: $(INSTALLED)
	$(BIN)/python -m bench.soak $(if $(DURATION),--duration $(DURATION)) $(ARGS)

faults: $(INSTALLED)
	FAULTS=sweep $(BIN)/pytest -m faults $(ARGS)

test-cloud-suite: $(INSTALLED)
	$(BIN)/python -m tests.cloud_suite $(SUITE) $(ARGS)
