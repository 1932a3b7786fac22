# gigacluster: two commands matter, `make report` and `make test`; `make help` lists the rest.

SCENARIO ?= xai-colossus-2024
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# An environment installed without bytecode pays seconds for every import.
unexport PYTHONDONTWRITEBYTECODE
export GIGACLUSTER_SCENARIO

.DEFAULT_GOAL := help
.PHONY: help env report test test-all coverage mutants lab lint docs calibrate bench gpu browser pictures schema datapackage readme clean clean-notebooks lock

help:  ## list the commands
	@echo "gigacluster: what a giant training cluster buys, costs and changes"; echo
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-24s %s\n", $$1, $$2}'
	@echo; echo "  SCENARIO=name-or-path   for report and lab; several in quotes for report (now: $(SCENARIO))"

env: $(READY)  ## make the environment at .venv from the hashed lock

$(READY): requirements.lock
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no '$(PYTHON)'. Install Python 3.11 or newer (Debian, Ubuntu: apt install python3 python3-venv)," >&2; \
	  echo "or name another: make env PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$$($(PYTHON) --version) is too old. Install Python 3.11 or newer, or name one: make env PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv. Install it (Debian, Ubuntu: apt install python3-venv) and run make again." >&2; exit 1; }
	@echo "Making the environment at $(VENV) (about a minute, 700 MB)..."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock 2>&1 \
	  | { grep -v "is ignored: it is neither a file nor a directory" || true; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . 2>&1 \
	  | { grep -v "is ignored: it is neither a file nor a directory" || true; }
	@$(BIN)/python -c 'import gigacluster, jupyterlab, seaborn'
	@touch $(READY)
	@echo "The environment is ready: $(BIN)/python"

report: $(READY)  ## execute the notebooks and write reports/<scenario>/index.html
	@$(BIN)/gigacluster report $(SCENARIO) $(if $(ADDRESS),--address $(ADDRESS))

# As many processes as cores, one thread each: linear algebra on more would wait for the other processes' turn.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1
# A file to a process, in the order of tests/conftest.py: the longest first.
SIDE_BY_SIDE := -n auto --dist loadfile --no-loadscope-reorder

test: $(READY)  ## run all tests
	@$(ONE_THREAD) $(BIN)/python -m pytest $(SIDE_BY_SIDE)

test-all: $(READY)  ## run all tests, the long ones and JupyterLab too; weekly, and before a release
	@$(ONE_THREAD) $(BIN)/python -m pytest $(SIDE_BY_SIDE) -m ""

coverage: $(READY)  ## list the lines of helpers/ that no test runs (the package `coverage` is fetched once)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "coverage>=7.10"
	@$(BIN)/coverage erase --data-file=build/coverage
	@$(BIN)/coverage run --source=$(CURDIR)/helpers --data-file=$(CURDIR)/build/coverage -m pytest $(SIDE_BY_SIDE)
	@$(BIN)/coverage combine -q --data-file=build/coverage build
	@$(BIN)/coverage report --data-file=build/coverage --show-missing --skip-covered

mutants: $(READY)  ## change the models in small ways, see whether the tests fail, and write docs/mutants.md (half an hour)
	@$(ONE_THREAD) nice $(BIN)/python -m tests.mutants

lint: $(READY)  ## check style, types, floors of imports and stored notebooks
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

docs: $(READY)  ## build the reference at build/docs/index.html (the extra `docs` is fetched once)
	@$(BIN)/python -c 'import myst_parser, numpydoc, sphinx' 2>/dev/null \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable '.[docs]'
	@rm -rf docs/site/generated
	@$(BIN)/python -m sphinx -q -b html docs/site build/docs
	@echo "The reference is at build/docs/index.html"

lab: $(READY)  ## open JupyterLab on notebooks/
	@GIGACLUSTER_SCENARIO=$(SCENARIO) $(BIN)/jupyter lab --LabApp.news_url=None --LabApp.app_settings_dir=$(CURDIR)/binder notebooks

calibrate: $(READY)  ## fit the throughput coefficients and the law replicates again from data/
	@$(BIN)/python -m gigareport.calibration.crossvalidate
	@$(BIN)/python -m gigareport.calibration.law

bench: $(READY)  ## time the models on one thread, beside the chinchilla package, and write benchmarks/results/cpu.json
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "chinchilla>=0.2.0" \
	  || echo "The chinchilla package could not be installed; its row will say so." >&2
	@$(ONE_THREAD) $(BIN)/python -m benchmarks cpu

gpu:  ## on a CUDA machine with numpy, scipy, pyyaml and cupy: parity and benchmark, straight from the checkout
	@PYTHONPATH=helpers $(PYTHON) -m benchmarks gpu

browser: $(READY)  ## test every page and JupyterLab in Chromium
	@command -v chromium >/dev/null || { echo "There is no chromium; install it (Debian: apt install chromium)." >&2; exit 1; }
	@$(BIN)/python -m pytest tests/browser -m browser

schema: $(READY)  ## write the JSON schemas of scenario files and goals again
	@$(BIN)/python -c "import json; from gigareport import scenario; print(json.dumps(scenario.json_schema(), indent=1))" > data/scenarios/schema.json.part
	@mv data/scenarios/schema.json.part data/scenarios/schema.json
	@$(BIN)/python -c "import json; from gigareport import planner, scenario; print(json.dumps(scenario.json_schema(planner.Aim), indent=1))" > data/goals/schema.json.part
	@mv data/goals/schema.json.part data/goals/schema.json

datapackage: $(READY)  ## write data/datapackage.json again, from data/columns.csv and data/tables.csv
	@$(BIN)/python -m gigareport.dictionary > data/datapackage.json.part
	@mv data/datapackage.json.part data/datapackage.json

readme: $(READY)  ## write the headline numbers of README.md again
	@$(BIN)/python -m gigareport readme

pictures: $(READY)  ## take the README's pictures of the report again (make report first)
	@$(BIN)/python tests/browser/pictures.py reports/xai-colossus-2024 docs/pictures

# Ids that follow from the place of a cell, so that a notebook is stored alike whoever edits it.
define NUMBER_CELLS
import pathlib
import nbformat

for file in pathlib.Path("notebooks").glob("*.ipynb"):
    notebook = nbformat.read(file, as_version=4)
    numbers = iter(range(len(notebook.cells)))
    for place, cell in enumerate(notebook.cells):
        cell.id = "cell-menu" if place == 1 else f"cell-{next(numbers):02d}"
    nbformat.write(notebook, file)
endef
export NUMBER_CELLS

clean-notebooks: $(READY)  ## strip outputs from the notebooks and number their cells
	@$(BIN)/jupyter nbconvert --clear-output --inplace notebooks/*.ipynb
	@$(BIN)/python -c "$$NUMBER_CELLS"

clean:  ## remove the environment, reports and caches
	rm -rf $(VENV) reports build .pytest_cache .mypy_cache .ruff_cache .cache

lock:  ## maintainers: write the lock again (needs uv)
	uv pip compile pyproject.toml --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --extra report --extra test -o requirements.lock
