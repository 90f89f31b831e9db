# What a person can do here. Every target does its own set-up on a fresh Debian 12 machine and is quick when that is done.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
NAME ?= default
BIN := .venv/bin
LANES := --numprocesses 2 --no-loadscope-reorder
export GCHAIN_CACHE ?= /var/cache/gchain
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Both lanes read what is compiled once; some containers set this, and then every process of the tests compiles anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help sandbox down status test test-quick soak test-next lint format bench docs clean requirements kit dev

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

sandbox: kit  ## a live four-agency ledger on this machine (NAME=... for a second one, KEY_TYPE=secp256k1 for other keys)
	@$(BIN)/gchain sandbox up --name $(NAME) $(if $(KEY_TYPE),--validator-key-type $(KEY_TYPE))

status: kit  ## what is running, with live data
	@$(BIN)/gchain status --name $(NAME)

down: kit  ## remove the sandbox; only the caches stay
	@$(BIN)/gchain sandbox down --name $(NAME)

test: dev  ## every test but `make soak`, end to end on real hosts included
	@$(BIN)/gchain sandbox prepare
	@$(BIN)/python -m pytest -m "not soak" $(LANES) $(PYTEST_ARGS)

test-quick: dev  ## what of the tests to run at every save, under three minutes on two free cores
	@GCHAIN_TEST_QUICK=1 $(BIN)/python -m pytest -m "not slow and not sandbox and not soak" $(LANES) $(PYTEST_ARGS)

soak: dev  ## the long fault runs: processes killed 200 times, a node 1,000 blocks behind (an hour or more)
	@$(BIN)/python -m pytest -m soak $(PYTEST_ARGS)

test-next: dev  ## the node under the engine's next release line, CometBFT 0.40
	@$(BIN)/gchain toolchain install --next
	@GCHAIN_TEST_COMETBFT=$(GCHAIN_CACHE)/bin/cometbft-next $(BIN)/python -m pytest -m "not soak" node/tests/engine node/tests/network $(PYTEST_ARGS)

lint: dev  ## ruff, mypy --strict, ansible-lint, yamllint
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy --cache-dir $(GCHAIN_CACHE)/mypy
	@$(BIN)/yamllint --strict .
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/ansible-lint --offline -q

format: dev  ## rewrite the Python files in the house style
	@$(BIN)/ruff check --fix . && $(BIN)/ruff format .

bench: dev  ## measure, and write docs/measurements.md
	@$(BIN)/python -m bench

docs: dev  ## regenerate what is generated: role tables, schemas, command reference
	@$(BIN)/python -m tools.docs

clean:  ## remove the virtual environment and build products of this checkout
	rm -rf .venv build node/build *.egg-info node/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis

requirements: dev  ## compile requirements/*.in to pinned files with hashes
	@tools/requirements

kit:
	@tools/setup kit

dev:
	@tools/setup dev
