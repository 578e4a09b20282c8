# Everything a person types. `make help` lists it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
HOST ?= 127.0.0.1
VENV := .venv
BIN := $(VENV)/bin
# The tools of `make lock`, `make sbom` and `make audit`.
SUPPLY := .venv-supply
# For all Pythons and systems that there are files for. What torch brings for GPUs comes with torch, or not at all. A new
# lock begins with the old one; UPGRADE=yes takes the newest of what requirements*.txt leave open.
UPGRADE ?=
CUDA := cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cuda-cupti nvidia-cuda-nvrtc nvidia-cuda-runtime \
	nvidia-cudnn-cu13 nvidia-cufft nvidia-cufile nvidia-curand nvidia-cusolver nvidia-cusparse nvidia-cusparselt-cu13 \
	nvidia-nccl-cu13 nvidia-nvjitlink nvidia-nvshmem-cu13 nvidia-nvtx triton
COMPILE = $(SUPPLY)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --no-header --no-config $(addprefix --no-emit-package ,torch $(CUDA)) \
	$(if $(UPGRADE),--upgrade)
# Where torch comes from; on a machine without a GPU the CPU build is a tenth of the size:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
# A file of tests stays in one process, which makes what its tests share once; the slowest, the browser's, come first.
# One process more than there are cores: a third of the time is waiting, for browsers, servers and the database.
SHARED_OUT := -n $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# Asked for its least share in one step, slipcover forgets what the processes of the tests have covered.
COVERED := var/coverage.json
# Processes that tests start would compile all modules anew, and pytest rewrite its plugins.
unexport PYTHONDONTWRITEBYTECODE
# Linters read the settings, which would start the embedded database.
WITHOUT_DATABASE := DATABASE_URL=postgres://nobody@localhost/none DEBUG=on SECRET_KEY=unused LOG_LEVEL=ERROR

.PHONY: help demo run test check lint format bench bench-full messages docs lock licences sbom audit clean
.DEFAULT_GOAL := help

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(VENV)/.installed ## a working search at http://127.0.0.1:8000 (PORT=8001, HOST=::, PHOTOS=folder)
	@$(BIN)/python manage.py demo --port $(PORT) $(if $(PHOTOS),--photos "$(PHOTOS)")

run: $(VENV)/.installed ## the development server, on the same data (PORT=8001, HOST=::)
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py check --database default
	@$(BIN)/python manage.py runserver $(if $(findstring :,$(HOST)),[$(patsubst [%],%,$(HOST))],$(HOST)):$(PORT)

test: $(VENV)/.installed-dev ## all tests, with coverage, in several processes
	$(BIN)/python -m slipcover --json --out $(COVERED) -m pytest $(SHARED_OUT) -q
	$(BIN)/python -m slipcover --merge $(COVERED) --out $(COVERED) --fail-under 90

check: $(VENV)/.installed-dev ## one file of tests, within seconds (FILE=tests/test_x.py); its database stays for the next time
	$(BIN)/python -m pytest --reuse-db -q $(or $(FILE),$(error Say which: make check FILE=tests/test_vectors.py))

lint: $(VENV)/.installed-dev ## ruff, mypy, djlint, missing migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(WITHOUT_DATABASE) $(BIN)/mypy
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/djlint --lint --quiet --extension jinja --profile jinja templates
	$(WITHOUT_DATABASE) $(BIN)/python -W ignore manage.py makemigrations --check --dry-run

format: $(VENV)/.installed-dev ## let ruff format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-dev ## measure ingestion and the search page against the plain loop
	$(BIN)/python -m benchmarks

bench-full: $(VENV)/.installed-bench ## measure the index up to 1,000,000 rows and beside libraries: an hour or two
	$(BIN)/python -m benchmarks --full

messages: $(VENV)/.installed-dev ## collect and compile the translations (needs gettext)
	$(BIN)/python manage.py makemessages -l ko -i .venv -i var -e html,txt,py,jinja --no-location --no-obsolete
	$(BIN)/python manage.py compilemessages -l ko

docs: $(VENV)/.installed ## docs/settings.md in both languages and .env.example, of the code and docs/settings.toml
	$(BIN)/python -m supply.settings_pages

lock: $(SUPPLY)/.installed ## pin all that is installed, with hashes: after a change of requirements*.txt (UPGRADE=yes)
	$(COMPILE) requirements.txt --output-file requirements.lock
	$(COMPILE) requirements-dev.txt --constraint requirements.lock --output-file requirements-dev.lock

licences: $(VENV)/.installed ## the licences of what is installed, in docs/licences.md: after `make lock`
	$(BIN)/python -m supply.licences > docs/licences.md

sbom: $(VENV)/.installed $(SUPPLY)/.installed ## what is installed here, as CycloneDX says it: sbom.cdx.json
	$(SUPPLY)/bin/cyclonedx-py environment $(BIN)/python --pyproject pyproject.toml --output-reproducible -o sbom.cdx.json

audit: $(VENV)/.installed $(SUPPLY)/.installed ## whether anything is known against what is locked, where pip-audit can ask
	@$(BIN)/python -m supply.audit $(SUPPLY)/bin/pip-audit

clean: ## remove the virtual environments and everything under var/: the database and the pictures too
	rm -rf $(VENV) $(SUPPLY) var

# What is installed is what the lock says, and its files have the hashes that it has; nothing is resolved anew.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCKED := $(PIP) --no-deps --require-hashes

# torch first and alone: see requirements.txt.
$(VENV)/.installed: requirements.txt requirements.lock
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=path if it has another name."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) $$(grep '^torch==' requirements.txt) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(LOCKED) -r requirements.lock
	$(BIN)/python -m pip check
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.lock
	$(LOCKED) -r requirements-dev.lock
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev requirements-bench.txt
	$(PIP) -r requirements-bench.txt
	@touch $@

$(SUPPLY)/.installed: requirements-supply.txt
	$(PYTHON) -m venv $(SUPPLY)
	$(SUPPLY)/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-supply.txt
	@touch $@
