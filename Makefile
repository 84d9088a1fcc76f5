# make demo | test | lint | pages | docs | dist | bench | soak | faults | setup; ARGS='...' is passed on.
# make openapi: requests made of /openapi.json, EXAMPLES (100) of each kind.
# make test-cloud-suite SUITE=path: the official Scrapy Cloud client's own tests, of a checkout.
# On a machine with Python 3.11 or later nothing has to be installed beforehand: `make demo` sets up
# what running needs, `make test` the rest, also what is not Python (see tools/needs.sh).

PYTHON ?= python3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TESTED := $(VENV)/.installed-for-tests
PYTEST := $(BIN)/coverage run -m pytest -q

.PHONY: setup demo test test-still test-live test-processes test-faults test-cloud-suite lint openapi pages docs dist bench soak faults

demo: $(INSTALLED)
	$(BIN)/scrapy-do demo $(ARGS)

setup: $(TESTED)

$(INSTALLED): setup.cfg pyproject.toml
	@PYTHON=$(PYTHON) sh tools/needs.sh venv
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $(INSTALLED)

$(TESTED): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs,test]'
	touch $(TESTED)

lint: $(TESTED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell *.md docs etc scrapy_do tools

# The pages and man pages that are made from the code's own tables.
pages: $(TESTED)
	for page in config command reference; do $(BIN)/python -m tools.$${page}_docs || exit; done
	$(BIN)/python -m tools.man_pages

# The site of the documentation, into build/docs.
docs: $(TESTED)
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -d build/doctrees docs build/docs

# The documented calls are tried with curl and jq, faults kill by strace, pages are looked at in a
# browser. Still tests, those of whole daemons, those of single processes and browsers, and those of
# faults run side by side. All but the last count for the coverage: whom they kill cannot say what ran.
ifeq ($(strip $(ARGS)),)
test:
	@PYTHON=$(PYTHON) sh tools/needs.sh venv curl jq strace chromium
	$(MAKE) lint
	$(BIN)/coverage erase
	$(MAKE) --jobs=4 --output-sync=target test-still test-live test-processes test-faults
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --fail-under=95
else
test: $(TESTED)
	$(BIN)/pytest $(ARGS)
endif

test-still: $(TESTED)
	$(PYTEST) -m 'not live and not faults'

test-live: $(TESTED)
	$(PYTEST) -m 'live and not faults' tests/live

test-processes: $(TESTED)
	$(PYTEST) -m 'live and not faults' --ignore=tests/live

test-faults: $(TESTED)
	$(BIN)/pytest -q -m faults

openapi: $(TESTED)
	OPENAPI_EXAMPLES=$(or $(EXAMPLES),100) $(BIN)/pytest -q tests/live/test_openapi.py $(ARGS)

bench: $(TESTED)
	$(BIN)/python -m bench $(ARGS)

soak: $(TESTED)
	$(BIN)/python -m bench.soak $(if $(DURATION),--duration $(DURATION)) $(ARGS)

faults: $(TESTED)
	FAULTS=sweep $(BIN)/pytest -m faults $(ARGS)

# Wheel and sdist, into dist: the same sources give the same bytes (tools/build_backend.py).
dist: $(TESTED)
	rm -rf dist build/lib build/bdist.*
	$(BIN)/python -m build --outdir dist .

test-cloud-suite: $(TESTED)
	$(BIN)/python -m tests.cloud_suite $(SUITE) $(ARGS)
