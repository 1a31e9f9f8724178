# DUCKDB=1.5.5 runs any target in a second environment with that version of DuckDB.
DUCKDB  =
PYTHON  = python3
VENV    = .venv$(DUCKDB:%=-duckdb-%)
BIN     = $(VENV)/bin
RUNTIME = $(VENV)/.runtime
DEV     = $(VENV)/.dev

.PHONY: help venv demo test check lint types bench clean

help:  ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 8

venv: $(DEV)  ## make .venv with everything that development needs

demo: $(RUNTIME)  ## see a branch become an environment and a merge a release
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo.sh

test: $(DEV)  ## run the whole test suite: up to 20 minutes on 2 cores
	@echo "This takes up to 20 minutes on 2 cores. The lines of dots say how far it is."
	$(BIN)/python -m pytest

check: lint types  ## the gate: format, lint, types, tests with branch coverage
	$(BIN)/python -m pytest --cov

lint: $(DEV)  ## check format and style
	$(BIN)/ruff format --check
	$(BIN)/ruff check

types: $(DEV)  ## check types
	$(BIN)/mypy

bench: $(DEV)  ## measure, and compare with plain DuckDB
	$(BIN)/python -m benchmarks

clean:  ## remove the environments and all caches
	rm -rf .venv .venv-duckdb-* .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): INSTALL = .
$(DEV):     INSTALL = .[dev]
$(RUNTIME) $(DEV): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	sed '$(DUCKDB:%=s/^duckdb==.*/duckdb==%/)' constraints.txt > $(VENV)/constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c $(VENV)/constraints.txt -e '$(INSTALL)'
	@touch $(RUNTIME) $@
