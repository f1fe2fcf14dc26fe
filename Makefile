# OkPuja Payments. `make` alone lists what can be made.
.DEFAULT_GOAL := help
.PHONY: help install demo test test-browser npm telemetry lint format serve checker sandbox migrate messages psql stop bench tour bench-check chaos mutants conformance lock licences sbom clean

PYTHON ?= python3
PORT ?= 8000
SANDBOX_PORT ?= 8900
VENV := .venv
CONFORMANCE := .venv-conformance
BIN := $(VENV)/bin
MANAGE := $(BIN)/python manage.py

# Without a .env of your own everything runs against the emulator, with settings good for nothing else.
ifeq ($(wildcard .env),)
export DEBUG ?= 1
export PUBLIC_URL ?= http://localhost:$(PORT)
export PHONEPE_CLIENT_ID ?= SANDBOX_CLIENT
export PHONEPE_CLIENT_SECRET ?= sandbox-secret
export PHONEPE_BASE_URL ?= http://localhost:$(SANDBOX_PORT)/apis/pg-sandbox
export PHONEPE_WEBHOOK_USERNAME ?= okpuja_demo
export PHONEPE_WEBHOOK_PASSWORD ?= demo12345
export SANDBOX_WEBHOOK_URL ?= $(PUBLIC_URL)/api/payments/webhook/phonepe/
export EMAIL_URL ?= file://$(CURDIR)/var/mail
endif

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(VENV)/base.done ## build .venv from the hash-pinned requirements

demo: install ## start everything, play the main job live, keep serving (ONCE=1: exit after the story)
	@$(BIN)/python -m okpuja.demo --port $(PORT) --sandbox-port $(SANDBOX_PORT) $(if $(filter-out 0,$(ONCE)),--once)

test: $(VENV)/dev.done ## run the whole test suite on a real PostgreSQL, in parts at once (ARGS="-k something": by pytest alone)
ifeq ($(ARGS),)
	@$(BIN)/python -m tests.parts
else
	@$(BIN)/python -m pytest $(ARGS)
endif

test-browser: $(VENV)/dev.done npm ## the tests in Debian's Chromium alone; their screenshots stay under var/screenshots
	@CI=true $(BIN)/python -m pytest tests/browser $(ARGS)

telemetry: var/telemetry/done ## what the test of Sentry and OpenTelemetry needs, beside .venv

npm: var/npm/done ## what the tests need from npm: axe-core, TypeScript, types

lint: $(VENV)/dev.done ## format check, ruff, mypy, import arrows, missing migrations
	@$(BIN)/ruff format --check --quiet . || (echo 'Run: make format'; exit 1)
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(MANAGE) makemigrations --check --dry-run

format: $(VENV)/dev.done ## format the code and mend what ruff can mend
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

migrate: install ## bring the database up to date and fill the sample catalogue
	@$(MANAGE) migrate --verbosity 0
	@$(MANAGE) seed_catalog

serve: migrate ## the web site alone, on PORT
	@$(BIN)/python -c 'import socket; socket.create_server(("127.0.0.1", $(PORT)))' 2>/dev/null \
	  || { echo 'Port $(PORT) is in use. Try: make serve PORT=8001'; exit 1; }
	@$(BIN)/granian --interface asgi --log-config okpuja/granian-log.json --host 127.0.0.1 --port $(PORT) okpuja.asgi:application

checker: migrate ## the payment checker alone, until Ctrl-C
	@$(MANAGE) auto_complete_payments --continuous

sandbox: install ## the PhonePe emulator alone, on SANDBOX_PORT
	@$(MANAGE) phonepe_sandbox --port $(SANDBOX_PORT)

messages: install ## collect the texts for the translations and compile them (needs gettext)
	@$(MANAGE) makemessages --locale hi --no-wrap --add-location file -i '.venv*' -i 'var/*' -i 'tests/*' \
	  -i 'phonepe_sandbox/*' -i 'payments/*' -i 'ops/*'
	@$(BIN)/pybabel compile --domain django --directory locale --statistics

psql: install ## a psql on the embedded PostgreSQL
	@$(BIN)/python -m okpuja.embedded psql

