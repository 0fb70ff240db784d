# make install   .venv with pinned packages
# make demo      a small real grid: train, collect, search, report (minutes)
# make test      every test that this machine can run, in four lanes at once: some of them mostly wait
# make check     ruff and mypy
# make coverage  how much of rlhpc/ the quick tests run, with all that they start; half an hour
# make pictures  those of the README, by Chromium; minutes
# make cluster   a small Slurm on this machine, to try launches on; make cluster-stop ends it
# make slurm     what that and the tests on it need, from apt, where we may install it

PYTHON ?= python3
BIN := .venv/bin
DEMO := logs/demo

.PHONY: install demo test check coverage pictures cluster cluster-stop slurm

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "there is no program '$(PYTHON)'. rlhpc needs Python 3.11 or newer; name one:" \
	  "make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is" \
	  "Python $$($(PYTHON) -c 'import sys; print(*sys.version_info[:3], sep=".")'). rlhpc needs Python 3.11 or newer; name one:" \
	  "make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 2; }
	@echo "Installing the packages into .venv: some minutes, once."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: install
	$(BIN)/python jobs/launch_training.py --config configs/demo.yaml --cluster local
	$(BIN)/python jobs/collect_scores.py $(DEMO)
	$(BIN)/python jobs/subset_search.py $(DEMO)/dataset.csv --subset-size 2 --out $(DEMO) --costs $(DEMO)/scores.csv
	$(BIN)/python jobs/subset_report.py $(DEMO) --scores $(DEMO)/scores.csv
	$(BIN)/python jobs/predict_benchmark.py $(DEMO) --scores $(DEMO)/scores.csv
	@echo "The report is $(DEMO)/report.html: open it in a browser."

# These lanes of folders, told at the end, and one of all else. Their threads wait without taking the core of another
# lane; and what a thousand processes import is compiled once, whatever the shell says of bytecode.
# 5: nothing was collected, as by PYTEST_ADDOPTS='-k name'.
LANES := slurm container+search+report+results jobs
folders = $(addprefix $(1)tests/,$(subst +, ,$(2)))
test: export OMP_WAIT_POLICY := passive
test: export PYTHONDONTWRITEBYTECODE :=
test: install slurm
	@lanes=; $(foreach lane,$(LANES), \
	  $(BIN)/python -m pytest -p no:cacheprovider $(call folders,,$(lane)) >.venv/$(lane)-tests.log 2>&1 & lanes="$$lanes $$!";) \
	$(BIN)/python -m pytest $(call folders,--ignore=,$(LANES)) & lanes="$$lanes $$!"; \
	show() { for lane in $(LANES); do echo "Meanwhile, tests of $$lane:"; cat .venv/$$lane-tests.log; done; }; \
	trap 'kill $$lanes 2>/dev/null; wait; show; exit 130' INT TERM; \
	failed=0; for lane in $$lanes; do wait $$lane; code=$$?; [ $$code = 0 ] || [ $$code = 5 ] || failed=1; done; \
	show; exit $$failed

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Tests fail under the tracer that measure how much memory or time something takes; what is run counts all the same.
coverage: install
	$(BIN)/coverage erase
	-$(BIN)/coverage run -m pytest -q -p no:cacheprovider -m 'not (slow or slurm or container or browser or gpu)'
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

pictures: install
	$(BIN)/python .readme/draw.py

cluster:
	@$(PYTHON) tests/slurm/cluster.py start

cluster-stop:
	@$(PYTHON) tests/slurm/cluster.py stop

slurm: install
	@packages=$$($(BIN)/python tests/slurm/cluster.py packages); \
	if [ -n "$$packages" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$packages; } \
	    >.venv/slurm.log 2>&1 || echo "Slurm could not be installed, see .venv/slurm.log: the tests on it are left out" >&2; \
	fi
