# One command list, for people and for continuous integration alike.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BY_FILE := --numprocesses 2 --dist loadscope --no-loadscope-reorder
export OMP_WAIT_POLICY ?= passive
export GOMP_SPINCOUNT ?= 10000
export OPENBLAS_NUM_THREADS ?= 1
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v == (3, 11) else f"Python 3.11 is needed, $(PYTHON) is {v[0]}.{v[1]}: set PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@# Pip would compile on one core, for minutes; a few files of libraries are no Python, which it ignores, too.
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	@touch $@

.PHONY: install
install: $(STAMP) ## Make the environment in .venv, with the exact versions of requirements.lock

.PHONY: nightly
nightly: $(STAMP) ## Run the whole night on the settings of fan.toml, and say where to look
	@$(BIN)/fan nightly

.PHONY: test
test: $(STAMP) ## Pass the tests (minutes), a file at a time on each of two cores
	$(BIN)/python -m pytest $(BY_FILE)

.PHONY: test-whole
test-whole: $(STAMP) ## Pass the tests of whole nights, commands and servers (a quarter of an hour)
	$(BIN)/python -m pytest $(BY_FILE) -m "whole and not slow and not crash and not cluster"

.PHONY: test-crash
test-crash: $(STAMP) ## Kill nights at any moment, and see what the next one finishes (minutes)
	$(BIN)/python -m pytest -m "crash and not slow"

.PHONY: test-cluster
test-cluster: $(STAMP) ## Nights on several machines, with servers of the tests' own (minutes)
	$(BIN)/python -m pytest -m "cluster and not slow"

.PHONY: test-gpu
test-gpu: $(STAMP) ## Draw every family on a GPU, in the ways that only a card has (minutes)
	$(BIN)/python -m pytest -m gpu tests/fan_model/test_on_gpu.py

.PHONY: test-slow
test-slow: $(STAMP) ## Pass all tests, those that take long and those of killed nights too
	$(BIN)/python -m pytest --hypothesis-profile patient -m "slow or not slow"

.PHONY: coverage
coverage: $(STAMP) ## Show which lines the tests do not pass through (as long as the tests, and half as long again)
	$(BIN)/coverage run -m pytest --quiet
	$(BIN)/coverage report --skip-covered

.PHONY: mutate
mutate: $(STAMP) ## Put small faults into the modules that decide most, and see that tests notice (hours)
	$(BIN)/python -m tests.mutation $(MODULES)

.PHONY: bench
bench: $(STAMP) ## Measure against the plain ways, in the same run (minutes)
	$(BIN)/python -m tests.benchmarks

.PHONY: docs
docs: $(STAMP) ## Build the documentation's site into site/
	$(BIN)/mkdocs build --strict --quiet

.PHONY: lint
lint: $(STAMP) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.PHONY: format
format: $(STAMP) ## Put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: lock
lock: $(STAMP) ## Write requirements.lock anew from the environment
	@sed -n '/^#/p' requirements.lock > requirements.lock.new
	@$(BIN)/python -m pip list --format=freeze --exclude-editable --exclude pip --exclude fan-artwork | sed 's/^torch==\([0-9.]*\).*/torch==\1/' >> requirements.lock.new
	@mv requirements.lock.new requirements.lock

.PHONY: clean
clean: ## Remove the workspace: lake, vectors, pictures, runs
	rm -rf workspace