stop: install ## end the embedded PostgreSQL; whoever still needs it starts it again
	@$(BIN)/python -m okpuja.embedded stop

conformance: install $(CONFORMANCE)/done ## run PhonePe's own SDK against the emulator
	@$(CONFORMANCE)/bin/python -m tests.contract.conformance $(BIN)/python

chaos: $(VENV)/dev.done ## kill everything while ORDERS=1000 are paid, then audit (SEED=1, MINUTES=by ORDERS)
	@$(BIN)/python -m tests.chaos --orders $(or $(ORDERS),1000) --seed $(or $(SEED),1) $(if $(MINUTES),--minutes $(MINUTES))

mutants: $(VENV)/dev.done ## break each guard on purpose and show that a test notices (ARGS="sweep throttle": these alone)
	@$(BIN)/python -m tests.mutants $(ARGS)

bench: $(VENV)/dev.done $(CONFORMANCE)/done ## measure everything, 25 minutes on a quiet machine (ARGS="claim lag --write": these, and store them)
	@$(BIN)/python -m benchmarks $(ARGS)

bench-check: $(VENV)/dev.done $(CONFORMANCE)/done ## measure quickly and compare ratios with docs/performance/figures.json, before a release
	@BENCH_QUICK=1 $(BIN)/python -m benchmarks --check $(ARGS)

tour: $(VENV)/dev.done ## play the story of docs/tour.md and take its pictures anew (needs Chromium)
	@$(BIN)/python -m tests.tour

lock: $(VENV)/dev.done ## make requirements/*.txt anew from requirements/*.in
	@cd requirements && for name in base dev conformance telemetry; do \
	  CUSTOM_COMPILE_COMMAND='make lock' ../$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	    --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options \
	    --output-file $$name.txt $$name.in || exit 1; done

licences: install ## list the licences of what the services run on in docs/licences.md
	@$(BIN)/python requirements/inventory.py licences > docs/licences.md

sbom: install ## print what the services run on as an SBOM (CycloneDX)
	@$(BIN)/python requirements/inventory.py sbom

clean: ## remove the virtual environments and the caches; var/ (the database) stays
	@rm -rf $(VENV) $(CONFORMANCE) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else 0'
	@$(PYTHON) -m venv $(VENV)

define install
	@echo 'Installing requirements/$(1).txt ...'
	@if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(2)/bin/python --require-hashes -r requirements/$(1).txt; \
	else $(2)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/$(1).txt; fi
	@touch $@
endef

$(VENV)/base.done: requirements/base.txt | $(VENV)/bin/python
	$(call install,base,$(VENV))

$(VENV)/dev.done: requirements/dev.txt $(VENV)/base.done
	$(call install,dev,$(VENV))

var/telemetry/done: requirements/telemetry.txt | $(VENV)/bin/python
	@rm -rf var/telemetry && mkdir -p var
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --target var/telemetry -r $<
	@touch $@

# No lock file: it would record where things were downloaded. The versions are exact. Next.js and React Native are
# hundreds of packages, and only their types are looked at.
var/npm/done: tests/browser/package.json
	@mkdir -p var/npm && cp $< var/npm/
	@cd var/npm && npm install --silent --no-package-lock --no-audit --no-fund --ignore-scripts --legacy-peer-deps
	@cd var/npm && node -p 'Object.entries(require("./package.json").typesOnly).map((one) => one.join(" ")).join("\n")' \
	| while read name version; do \
	  npm pack --silent --ignore-scripts "$$name@$$version" >/dev/null && mkdir -p "node_modules/$$name" \
	  && tar -xzf "$$name-$$version.tgz" -C "node_modules/$$name" --strip-components=1 --wildcards '*.d.ts' '*/package.json' \
	  && rm "$$name-$$version.tgz" || exit 1; done
	@touch $@

# PhonePe's SDK wants a requests and a urllib3 of 2023: never beside ours.
$(CONFORMANCE)/done: requirements/conformance.txt | $(VENV)/bin/python
	@$(BIN)/python -m venv $(CONFORMANCE)
	$(call install,conformance,$(CONFORMANCE))
