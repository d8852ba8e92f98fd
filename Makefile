# `make demo` and `make test` set up on their first call whatever they need, in .venv/ of this folder.
#   make env PYTHON=python3.12      another Python than python3 (3.11, 3.12 or 3.13)
#   make test VENV=.venv312         another environment beside the first one
PYTHON ?= python3
VENV   ?= .venv

BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready
PEERS  := $(VENV)/.ready-benchmark
SITE   := $(VENV)/.ready-docs
PYTEST  = $(BIN)/python -m pytest -q -n auto --dist worksteal
PIP     = $(BIN)/python -m pip install -q -c constraints.txt
NEEDS  := pyproject.toml constraints.txt requirements-build.txt requirements-kwant.txt

COUPLINGS := base dirty interfaces both dense metallic

.PHONY: help env demo test test-slow lint docs screenshot couplings benchmark benchmark-large clean system-deps same-python
.DEFAULT_GOAL := help

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

demo: $(STAMP)  ## run the jobs runs/composite.toml and runs/squid.toml, draw their figures, write the page of the first
	$(BIN)/python -m bdg run runs/composite.toml --workers 2
	$(BIN)/python -m bdg run runs/squid.toml --workers 2
	@echo; echo "a page to look at:"; $(BIN)/python -m bdg report runs/out/composite

test: $(STAMP)  ## all tests but the slow ones, as many at once as there are cores
	$(PYTEST)

test-slow: $(STAMP)  ## only the slow tests
	$(PYTEST) -m slow

lint: $(STAMP)  ## ruff (rules and format) and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: $(PEERS)  ## measure this machine beside SciPy, MKL PARDISO, bodge and kwant, into docs/performance.md
	$(BIN)/python -m bdg benchmark --write docs/performance.md

benchmark-large: $(STAMP)  ## states of 48^3 and 64^3, gap of 32^3 sites, into docs/performance.md
	$(BIN)/python -m bdg benchmark --large --write docs/performance.md

docs: $(SITE)  ## the docs site, into build/docs/index.html
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs/site build/docs
	@echo "$(CURDIR)/build/docs/index.html"

screenshot: $(STAMP)  ## take the picture of the demo's page for the README; needs Chromium
	$(BIN)/python docs/draw_report.py

couplings: $(STAMP)  ## compute the table of couplings of bdg.granular again (an hour on 2 cores)
	for name in $(COUPLINGS); do $(BIN)/python -m bdg run runs/couplings/$$name.toml --workers 2 || exit 1; done
	$(BIN)/python runs/couplings/join.py bdg/granular/couplings/data/couplings.h5 $(COUPLINGS:%=runs/out/couplings_%)

env: $(STAMP)  ## only set up .venv/, run nothing
	@echo "$(VENV) is ready"

system-deps:  ## install what building kwant needs (compiler, Python headers); Debian and kin, as root
	@sh .ci/system-deps.sh $(PYTHON)

clean:  ## remove the environment, caches and built files
	if [ -e $(STAMP) ] || [ -e $(VENV)/.unfinished ]; then rm -rf $(VENV); fi
	rm -rf build dist bdg.egg-info .ruff_cache .mypy_cache .pytest_cache .hypothesis
	find bdg lattices gpu validation tests .ci -name __pycache__ -type d -prune -exec rm -rf {} +

# kwant has no wheels for numpy 2 and its source archive does not name what its build needs, so the order counts:
# a new pip (older ones ignore --config-settings in a requirements file), numpy and Cython, then kwant, then bdg.
# .ready comes last: an environment that was interrupted is made anew, one made elsewhere is left alone.
$(STAMP): $(NEEDS) | same-python
	@sh .ci/venv.sh $(PYTHON) $(VENV)
	$(PIP) -U pip
	$(PIP) -r requirements-build.txt
	$(PIP) --no-build-isolation -r requirements-kwant.txt
	PYTHONWARNINGS=ignore:Editable $(PIP) --no-build-isolation -e '.[kwant,dev,cluster,report,data]'
	@$(BIN)/python -m bdg info > /dev/null  # compiles the kernels of the CPU
	@mv $(VENV)/.unfinished $@

# Only `make benchmark` needs what it compares with.
$(PEERS): $(STAMP)
	PYTHONWARNINGS=ignore:Editable $(PIP) --no-build-isolation -e '.[kwant,dev,cluster,report,data,benchmark]'
	@touch $@

# Only `make docs` needs what builds the site.
$(SITE): $(STAMP)
	PYTHONWARNINGS=ignore:Editable $(PIP) --no-build-isolation -e '.[docs]'
	@touch $@

# A PYTHON that was named expressly must be the one that an existing environment was made with.
same-python:
ifneq ($(origin PYTHON),file)
	@sh .ci/venv.sh --same $(PYTHON) $(VENV)
endif
