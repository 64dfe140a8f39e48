# On a fresh machine: Python 3.10 or newer, make and git. Everything is installed into .venv here.
PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
# A file of tests runs in one process, with its archives; the files are dealt out as listed, the
# dearest early.
# One process more than two processors: tests also wait, for timeouts and other processes.
WORKERS ?= 3
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Each process would compile and rewrite all that it imports.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help demo test deep bench lint stubs docs clean

help:
	@echo "make demo   set up, and run the main job on the embedded archive"
	@echo "make test   set up, and run the tests"
	@echo "make deep   the same tests at their full size"
	@echo "make bench  speed, memory and requests, beside curl and other clients"
	@echo "make lint   ruff and mypy"
	@echo "make stubs  write the type stubs of the generated classes"
	@echo "make docs   build the documentation into docs/_build/html"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "pyxnat needs Python 3.10 or newer, and this is %d.%d. Name another one: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-%: $(BIN)/python setup.py
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[$*]'
	@touch $@

demo: $(VENV)/.installed-demo
	$(BIN)/python -m pyxnat.demo

test: $(VENV)/.installed-test
	$(PYTEST) pyxnat tests

deep: $(VENV)/.installed-test
	PYXNAT_DEEP=1 $(PYTEST) pyxnat tests

bench: $(VENV)/.installed-test
	$(BIN)/python -m tests.benchmarks --json docs/performance/bench.json
	$(BIN)/python -m tests.benchmarks.tables --rst docs/howto/long_tables.inc
	$(BIN)/python -m tests.benchmarks.commands --rst docs/performance/commands.inc
	$(BIN)/python docs/make_performance.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

stubs: $(VENV)/.installed-dev
	$(BIN)/python docs/make_stubs.py

docs: $(VENV)/.installed-docs
	rm -rf docs/reference/api
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html
	@echo "The pages begin at docs/_build/html/index.html"

clean:
	rm -rf $(VENV) docs/_build docs/reference/api build *.egg-info demo-archive
