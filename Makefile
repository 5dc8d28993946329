# make demo   a text, sites, motifs, a note read (SERVE=1: then the service)     make test         every check of the project
# make bench  ours beside the peers                make bench-quick  one case of each
# make docs   execute the chapters, build the site: build/site/index.html
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PEERS ?= .venv-peers
PORT ?= 8000

.PHONY: demo test lint parity bench bench-quick docs clean

demo: $(VENV)/.installed
	$(BIN)/seqdl warmup
	$(BIN)/seqdl doctor
	$(BIN)/seqdl generate text "ROMEO:" -n 400 --seed 1
	$(BIN)/seqdl scan samples/genes.fa
	$(BIN)/seqdl scan samples/genes.fa --motifs samples/tata.jaspar --thresh 2e-4
	$(BIN)/seqdl ocr samples/note.jpg
	$(BIN)/seqdl ocr samples/note.jpg samples/form.png --quiet --format png -o demo-output
	@echo "what was read, drawn into the pictures: demo-output/note.jpg.png, demo-output/form.png.png"
ifdef SERVE
	$(BIN)/pip install -q --disable-pip-version-check -e ".[serve]"
	@echo "the page: http://127.0.0.1:$(PORT)/ (Ctrl-C ends it)"
	$(BIN)/seqdl serve --port $(PORT)
endif

test: $(VENV)/.tested
	$(BIN)/pytest -q

lint: $(VENV)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.tested $(PEERS)/.installed
	$(BIN)/python bench/run.py --peers $(PEERS)/bin/python

bench-quick: $(VENV)/.tested $(PEERS)/.installed
	$(BIN)/python bench/run.py --quick --peers $(PEERS)/bin/python

docs: $(VENV)/.tested
	$(BIN)/python docs/build.py

$(PEERS)/.installed: bench/requirements-peers.txt pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install -q --disable-pip-version-check -r bench/requirements-peers.txt -e .
	touch $@

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e .
	touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/pip install -q --disable-pip-version-check -e ".[dev]"
	touch $@

# The core beside PyTorch, in an environment of its own: outputs, gradients, optimiser steps, state_dicts.
parity: $(PEERS)/.installed
	$(PEERS)/bin/pytest -q -s -m peers tests/test_torch_parity.py

clean:
	rm -rf $(VENV) $(PEERS) build demo-output dist *.egg-info
