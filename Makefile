# Every target works alone and first, from a fresh clone: it makes .venv and installs what it needs, once.
# Needs Python 3.11 or newer. Another interpreter: make demo PYTHON=python3.12
.DEFAULT_GOAL := help
.PHONY: help demo test test-fast check format docs bench bench-learning judges results evaluation studies pretrained report clean
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

docs: $(VENV)/.dev  ## write docs/reference.md from --help, docs/families.md from the families, and the README's results from results/
	$(BIN)/python -c "from confessions.cli import reference; print(reference(), end='')" > docs/reference.md
	$(BIN)/python -m confessions.experiments.cards > docs/families.md
	$(BIN)/python -m confessions.experiments.readme README.md
	$(BIN)/python -m confessions.experiments.evaluation_tables README.md
	$(BIN)/python benchmarks/cost_tables.py docs/cost.md
	$(BIN)/python -m confessions.experiments.judge_tables docs/judges.md
	$(BIN)/python -m confessions.experiments.studies.pages README.md

bench: export OMP_NUM_THREADS = 1
bench: $(VENV)/.dev  ## measure what confessions cost in time and memory, in training and on a finished log (minutes)
	$(BIN)/python benchmarks/step_time.py
	$(BIN)/python benchmarks/rollout.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/posthoc_overhead.py
	$(BIN)/python benchmarks/cost_tables.py docs/cost.md

bench-learning: export OMP_NUM_THREADS = 1
bench-learning: $(VENV)/.dev  ## train the ways of learning to confess that are compared in docs/cost.md (an hour on one core)
	$(BIN)/python benchmarks/learning.py
	$(BIN)/python benchmarks/cost_tables.py docs/cost.md

judges: export OMP_NUM_THREADS = 1
judges: $(VENV)/.dev  ## put the judges of confessions on the bench (some minutes) and write results/judges/
	rm -f runs/judge-bench/verdicts.jsonl
	$(BIN)/confessions judge bench --cases 100 --out runs/judge-bench \
		--judge exact --judge spot_check --judge learned=runs/judges/learned --judge length
	mkdir -p results/judges && cp $(addprefix runs/judge-bench/,bench.csv bench.json cases.json) results/judges/
	$(BIN)/python -m confessions.experiments.learned_judge results/judges/learned.json runs/studies $(SEEDS)
	$(MAKE) docs

# One thread, so that the numbers do not depend on how many cores there are.
results: export OMP_NUM_THREADS = 1
results: $(VENV)/.demo  ## run the demo for five seeds (an hour) and write results/, the figures and the README's block
	for seed in $(SEEDS); do $(BIN)/confessions demo --model $(MODEL) --seed $$seed --out runs/demo-$(MODEL)-$$seed || exit $$?; done
	$(BIN)/python -m confessions.experiments.publish $(foreach seed,$(SEEDS),runs/demo-$(MODEL)-$(seed))
	$(MAKE) docs

# The demo's models before and after training; the embedded one can read one family, so more of that.
TEXTS := instruction_following word_count hierarchy_general hierarchy_tutor background_work lived_experience people general_knowledge
AGENTS := broken_browser covert_rule sandbagging impossible_task conceal
EVALUATE = $(BIN)/confessions evaluate $(1) --profile brief --out logs/evaluation/$(2)$$(echo $$model | tr / -) --model
LARGE := --temperature 0.7 --max-tokens 96 --max-connections 60 --max-samples 60 --max-tasks 1 -T max_confession_tokens=144
evaluation: export OMP_NUM_THREADS = 1
evaluation: $(VENV)/.dev  ## run every family on the demo's models before and after training (hours) and write results/evaluation/
	for model in embedded smollm2-135m; do $(BIN)/confessions demo --model $$model --seed 0 --out runs/demo-$$model-0 || exit $$?; done
	for model in embedded runs/demo-embedded-0/runs/confessions/model; do \
		$(call EVALUATE,writing,writing-) $$model -- --seed 0 -T samples=400 || exit $$?; \
		$(call EVALUATE,$(TEXTS) $(AGENTS),) $$model -- --seed 0 -T sandbox=local || exit $$?; done
	for model in smollm2-135m runs/demo-smollm2-135m-0/runs/confessions/model; do \
		$(call EVALUATE,writing $(TEXTS) $(AGENTS),) $$model -- --seed 0 -T sandbox=local $(LARGE) || exit $$?; done
	$(BIN)/confessions report logs/evaluation --out report/evaluation
	mkdir -p results/evaluation && cp report/evaluation/table.csv report/evaluation/means.csv results/evaluation/
	$(MAKE) docs

# One thread, so that the numbers do not depend on how many cores there are; a run that was broken off goes on.
studies: export OMP_NUM_THREADS = 1
studies: $(VENV)/.demo  ## run all studies for five seeds (two hours on one core) and write results/studies/ and their pages
	$(BIN)/confessions study all
	$(MAKE) docs

# Hours on two cores, minutes on a GPU; the run resumes where it was stopped.
pretrained: $(VENV)/.demo  ## run the demo on SmolLM2-135M, measure it on frozen answers and under pressure, publish its adapters
	$(BIN)/confessions demo --model smollm2-135m --seed 0 --out runs/demo-smollm2-135m-0
	$(BIN)/python -m confessions.experiments.pretrained runs/demo-smollm2-135m-0
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
