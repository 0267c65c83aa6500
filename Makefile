# Two commands for a newcomer: `make run` and `make test`. Both do their own set-up.
# Needs git, make, Python >= 3.11 with venv, Java >= 17 and Maven; nothing else, and no root.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
ROOMS = $(wildcard schemas services demo deploy tests bench)

.DEFAULT_GOAL := help
.PHONY: help setup run test test-fast test-kafka test-chaos check fmt schemas bench chaos kafka lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: $(READY) ## the virtual environment, from the hash-pinned lock (run and test do this themselves)

run: setup ## a real Kafka, all services, and a story told through them; ONCE=1 plays it and leaves
	@$(BIN)/python -m demo $(if $(ONCE),--once)

test: setup ## all tests, with and without a broker, but for chaos; HUB_REQUIRE=all turns skips into failures
	@$(BIN)/python -m deploy.kafka --prepare || true
	@$(BIN)/pytest -m "not kafka" -n 2 --dist loadfile
	@$(BIN)/pytest -m "kafka and not chaos"

test-fast: setup ## the tests that need no broker
	@$(BIN)/pytest -m "not kafka" -n 2 --dist loadfile

test-kafka: setup ## the tests on a real broker
	@$(BIN)/python -m deploy.kafka --prepare || true
	@$(BIN)/pytest -m "kafka and not chaos"

test-chaos: setup ## the tests that kill, pause and cut off what they run on; some minutes
	@$(BIN)/python -m deploy.kafka --prepare || true
	@$(BIN)/pytest -m chaos

check: setup ## style, types, who imports whom, and whether generated files are fresh
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy $(ROOMS)
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python -m schemas.generate --check
	@$(BIN)/python -m docs.generate --check

fmt: setup ## mend style where a machine can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

schemas: setup ## write what is generated from the code anew
	@$(BIN)/python -m schemas.generate
	@$(BIN)/python -m docs.generate

bench: setup ## measure rates, beside the bare loop that gives the same guarantee
	@$(BIN)/python -m bench

chaos: setup ## break everything on purpose and count; MESSAGES=, KILLS=, SEED=, ARGS=--help tells more
	@$(BIN)/python -m deploy.kafka --prepare
	@$(BIN)/python -m tests.chaos $(if $(MESSAGES),--messages $(MESSAGES)) $(if $(KILLS),--kills $(KILLS)) \
		$(if $(SEED),--seed $(SEED)) $(ARGS)

kafka: setup ## one real broker in the foreground; ARGS=--help tells more
	@$(BIN)/python -m deploy.kafka $(ARGS)

lock: setup ## write requirements.lock anew from pyproject.toml; ARGS=--upgrade takes newer versions
	@$(BIN)/uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-header \
		--quiet $(ARGS) --output-file requirements.lock

clean: ## remove all that was made here: environment, caches, jars, data
	rm -rf .venv .cache .run .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find $(ROOMS) -name __pycache__ -prune -exec rm -rf {} +

# uv itself comes by pip, from the same lock; it then brings the rest in seconds.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "setup: $(PYTHON) is older than 3.11; name another: make PYTHON=python3.12 setup"; exit 1; }
	@echo "setup: virtual environment in .venv"
	@$(BIN)/python -c 'import ssl' 2> /dev/null || $(PYTHON) -m venv --clear .venv || { rm -rf .venv; \
		echo "setup: $(PYTHON) cannot make a virtual environment: apt install python3-venv"; exit 1; }
	@echo "setup: packages from requirements.lock (some 20 s, once)"
	@awk '/^[^ ]/ {wanted = /^uv==/} wanted' requirements.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --require-hashes --requirement .venv/uv.lock
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $(READY)
