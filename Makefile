# Every target makes the virtual environment .venv when there is none, and brings it up to date when
# requirements/ or a pyproject.toml has changed. Nothing else is needed than Python 3.11, make and pip.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PROJECTS := pyproject.toml $(wildcard runtimes/*/pyproject.toml stores/*/pyproject.toml plugins/*/pyproject.toml)
DEMO_STORE ?= .sssn

.PHONY: help demo test check format bench docs clean

help:  ## show the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

$(VENV)/.ready: $(PROJECTS) requirements/all.txt requirements/dev.txt
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing requirements/dev.txt into $(VENV)"
	@$(PIP) install hatchling editables
	@$(PIP) install --no-build-isolation -r requirements/dev.txt
	@touch $@

$(VENV)/.docs: $(VENV)/.ready requirements/docs.txt
	@$(PIP) install -r requirements/docs.txt
	@touch $@

demo: $(VENV)/.ready  ## run events through a tactic and show what was kept
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash scripts/demo.sh $(DEMO_STORE)

test: $(VENV)/.ready  ## run the tests
	@$(BIN)/python -m pytest -q $(ARGS)

check: $(VENV)/.ready  ## lint, check the formatting, the types and who imports whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python scripts/check_imports.py

format: $(VENV)/.ready  ## mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.ready  ## run the benchmarks
	@set -e; for program in tests/benchmarks/bench_*.py; do echo "== $$program"; $(BIN)/python $$program; done

docs: $(VENV)/.docs  ## build the documentation into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "built site/index.html"

clean:  ## remove everything that can be made again
	rm -rf $(VENV) build dist site .sssn .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
