# make demo     the whole way on the embedded world, ends with a report
# make test     every test
# make lint     ruff and mypy
# make venv     only the virtual environment, .venv
# make clean    remove it and the caches
#
# PYTHON        the Python that makes the environment, 3.11 or newer
# TORCH_INDEX   the address of a package index for another build of torch than PyPI's, such as those that PyTorch
#               publishes for the CPU alone (small) or for each CUDA; run `make clean` first to change it:
#                   make demo TORCH_INDEX=ADDRESS

PYTHON ?= python3
TORCH_INDEX ?=
TORCH := torch==2.13.0

# Relative on purpose: the path of the checkout may hold spaces.
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check
STAMP := .venv/.installed
TEST_STAMP := .venv/.installed-test

.PHONY: venv demo test lint clean

venv: $(STAMP)

demo: $(STAMP)
	"$(BIN)/saesteer" demo $(DEMO)

test: $(TEST_STAMP)
	"$(BIN)/python" -m pytest $(TESTS)

lint: $(TEST_STAMP)
	"$(BIN)/python" -m ruff check .
	"$(BIN)/python" -m ruff format --check .
	"$(BIN)/python" -m mypy

# torch comes first and alone, so that no open range of another package pulls a different build; the pins then settle
# what it brought along.
$(STAMP): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "saesteer needs Python 3.11 or newer, got $$("$(PYTHON)" --version 2>&1); say make PYTHON=/path/to/python3.11" >&2; \
	  exit 2; }
	"$(PYTHON)" -m venv .venv
	$(PIP) $(if $(TORCH_INDEX),--index-url "$(TORCH_INDEX)") "$(TORCH)"
	$(PIP) --constraint constraints.txt hatchling
	$(PIP) --constraint constraints.txt --no-build-isolation --editable .
	@touch $@

$(TEST_STAMP): $(STAMP)
	$(PIP) --constraint constraints.txt --no-build-isolation --editable ".[test]"
	@touch $@

clean:
	rm -rf .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
