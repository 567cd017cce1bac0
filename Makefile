# Every target does all set-up by itself; a second call finds it done.
SHELL := /bin/sh
VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup rehearse test drill lint format clean
.DEFAULT_GOAL := help

help:
	@echo "make rehearse   the maintenance window on the twin: nothing real is touched"
	@echo "make test       the harness's own tests"
	@echo "make drill      its long scenarios"
	@echo "make lint       ruff and mypy --strict"
	@echo "make clean      remove the virtual environment and what runs left in reports/"

setup: $(READY)

$(READY): pyproject.toml constraints.txt tools/set-up
	@sh tools/set-up $(VENV)
	@touch $(READY)

rehearse: setup
	@$(BIN)/maint rehearse

test: setup
	@$(BIN)/python -m pytest tests -n 2 -m "not drill"

drill: setup
	@$(BIN)/python -m pytest tests -n 2 -m drill

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
	find reports -mindepth 1 ! -name README.md -delete
