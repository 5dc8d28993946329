# make demo   a text from the shipped model        make test   every check of the project
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test lint parity clean

demo: $(VENV)/.installed
	$(BIN)/seqdl warmup
	$(BIN)/seqdl doctor
	$(BIN)/seqdl generate text "ROMEO:" -n 400 --seed 1

test: $(VENV)/.tested
	$(BIN)/pytest -q

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/pip install -q --disable-pip-version-check -e ".[dev]"
	touch $@

# The core beside PyTorch, in an environment of its own: outputs, gradients, optimiser steps, state_dicts.
parity: .venv-peers/.installed
	.venv-peers/bin/pytest -q -s -m peers tests/test_torch_parity.py

.venv-peers/.installed: pyproject.toml bench/requirements-peers.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install -q --disable-pip-version-check -e . -r bench/requirements-peers.txt
	touch $@

clean:
	rm -rf .venv-peers $(VENV) build dist *.egg-info
