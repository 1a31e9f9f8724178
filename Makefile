# DUCKDB=1.5.5 runs any target in a second environment with that version of DuckDB.
DUCKDB  =
# WAREHOUSE=ducklake runs `make test` over lakes on PostgreSQL, with DUCKDB=1.5.5.
# The tests that `make test` runs, with any options of pytest: T="tests/test_plan.py -k rename".
T       =
PYTHON  = python3
VENV    = .venv$(DUCKDB:%=-duckdb-%)
BIN     = $(VENV)/bin
PIP     = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c $(VENV)/constraints.txt
RUNTIME = $(VENV)/.runtime
DEV     = $(VENV)/.dev

.PHONY: help venv demo quick test check lint types fix docs bench bench-peers clean

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

venv: $(DEV)  ## make .venv with everything that development needs

demo: $(RUNTIME)  ## see a branch become an environment and a merge a release
	@PATH="$(CURDIR)/$(BIN):$$PATH" examples/demo.sh

quick: $(DEV)  ## run the unit tests: seconds, for after each edit
	$(BIN)/python -m pytest tests/unit

test: $(DEV)  ## run all tests; T=tests/test_plan.py runs some, with any options of pytest
	$(if $(T),,@echo "This takes about 35 minutes on 2 cores. The lines of dots say how far it is.")
	$(BIN)/python -m pytest $(T)

check: lint types  ## the gate: format, lint, types, and all tests with their coverage
	$(BIN)/python -m pytest --cov

# SC2329: the line that `hooks install` adds to a hook calls its functions.
lint: $(DEV)  ## check format and style, of Python and shell
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/shellcheck --exclude=SC2329 hooks/* .ci/run examples/*.sh seeknal_git/templates/completion/*.bash

types: $(DEV)  ## check types
	$(BIN)/mypy

fix: $(DEV)  ## mend format and style, and write docs/cli.md anew
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python docs/generate_cli.py

docs: $(DEV)  ## write docs/cli.md anew, and check all pages
	$(BIN)/python docs/generate_cli.py
	$(BIN)/python -m pytest tests/docs

bench: $(DEV)  ## measure, and compare with plain DuckDB
	$(BIN)/python -m benchmarks

bench-peers: $(DEV) .venv-dbt/.ready .venv-sqlmesh/.ready  ## measure dbt and SQLMesh beside it, on the same projects
	$(BIN)/python -m benchmarks.peers --dbt .venv-dbt --sqlmesh .venv-sqlmesh
	$(BIN)/python -m benchmarks.peer_days --dbt .venv-dbt --sqlmesh .venv-sqlmesh

.venv-dbt/.ready:     PEER = 'dbt-core==1.11.*' 'dbt-duckdb==1.11.*'
.venv-sqlmesh/.ready: PEER = 'sqlmesh==0.236.*'
.venv-dbt/.ready .venv-sqlmesh/.ready:
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check $(PEER)
	@touch $@

clean:  ## remove the environments and all caches
	rm -rf .venv .venv-* .coverage .coverage.* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUNTIME): WANTED = -e .
# The version of DuckDB whose extensions are packages is tested with servers, too.
$(DEV):     WANTED = -e . --group dev $(if $(filter 1.5.5,$(DUCKDB)),--group servers)
$(DEV):     PIP_OF_GROUPS = $(PIP) --upgrade pip
$(RUNTIME) $(DEV): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	sed '$(DUCKDB:%=s/^duckdb==.*/duckdb==%/)' constraints.txt > $(VENV)/constraints.txt
	$(PIP_OF_GROUPS)
	$(PIP) $(WANTED)
	@touch $(RUNTIME) $@
