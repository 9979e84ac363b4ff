# Needs Python 3.11 or newer and make. Everything else is installed into $(VENV), at the versions
# of constraints.txt.

PYTHON ?= python3
VENV ?= .venv
BENCH_VENV ?= .venv-bench
PORT ?= 8000
SOAK_SECONDS ?= 120
CONFIG ?= training/configs/conll2003.toml
MODEL ?= models/conll2003
CORPUS ?= ../shared/data/conll2003/eng.testb
IMAGE ?= ner-service
BASE_IMAGE ?= python:3.11-slim
# More arguments for serve, test, train, evaluate and bench: make train ARGS="--set data.path=FOLDER"
ARGS ?=
# Where the package index's torch is a CUDA build of several GB: the address of an index of CPU
# wheels, searched as well. serve never needs it.
TORCH_INDEX ?=

BIN := $(VENV)/bin
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	--constraint constraints.txt $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

.DEFAULT_GOAL := help
.PHONY: help serve test test-ray check format train evaluate bench stories scaling large soak image audit

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

serve: $(VENV)/.serving ## install what serving needs (no torch) and answer on PORT (8000)
	exec $(BIN)/ner-service serve --port $(PORT) $(ARGS)

test: $(VENV)/.development ## run every test, with coverage
	$(BIN)/pytest --cov --cov-report=term --cov-fail-under=95 $(ARGS)

test-ray: $(VENV)/.development ## tag on three Ray nodes, one of them killed
	$(BIN)/pytest tests/cluster $(ARGS)

check: $(VENV)/.development ## lint, formatting, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.development ## put the code into the house's form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

train: $(VENV)/.training ## train the model of CONFIG
	$(BIN)/python -m training.train --config $(CONFIG) $(ARGS)

evaluate: $(VENV)/.training ## score MODEL on CORPUS
	$(BIN)/python -m training.evaluate --model $(MODEL) --corpus $(CORPUS) $(ARGS)

bench: $(VENV)/.training $(BENCH_VENV)/.peers ## measure speed and memory, write docs/benchmarks.md (ARGS=--quick)
	$(BIN)/python -m tests.benchmarks.run --model $(MODEL) --peers $(BENCH_VENV)/bin/python $(ARGS)

stories: $(VENV)/.development ## tag 19,043 stories in every input and output format and compare
	$(BIN)/python -m tests.benchmarks.stories --model $(MODEL) $(ARGS)

scaling: $(VENV)/.development ## what a million documents cost on cores and on Ray; writes docs/scaling.md
	$(BIN)/python -m tests.benchmarks.scaling --model $(MODEL) $(ARGS)

large: $(VENV)/.development ## memory and rate on 2 GB (ARGS="--tagged 0.05" for minutes, not an hour)
	$(BIN)/python -m tests.benchmarks.large_input --model $(MODEL) $(ARGS)

soak: $(VENV)/.development ## hostile input, overload (SOAK_SECONDS) and faults; writes docs/reliability.md
	$(BIN)/python -m tests.soak.run --seconds $(SOAK_SECONDS) $(ARGS)

image: ## build the container image IMAGE
	docker build --build-arg BASE_IMAGE=$(BASE_IMAGE) --tag $(IMAGE) .

# The list is of an environment with what serving needs and nothing else, not even pip.
audit: $(VENV)/.development ## list what serving is made of (SBOM) and look for known vulnerabilities
	$(BIN)/python -m venv --clear --without-pip build/serving
	$(BIN)/python -m pip --python build/serving/bin/python install --quiet \
		--disable-pip-version-check --constraint constraints.txt .
	mkdir -p dist
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-file dist/sbom.cdx.json build/serving/bin/python
	$(BIN)/pip-audit --strict --no-deps --disable-pip --progress-spinner off \
		--requirement constraints.txt $(ARGS)

# One environment that grows: serving, then training, then development. The stamps keep a command
# from installing again what an earlier one has installed.
# pip is the target since it comes last: a half-made environment is made again.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		f"Python 3.11 or newer is needed, PYTHON={sys.executable} is {sys.version.split()[0]}")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serving: pyproject.toml constraints.txt | $(BIN)/pip
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.training: $(VENV)/.serving
	$(PIP_INSTALL) --editable '.[train]'
	@touch $@

$(VENV)/.development: $(VENV)/.training
	$(PIP_INSTALL) --editable '.[train,batch,ray,rules,redaction,telemetry,memory,dev]'
	@touch $@

# What the benchmarks race against stands apart: its versions are not ours.
$(BENCH_VENV)/.peers: tests/benchmarks/requirements-peers.txt
	$(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install --quiet --disable-pip-version-check \
		--requirement $< $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	@touch $@
