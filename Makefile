# DUCKDB=1.5.5 runs any target in a second environment with that version of DuckDB.
DUCKDB  =
PYTHON  = python3
VENV    = .venv$(DUCKDB:%=-duckdb-%)
BIN     = $(VENV)/bin
RUNTIME = $(VENV)/.runtime
DEV     = $(VENV)/.dev

.PHONY: help venv demo test check lint types bench bench-peers clean

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

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

bench-peers: $(DEV) .venv-dbt/.ready .venv-sqlmesh/.ready  ## measure dbt and SQLMesh beside it, on one project
	$(BIN)/python -m benchmarks.peers --dbt .venv-dbt --sqlmesh .venv-sqlmesh

.venv-dbt/.ready:     PEER = 'dbt-core==1.11.*' 'dbt-duckdb==1.11.*'
.venv-sqlmesh/.ready: PEER = 'sqlmesh==0.236.*'
.venv-dbt/.ready .venv-sqlmesh/.ready:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check $(PEER)
	@touch $@

clean:  ## remove the environments and all caches
	rm -rf .venv .venv-* .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): INSTALL = .
$(DEV):     INSTALL = .[dev]
$(RUNTIME) $(DEV): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	sed '$(DUCKDB:%=s/^duckdb==.*/duckdb==%/)' constraints.txt > $(VENV)/constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c $(VENV)/constraints.txt -e '$(INSTALL)'
	@touch $(RUNTIME) $@
