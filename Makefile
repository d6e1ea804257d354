# `make repro` and `make test` do all set-up: a project-local .venv from requirements.lock, with uv
# where it is installed and plain pip otherwise. PYTHON chooses the interpreter (3.11 to 3.13).
# Neither compiles to bytecode: most modules are never imported, and Python does the others itself.
PYTHON ?= python3
VENV := .venv
READY := $(VENV)/.ready
# Before anything is run: neither `make` nor a shell may take a folder's name for more than a name.
NEW :=
ifeq ($(origin FOLDER),command line)
override FOLDER := $(value FOLDER)
export FOLDER
NEW := soundloom new -- "$$FOLDER"
else ifneq ($(filter environment,$(origin FOLDER)),)
# Exported once, it would undo what was changed in params.yaml since.
NEW := [ -z "$$FOLDER" ] || echo 'FOLDER of the environment is not used; this would use it:' \
    'make repro FOLDER="$$FOLDER"' >&2
endif
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# An environment knows its own place: in a project that was moved or copied, it is made anew.
PLACE := $(shell cat $(READY) 2>/dev/null)
ifneq ($(or $(PLACE),$(CURDIR)),$(CURDIR))
.PHONY: $(READY)
endif
# Set in many containers, it would have every process compile all it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup repro test coverage check ui listen demo compare notebook study bench verify \
    base audit lint lock scale clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Set up .venv and no more; the others do it, too

repro: $(READY) ## Run what changed of the pipeline; FOLDER="/my/music" has it suit that folder first
	@soundloom track --waiting || true
	@$(NEW)
	dvc repro

# One worker more than CI has cores: a third of the time they wait, for DVC, locks and start-up. They
# take whole files, as tests/conftest.py orders them, the slowest first.
ALL_TESTS := pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder
test: $(READY) ## Run all tests
	$(ALL_TESTS)

coverage: $(READY) ## The same, counting the lines of the core they reach, at a third more time
	$(ALL_TESTS) --cov --cov-report=term --cov-fail-under=90

check: lint ## Check style, types and, with all tests that take no seconds each, the code: after every edit
	pytest -m "not slow" --numprocesses=2 --dist=loadfile --durations=0 --durations-min=2

ui: $(READY) ## Serve MLflow on this machine: compare variants and listen
	soundloom ui

listen: $(READY) ## Open the listening page in the browser
	dvc repro report
	@python -c 'import pathlib, webbrowser; \
	    page = pathlib.Path("reports/listen.html").resolve().as_uri(); \
	    print(page, flush=True); webbrowser.open(page)'

# Of some two hundred columns, those that say which variant is nearer to real audio; all parameters.
SECTIONS := dataset|explore|split|spectrogram|pairs|model|train|generate|evaluate
NUMBERS := val_loss|fad|kad|tags|ears\..*fad|frame_change_ratio|novelty\.near_copies|truth\..*
compare: $(READY) ## Show experiments, the nearest to real audio first: what was set, what came of it
	dvc exp show --only-changed --sort-by fad \
	    --drop '(?!Experiment|Created|State|($(SECTIONS))\.|($(NUMBERS))$$)'

notebook: $(READY) ## Open the notebook this began as, cell by cell, in JupyterLab (which it fetches)
	@python -c 'import ipywidgets, jupyterlab' 2>/dev/null || if command -v uv >/dev/null; \
	    then uv pip install --quiet --python $(VENV) jupyterlab ipywidgets; \
	    else python -m pip install --quiet jupyterlab ipywidgets; fi
	jupyter lab notebooks/quickstart.ipynb

demo: $(READY) ## Play with the model in the browser: a riff in, takes out
	soundloom demo --open

study: $(READY) ## Run the variants of study.yaml and compare them in reports/study.md
	soundloom study study.yaml --out reports/study.md

bench: $(READY) ## Measure speed beside the notebook and the limit, and how often tempo and key are kept
	python bench/speed.py
	python bench/truth.py

verify: $(READY) ## Rebuild the last commit twice, from fresh clones, and say what differs (an hour)
	python bench/verify.py

base: $(READY) ## Make models/base anew: 31 hours of free music, 25 GB, hours (its result is in git)
	cd base && dvc repro
	rm -rf models/base && cp -r base/models/base models/base

audit: ## Look for known faults of the locked packages, where their index can be reached
	$(PYTHON) bench/audit.py

lint: $(READY) ## Check style and types
	ruff check .
	ruff format --check .
	mypy

# What requirements-scale.lock adds fits the first, and repeats nothing of it.
COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 \
    --generate-hashes --no-emit-index-url --quiet --custom-compile-command "make lock"
lock: ## Resolve requirements.lock and requirements-scale.lock anew (needs uv)
	$(COMPILE) --extra dev --output-file requirements.lock
	$(COMPILE) --extra dask --extra jax --extra s3 --extra s3-server --constraints requirements.lock \
	    $$(sed -n 's/^\([^ =]*\)==.*/--no-emit-package \1/p' requirements.lock) \
	    --output-file requirements-scale.lock

scale: $(READY) ## Add Dask, JAX, and S3 for DVC: docs/scale.md
	@if command -v uv >/dev/null; \
	    then uv pip install --quiet --python $(VENV) --no-deps --require-hashes \
	        -r requirements-scale.lock; \
	    else python -m pip install --quiet --no-compile --no-deps --require-hashes \
	        -r requirements-scale.lock; fi

clean: ## Remove the environment and what tools left behind; keeps data, models and DVC's cache
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage test-artifacts \
	    screenshots
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; ok = (3, 11) <= sys.version_info < (3, 14); \
	    sys.exit(None if ok else "soundloom needs Python 3.11 to 3.13; this is " \
	    + sys.version.split()[0] + ". Name another: make PYTHON=python3.12")'
	@case "$$(pwd -P)" in *[%:\"\$$\`\\]*) echo 'soundloom: no environment works in a folder' \
	    'whose path holds one of % : " $$ ` \; rename it' >&2; exit 1;; esac
	@[ ! -s $(READY) ] || [ "$$(cat $(READY))" = "$$(pwd -P)" ] || rm -rf $(VENV)
	@if command -v uv >/dev/null; then \
	    uv venv --quiet --seed --allow-existing --python "$$(command -v $(PYTHON))" $(VENV) && \
	    uv pip install --quiet --python $(VENV) --no-deps --require-hashes -r requirements.lock && \
	    uv pip install --quiet --python $(VENV) --no-deps --no-build-isolation -e .; \
	else \
	    $(PYTHON) -m venv $(VENV) && \
	    $(VENV)/bin/python -m pip install --quiet --no-compile --no-deps --require-hashes -r requirements.lock && \
	    $(VENV)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .; \
	fi
	@$(VENV)/bin/python -m soundloom.commands.numba_cache
	@pwd -P > $@
