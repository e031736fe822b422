PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: setup run test lint bench
.DEFAULT_GOAL := run

setup: .venv/runtime .env

run: setup
	@exec $(BIN)/python manage.py serve

test: setup .venv/development
	$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup .venv/development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports --no-cache
	$(BIN)/python manage.py makemigrations --check --dry-run

# The registry against its peers, in seven to ten minutes: needs PostgreSQL's programs and wrk.
bench: .venv/runtime .venv-bench/peers
	@$(BIN)/python bench/speed.py $(ARGS)

.env:
	@$(PYTHON) -m itempath.dotenv .env

# Made anew only when the pinned packages change.
.venv/runtime: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/development: .venv/runtime requirements-dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

.venv-bench/peers: bench/requirements.txt
	@test -x .venv-bench/bin/python || $(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/pip install --quiet --disable-pip-version-check -r bench/requirements.txt
	@touch $@
