# Everything a person types. `make help` lists it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PORT ?= 8000
HOST ?= 127.0.0.1
VENV := .venv
BIN := $(VENV)/bin
# Where torch comes from; on a machine without a GPU the CPU build is a tenth of the size:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
# A file of tests stays in one process, which makes what its tests share once; the slowest, the browser's, come first.
SHARED_OUT := -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# Asked for its least share in one step, slipcover forgets what the processes of the tests have covered.
COVERED := var/coverage.json
# Linters read the settings, which would start the embedded database.
WITHOUT_DATABASE := DATABASE_URL=postgres://nobody@localhost/none DEBUG=on SECRET_KEY=unused

.PHONY: help demo run test check lint format bench bench-full messages clean
.DEFAULT_GOAL := help

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-10s %s\n", $$1, $$2}'

demo: $(VENV)/.installed ## a working search at http://127.0.0.1:8000 (PORT=8001, HOST=::, PHOTOS=folder)
	@$(BIN)/python manage.py demo --port $(PORT) $(if $(PHOTOS),--photos "$(PHOTOS)")

run: $(VENV)/.installed ## the development server, on the same data (PORT=8001, HOST=::)
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py check --database default
	@$(BIN)/python manage.py runserver $(if $(findstring :,$(HOST)),[$(patsubst [%],%,$(HOST))],$(HOST)):$(PORT)

test: $(VENV)/.installed-dev ## all tests, with coverage, one process a core
	$(BIN)/python -m slipcover --json --out $(COVERED) -m pytest $(SHARED_OUT) -q
	$(BIN)/python -m slipcover --merge $(COVERED) --out $(COVERED) --fail-under 90

check: $(VENV)/.installed-dev ## one file of tests, within seconds (FILE=tests/test_x.py); its database stays for the next time
	$(BIN)/python -m pytest --reuse-db -q $(or $(FILE),$(error Say which: make check FILE=tests/test_vectors.py))

lint: $(VENV)/.installed-dev ## ruff, mypy, djlint, missing migrations
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(WITHOUT_DATABASE) $(BIN)/mypy
	$(BIN)/djlint --lint --quiet templates
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

clean: ## remove the virtual environment and everything under var/: the database and the pictures too
	rm -rf $(VENV) var

# torch first and alone: see requirements.txt.
$(VENV)/.installed: requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; set PYTHON=path if it has another name."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $$(grep '^torch==' requirements.txt) \
		$(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

$(VENV)/.installed-bench: $(VENV)/.installed-dev requirements-bench.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	@touch $@
