# Every target works alone and first, from a fresh clone: it makes .venv and installs what it needs, once.
# Needs Python 3.11 or newer. Another interpreter: make demo PYTHON=python3.12
.DEFAULT_GOAL := help
.PHONY: help demo test test-fast check format docs bench results report clean
.DELETE_ON_ERROR:

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SEEDS ?= 0 1 2 3 4
MODEL ?= embedded

export TOKENIZERS_PARALLELISM = false

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 20

demo: $(VENV)/.demo  ## train the embedded model to confess and write the report page (about 10 minutes on two cores)
	$(BIN)/confessions demo --model $(MODEL)

test: $(VENV)/.dev  ## run every test
	$(BIN)/python -m pytest

test-fast: $(VENV)/.dev  ## run the tests that take less than ten seconds
	$(BIN)/python -m pytest -m "not slow"

check: $(VENV)/.dev  ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy

format: $(VENV)/.dev  ## format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

docs: $(VENV)/.demo  ## write docs/reference.md from --help, docs/families.md from the families, and the README's results from results/
	$(BIN)/python -c "from confessions.cli import reference; print(reference(), end='')" > docs/reference.md
	$(BIN)/python -m confessions.experiments.cards > docs/families.md
	$(BIN)/python -m confessions.experiments.readme README.md

bench: $(VENV)/.dev  ## time what a confession adds to a training step, and to a finished log
	$(BIN)/python benchmarks/step_time.py
	$(BIN)/python benchmarks/posthoc_overhead.py

# One thread, so that the numbers do not depend on how many cores there are.
results: export OMP_NUM_THREADS = 1
results: $(VENV)/.demo  ## run the demo for five seeds (an hour) and write results/, the figures and the README's block
	for seed in $(SEEDS); do $(BIN)/confessions demo --model $(MODEL) --seed $$seed --out runs/demo-$(MODEL)-$$seed || exit $$?; done
	$(BIN)/python -m confessions.experiments.publish $(foreach seed,$(SEEDS),runs/demo-$(MODEL)-$(seed))
	$(MAKE) docs

report: $(VENV)/.demo  ## write report/report.html from the committed results of MODEL
	$(BIN)/confessions report results/demo/$(MODEL)/summary.json --out report

clean:  ## remove the environment and every cache, but no results and no runs
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

# torch comes first and pinned: a range would let pip take a newer build with gigabytes of CUDA beside it.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing PyTorch and what the demo needs into $(VENV), once (some minutes)"
	$(PIP) install -qq "$$(grep '^torch==' constraints.txt)" -c constraints.txt
	$(PIP) install -qq -e '.[demo]' -c constraints.txt
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(PIP) install -qq -e '.[dev]' -c constraints.txt
	touch $@
