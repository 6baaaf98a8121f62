# make run and make test do all the set-up themselves; everything else is for later.
PYTHON ?= python3
SEEDS  ?= 1,2,3
PARAMS ?=

BIN   := .venv/bin
KEDRO := $(BIN)/kedro

.PHONY: run test coverage test-all lint viz ui notebooks pictures clean

run: .venv/installed ## train, quantize and compare on an embedded dataset, seeds 1 to 3
	@$(KEDRO) sweep --seeds=$(SEEDS) --params=$(PARAMS)

test: .venv/installed-test lint ## linters, contracts and tests
	$(BIN)/python -m pytest -n auto --dist loadscope -q -rs

coverage: .venv/installed-test ## the tests once more, which takes half as long again, and lines they leave out
	$(BIN)/python -m pytest -n auto --dist loadscope --cov --cov-report=term --cov-fail-under=98 -q

test-all: .venv/installed-test ## the long tests: every model, every stored file changed, a hundred kills
	$(BIN)/python -m pytest -n auto -q -m long

lint: .venv/installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

viz: .venv/installed-test ## the pipeline in the browser
	$(KEDRO) viz run

ui: .venv/installed ## every run in MLflow
	$(BIN)/mlflow ui --backend-store-uri sqlite:///mlflow.db

notebooks: .venv/installed ## the notebooks in JupyterLab, with Kedro's variables
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[notebooks]"
	$(KEDRO) jupyter lab notebooks

pictures: .venv/installed-test ## the pictures of the docs, from a finished make run
	$(BIN)/python docs/pictures.py
	$(BIN)/python docs/rooms.py

clean: ## results, features and rendered datasets; never your own files in data/01_raw
	rm -rf data/0[2-8]_*/* data/01_raw/demo_* data/01_raw/miniature mlflow.db mlruns .viz

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python 3.11 or newer is needed; name one: make run PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	@touch $@

.venv/installed-test: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[test,viz]"
	@touch $@ .venv/installed
