# `make run` and `make test` work on a fresh clone: everything else they need is made first.

BIN := .venv/bin
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard gateway/translations/*/LC_MESSAGES/*.po))

# Where Python is told to keep nothing it compiled, each process of the gateway would compile its own sources anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test check check-docs bench chaos lock states roles pictures clean setup translations

help: ## list what can be made
	@echo "make run takes another port from DOISOAT_PORT: DOISOAT_PORT=8090 make run; every setting: docs/runbook.md"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

run: translations ## start the sandbox on http://127.0.0.1:8080 and live through a business day
	@exec $(BIN)/doisoat run

test: translations ## run every test, a file at a time on each core (four at most)
	@exec $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder  # else the longest file, of one test, is last

check: setup check-docs ## lint, types, floors, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

check-docs: setup # the commands that README.md and docs/ name exist
	@$(BIN)/pytest -q tests/docs/test_docs.py

bench: translations ## measure against peers and limits, as ratios
	@exec $(BIN)/python -m benchmarks

chaos: translations ## the long fault campaign
	@CHAOS_CAMPAIGN=1 exec $(BIN)/pytest tests/chaos tests/reconciliation/proofs/test_simulation.py

lock: setup ## choose the newest allowed versions anew and write requirements.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --extra dev --generate-hashes \
		--no-header --no-annotate --no-emit-index-url --output-file requirements.lock pyproject.toml

states: setup ## draw docs/states.md anew from the lifecycles in code
	$(BIN)/doisoat states > docs/states.md.new && mv docs/states.md.new docs/states.md

roles: setup ## draw docs/roles.md anew from the rules and the routes
	$(BIN)/doisoat roles > docs/roles.md.new && mv docs/roles.md.new docs/roles.md

pictures: translations ## draw the pictures of docs/pages.md anew, by the walk through all pages
	@mkdir -p docs/pages
	@DOISOAT_TEST_SCREENSHOTS=docs/pages exec $(BIN)/pytest -q tests/browser/test_accessibility.py

clean: ## remove .venv and caches; the data in var/ stays
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +
	find gateway -name '*.mo' -delete

setup:
	@deploy/bootstrap.sh

translations: setup $(CATALOGUES)

# After `setup`, not because of it: a catalogue is compiled anew only when its texts changed.
%.mo: %.po | setup
	@$(BIN)/pybabel --quiet compile --input-file $< --output-file $@
