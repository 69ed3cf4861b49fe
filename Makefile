# make demo | test | ui | setup | sanitize | sbom | audit | clean       PYTHON=python3.12 picks another interpreter; PIP_ARGS goes to pip
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
KERNELS := $(shell find kernels -name '*.cpp' -o -name '*.h' -o -name '*.hpp' -o -name CMakeLists.txt 2>/dev/null)

# One thread a process: the stages run one process per core, which scales better than threads.
export OMP_NUM_THREADS ?= 1
export DO_NOT_TRACK = 1
export DVC_NO_ANALYTICS = 1
export MLFLOW_DISABLE_TELEMETRY = true
export GX_ANALYTICS_ENABLED = false
export DAGSTER_DISABLE_TELEMETRY = 1
export HF_HUB_DISABLE_TELEMETRY = 1

.PHONY: demo pretrain ship release test test-all ui setup lint soak sbom audit licenses wheel docs tour check-tools sanitize bench claims \
        viewer-bundle clean

demo: setup          ## from homes to a model in the registry, and a report
	$(BIN)/python -m orchestration.materialize --all --jobs 2
	$(BIN)/chorus report

# The overlay is settled in pretrain/params.yaml, where the stages and DVC read it. DESIGNED: rooms of designed homes, each furnished
# anew beyond the first round; ROOMS: generated ones.
PRETRAIN := $(abspath $(or $(CHORUS_PARAMS),params.pretrain.yaml))
DESIGNED ?= 120
ROOMS ?= 180
pretrain: setup      ## the model in the box once more, in pretrain/: killed, it goes on; then make ship
	CHORUS_PARAMS='$(PRETRAIN)' $(BIN)/chorus trial pretrain --designed $(DESIGNED) --generated $(ROOMS)
	test -e .git || (cd pretrain && ../$(BIN)/dvc config --local core.no_scm true)
	cd pretrain && env -u CHORUS_ROOT -u CHORUS_PARAMS PATH="$(abspath $(BIN)):$$PATH" dvc repro

ship: setup          ## put what make pretrain made into the package, and its figures into docs/runs
	CHORUS_ROOT=pretrain $(BIN)/chorus record -o docs/runs/pretrain.json
	CHORUS_ROOT=pretrain $(BIN)/chorus export -o chorus/weights --most 8

release: setup       ## score what make pretrain made on the held-out rooms, once, and write README's table
	CHORUS_PARAMS='$(PRETRAIN)' $(BIN)/chorus trial pretrain --designed $(DESIGNED) --generated $(ROOMS) --held-out
	env -u CHORUS_PARAMS CHORUS_ROOT=pretrain $(BIN)/chorus teach
	env -u CHORUS_PARAMS CHORUS_ROOT=pretrain $(BIN)/chorus evaluate
	env -u CHORUS_PARAMS CHORUS_ROOT=pretrain $(BIN)/chorus report --markdown README.md

# A process more than there are cores: some tests wait.
test: setup          ## the default suite: no network, no GPU, minutes on two cores
	$(BIN)/python -m pytest -n 3 --dist worksteal

test-all: setup      ## the slow tests too, on examples drawn anew and on the homes that make demo fetches
	$(BIN)/chorus fetch
	CHORUS_EXAMPLES=random $(BIN)/python -m pytest -n 2 --dist worksteal -m "not gpu" -rs

ui: setup            ## Dagster and MLflow on loopback over the same state; Ctrl-C ends both
	$(BIN)/python -m orchestration.run.ui

lint: setup          ## style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

soak: setup          ## viewer, served model and both interfaces under requests; MINUTES=30: memory and descriptors flat, or 1
	$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),30)

sbom: setup          ## dist/sbom.json: what is installed and what the package brings along, as CycloneDX
	$(BIN)/python release/sbom.py

audit: setup         ## known weaknesses of what is installed, by OSV; OFFLINE=all.zip: by a list that was brought along
	$(BIN)/python release/audit.py $(if $(OFFLINE),--offline '$(OFFLINE)')

licenses: setup      ## docs/licenses.md, from the metadata of what is installed
	$(BIN)/python release/licenses.py > docs/licenses.md

wheel: setup         ## dist/*.whl, to be installed anywhere
	$(BIN)/python -m pip wheel . --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist

docs: setup          ## docs/ and the README as a site in build/site, which opens from the disk
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html"

tour: setup          ## demos/tour.ipynb once more: the demos as one executed notebook
	$(BIN)/python demos/tour.py

setup: check-tools $(VENV)/ready

check-tools:
	@need() { command -v "$$1" >/dev/null 2>&1 || { echo "chorus: $$1 is missing. Install it: sudo apt-get install $$2" >&2; exit 2; }; }; \
	need "$(or $(PYTHON),python3.11)" "python3.11 python3.11-venv"; need c++ g++; need cmake cmake; need make make; \
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' \
	  || { echo "chorus: $(PYTHON) is not Python 3.11 or 3.12. Install it: sudo apt-get install python3.11 python3.11-venv (or: make PYTHON=...)" >&2; exit 2; }; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "chorus: the venv module is missing. Install it: sudo apt-get install python3.11-venv" >&2; exit 2; }

# Reinstalled when what is built or depended on changes; Python files are read from the tree.
$(VENV)/ready: pyproject.toml constraints.txt $(KERNELS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	test -e .git || $(BIN)/dvc config --local core.no_scm true   # an unpacked archive: DVC would refuse every command
	touch $@

viewer-bundle:       ## chorus/view/web/bundle.js from app.js; needs node and npm
	cd chorus/view/web && npm install --no-save --no-package-lock --silent && npm run --silent bundle && rm -rf node_modules

sanitize: setup      ## the kernels' tests under the address and undefined-behaviour sanitizers
	PYTHON=$(BIN)/python kernels/sanitize.sh

bench: setup         ## the kernels' table of times; benchmarks/README.md has the others
	$(BIN)/python -m benchmarks.kernels

claims: setup        ## the paper's claims, with verdicts, in docs/claims.md; QUICK=1: a third of the steps
	$(BIN)/python -m benchmarks.claims run $(if $(QUICK),--quick)
	$(BIN)/python -m benchmarks.claims page

clean:               ## everything the chain made; the environment stays
	rm -rf .state data/capture data/gaussians data/teacher_views data/targets data/teachers data/models data/reports data/machine.yaml data/.locks
