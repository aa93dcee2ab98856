.DEFAULT_GOAL := help
.PHONY: help run demo-reset test coverage check bench load soak screenshots format requirements image clean

PYTHON ?= python3
PIP := .venv/bin/python -m pip install --quiet --quiet --disable-pip-version-check
COMPILE = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras --no-emit-index-url --no-emit-find-links --no-config \
	--custom-compile-command "make requirements" $(ARGS)
# More than a few at once only fight for the processor with the browsers they drive. A process that
# has nothing left takes tests of another, so that both end at the same time.
PYTEST := .venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

help: ## List the commands
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|'

run: .venv/.run ## Run the site with a local sandbox API and sample users (PORT, SANDBOX_PORT, DEMO_PASSWORD)
	@scripts/run

demo-reset: ## Remove the demo's data; the next `make run` starts it over
	@scripts/demo_reset

test: .venv/.dev ## Run the tests, in a browser too (ARGS for pytest)
	@scripts/install_chromium
	@$(PYTEST) --ignore tests/bench -m "not soak" $(COVERAGE) $(ARGS)
	@$(if $(ARGS),,.venv/bin/python -m pytest tests/soak -m soak)

coverage: ## Run the tests, and fail when fewer lines and branches are covered than pyproject.toml asks for
	@EXAMPLES=1 $(MAKE) test COVERAGE="--cov --cov-report=term:skip-covered"

check: .venv/.dev ## Lint, types, dependencies, imports, missing migrations, deployment, templates
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/deptry . --no-ansi
	.venv/bin/lint-imports --no-logo --no-cache
	scripts/with_live_settings .venv/bin/python manage.py makemigrations --check --dry-run
	scripts/with_live_settings .venv/bin/python manage.py check --deploy --fail-level WARNING
	.venv/bin/djlint templates --lint --quiet

bench: .venv/.dev ## Measure the click, and the history beside django-auditlog (ENTRIES=1000000, DB=sqlite or postgresql)
	@$(if $(filter postgresql,$(DB)),scripts/with_postgres) .venv/bin/python -m tests.bench \
		$(if $(ENTRIES),--entries $(ENTRIES))

load: .venv/.dev ## 50 operators at once on two processes and PostgreSQL (ARGS="--operators 20 --think 0.2")
	@scripts/with_postgres .venv/bin/python -m tests.bench.load $(ARGS)

soak: .venv/.dev ## Crash the site under load and faults, and compare (SEED, ATTEMPTS, KILLS, DB=sqlite or postgresql)
	@$(if $(filter postgresql,$(DB)),scripts/with_postgres) .venv/bin/python -m tests.soak \
		$(if $(SEED),--seed $(SEED)) $(if $(ATTEMPTS),--attempts $(ATTEMPTS)) \
		$(if $(KILLS),--kills $(KILLS)) $(if $(DB),--db $(DB))

screenshots: .venv/.dev ## Take the README's screenshots
	@scripts/install_chromium
	.venv/bin/python -m tests.browser.screenshots

format: .venv/.dev ## Format the code
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

requirements: .venv/.dev ## Compile requirements*.in to requirements*.txt with hashes (ARGS="--upgrade" for new versions)
	$(COMPILE) requirements.in --output-file requirements.txt
	$(COMPILE) requirements-demo.in --output-file requirements-demo.txt
	$(COMPILE) requirements-dev.in --output-file requirements-dev.txt

image: ## Build the container image with docker, podman or buildah (IMAGE, BASE, ARGS)
	@IMAGE="$(IMAGE)" BASE="$(BASE)" scripts/make_image $(ARGS)

clean: ## Remove .venv, the demo's state and every cache
	rm -rf .venv var .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Touched when what it lists was installed: requirements that did not change cost nothing.
.venv/bin/python:
	@PYTHON=$(PYTHON) scripts/make_venv

.venv/.run: requirements-demo.txt | .venv/bin/python
	@echo "Installing requirements. The first run takes about two minutes."
	@$(PIP) -r requirements-demo.txt
	@touch $@

.venv/.dev: requirements-dev.txt | .venv/bin/python
	@echo "Installing requirements for development"
	@$(PIP) -r requirements-dev.txt
	@touch $@ .venv/.run
