# Two verbs do everything on a fresh machine: `make run` and `make test`. `make help` lists the others.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXPECT ?= issued
LIVENESS ?= offered
ATTACK ?= none
# Tests run on all cores; whole calls of browsers, whose pictures have to come in time, and what changes the machine's
# networks run one at a time after them.
PARALLEL := -n auto --maxprocesses 4 --dist worksteal
CALLS := tests/media/test_chromium_call.py tests/media/test_narrow_line.py tests/media/test_networks.py \
         tests/media/test_turn.py tests/browser/test_attacks.py tests/browser/test_interpreter_page.py \
         tests/browser/test_janus_session.py tests/browser/test_media_loss.py tests/browser/test_session.py

.DEFAULT_GOAL := help
.PHONY: help run test test-fast lint types unit tools-there e2e bench lock openapi clean

help: ## List the verbs
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

run: $(VENV)/.run ## Set up what is missing and start the service (Ctrl+C ends it)
	@$(BIN)/python -m server run

test: $(VENV)/.dev tools-there lint types ## Set up the test tools and a browser, then run every test
	@$(BIN)/python -m pytest -q $(PARALLEL) tests $(CALLS:%=--ignore %)
	@$(BIN)/python -m pytest $(CALLS)

test-fast: $(VENV)/.dev lint types unit ## Lint, types and unit tests: under a minute

lint: $(VENV)/.dev ## Style and architecture
	@$(BIN)/ruff check . && $(BIN)/ruff format --check -q . && $(BIN)/lint-imports --no-cache

types: $(VENV)/.dev ## Types
	@$(BIN)/mypy

unit: $(VENV)/.dev ## Unit tests
	@$(BIN)/python -m pytest -q $(PARALLEL) tests/unit tests/architecture -m "not slow"

e2e: $(VENV)/.dev tools-there ## One whole session in two browsers: PORTRAIT=face.jpg VIDEO=clip.mp4 EXPECT=issued|refused [LIVENESS=required] [ATTACK=still|replay|other_card|expired_card]
	@test -n "$(PORTRAIT)" && test -n "$(VIDEO)" || { echo "usage: make e2e PORTRAIT=face.jpg VIDEO=clip.mp4 EXPECT=issued|refused"; exit 2; }
	@$(BIN)/python -m tests.browser.e2e --portrait "$(PORTRAIT)" --video "$(VIDEO)" --expect "$(EXPECT)" --liveness "$(LIVENESS)" --attack "$(ATTACK)"

bench: $(VENV)/.dev tools-there ## Measure; writes bench/results.json (ONLY=name for one part)
	@$(BIN)/python -m bench $(if $(ONLY),--only $(ONLY))

lock: $(VENV)/.dev ## Compile the locked requirements anew from pyproject.toml
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

openapi: $(VENV)/.run ## Print the OpenAPI document
	@$(BIN)/python -m server openapi

clean: ## Remove the environment and the caches (never the data in var/)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis test-results

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Betpe-bet needs Python 3.11 to 3.13, this is " + sys.version.split()[0]) if not (3, 11) <= sys.version_info[:2] <= (3, 13) else None'
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing: on Debian and Ubuntu, apt-get install python3-venv"; exit 1; }

$(VENV)/.run: requirements.lock | $(VENV)/bin/python
	@echo "Setting up (once; about a minute) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.dev: requirements-dev.lock | $(VENV)/bin/python
	@echo "Setting up the test tools (once; about a minute) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.lock
	@touch $(VENV)/.run $@

tools-there:
	@bash tests/install_tools.sh
