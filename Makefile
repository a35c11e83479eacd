# Table of contents of this project: `make` prints it. Every target sets up `.venv` first when that is needed.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
BENCH := $(VENV)/.installed-bench

PYTHON ?= python3
MLFLOW_PORT ?= 5000
IMAGE ?=
ROWS ?=
RUNS ?=
SOAK_SECONDS ?= 600

# Many tests wait for servers: one process more than there are cores keeps these busy.
TESTERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

# The cluster that make speaks to, and the overlay it applies there.
CLUSTER ?= geometry
CONTEXT ?= kind-$(CLUSTER)
ENV ?= dev
BUILD = --build-arg REVISION=$(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
IMAGES := predictor controller trainer

# An interpreter that was named must fit; without a name the first that fits is taken.
PYTHONS := $(if $(filter file,$(origin PYTHON)),python3 python3.13 python3.12 python3.11,$(PYTHON))
FITS := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

# The redirection makes make ask a shell, which knows `command`.
INSTALL = $(if $(shell command -v uv 2>/dev/null),uv pip install --no-config --quiet --python $(BIN)/python \
  --compile-bytecode,$(BIN)/python -m pip install --quiet --disable-pip-version-check)

LOCK := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-annotate --no-header --quiet
EXTRAS := predictor registry cluster training local

.DEFAULT_GOAL := help
.PHONY: help install lint format test test-monitoring coverage conformance soak truth chaos simulate prove bench \
	train serve predict demo demo-bad demo-down mlflow monitoring doctor \
	kind-up kind-down kind-load kind-logs docker-build images deploy k8s-deploy test-cluster docker-stack verify lock clean

help: ## Print this table
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  PYTHON=python3.12 chooses the interpreter of a new $(VENV) (3.11, 3.12 or 3.13)"

install: $(READY) ## Make .venv with the locked packages and this project; again at once when nothing changed

# uv has no pip in its environments: ensurepip brings it where the environment outlived uv.
$(READY): requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing the locked packages into $(VENV) (pip: about 3 minutes the first time)"
	@command -v uv >/dev/null || $(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(BENCH): requirements/bench.txt $(READY)
	@echo "Installing the servers to compare with into $(VENV)"
	@$(INSTALL) --require-hashes -r requirements/bench.txt
	@touch $@

$(BIN)/python:
	@for python in $(PYTHONS); do \
	  if $$python -c '$(FITS)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "No Python 3.11, 3.12 or 3.13 found (tried: $(PYTHONS)). Install one, or name it: make PYTHON=/path/to/python3.12" >&2; \
	  exit 1; \
	fi; \
	echo "Making $(VENV) with $$($$found --version)"; \
	if command -v uv >/dev/null; then uv venv --quiet --clear --python "$$(command -v $$found)" $(VENV); \
	else $$found -m venv --clear $(VENV); fi

lint: $(READY) ## Every static check: ruff, mypy, import rules, YAML, workflows
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/yamllint --strict .
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet .github/workflows

format: $(READY) ## Rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test: $(READY) ## All tests: no network, no cluster
	$(BIN)/pytest -n $(TESTERS) --dist loadfile --no-loadscope-reorder

test-monitoring: $(READY) ## Break a served model under Prometheus and Alertmanager; mutate every rule; half an hour
	$(BIN)/pytest --monitoring -m monitoring -q -s tests/monitoring

coverage: $(READY) ## All tests with branch coverage; pages in htmlcov/
	$(BIN)/pytest --cov --cov-report=term:skip-covered --cov-report=html

conformance: $(READY) ## Thousands of generated requests against the protocol's description, and stock KServe beside ours
	$(BIN)/pytest --conformance -q tests/conformance

soak: $(READY) ## Good, bad, slow and leaving clients for ten minutes, one process killed (SOAK_SECONDS=60: shorter)
	$(BIN)/python -m tests.soak --seconds $(SOAK_SECONDS) --kill

truth: $(READY) ## Are the counters true? A million answers of 1 to 4 processes with 20 kills, 100,000 hostile requests
	$(BIN)/python -m tests.soak --truth 1000000
	$(BIN)/python -m tests.soak --hostile 100000

chaos: $(READY) ## Kill every process at seeded moments of rollouts under traffic; about half an hour
	$(BIN)/pytest --chaos -m chaos -q -s tests/chaos

simulate: $(READY) ## Rollouts of every scene, and drift: tables and plots in .geometry/simulate (RUNS=100 TICKS=100000: fewer)
	$(BIN)/python -m tests.statistics.simulate $(if $(RUNS),--runs $(RUNS))
	$(BIN)/python -m tests.statistics.drift $(if $(RUNS),--runs $(RUNS)) $(if $(TICKS),--ticks $(TICKS))

prove: $(READY) ## Kill, disturb and race the registry at every point of every path, and its commands by the thousand; an hour or more
	$(BIN)/pytest --prove -m prove -q -s tests/registry tests/proofs

bench: $(BENCH) ## Our server beside others, goal by goal; about forty minutes (ROWS=granian,start for some)
	$(BIN)/python -m tests.bench $(if $(ROWS),--rows $(ROWS))

train: $(READY) ## Train a version quickly, track it and publish it
	$(BIN)/geometry train --quick --register-model

serve: $(READY) ## Start controller, revisions and Envoy on this machine
	$(BIN)/geometry local up

predict: $(READY) ## Classify an image: make predict IMAGE=circle.png (without IMAGE: rendered ones)
	@test -n "$(IMAGE)" || $(BIN)/geometry data render --output .geometry/samples
	$(BIN)/geometry predict $(or $(IMAGE),.geometry/samples/*/*.png)

demo: $(READY) ## The whole loop: train two versions, serve one, canary and promote the other
	$(BIN)/python -m training.demo

demo-bad: $(READY) ## Canaries that fail, are slow or often wrong, get no traffic or only junk; each ends as it should
	$(BIN)/python -m tests.demo_bad

demo-down: $(READY) ## Stop every process of this machine's installation
	$(BIN)/geometry local down

mlflow: $(READY) ## MLflow's pages on http://127.0.0.1:5000 (MLFLOW_PORT=5001 for another port)
	@mkdir -p .geometry
	MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false $(BIN)/mlflow server --host 127.0.0.1 --port $(MLFLOW_PORT) --workers 1 \
	  --backend-store-uri sqlite:///.geometry/mlflow.db

monitoring: $(READY) ## Prometheus (9090) and Alertmanager (9093) of this machine beside what runs here
	$(BIN)/geometry local monitoring

doctor: $(READY) ## Does this machine have what is needed, and the cluster where there is one? Says the fix
	$(BIN)/geometry doctor
	@! kubectl config get-contexts $(CONTEXT) >/dev/null 2>&1 || cluster/doctor $(CONTEXT)

kind-up: $(READY) ## A kind cluster with platform, images, installation and a served model (PLATFORM=, KIND_NODE_IMAGE=)
	CLUSTER=$(CLUSTER) cluster/up

kind-down: ## Delete the kind cluster
	kind delete cluster --name $(CLUSTER)

kind-load: ## Bring the images into the kind cluster
	kind load docker-image --name $(CLUSTER) $(foreach image,$(IMAGES),ml-geometry/$(image):$(VERSION))

kind-logs: ## Logs of every pod of the kind cluster, in .geometry/kind
	kind export logs --name $(CLUSTER) .geometry/kind

docker-build: ## Build the images of predictor, controller and trainer
	docker build --quiet --file Dockerfile.predictor --target predictor --tag ml-geometry/predictor:$(VERSION) $(BUILD) .
	docker build --quiet --file Dockerfile.predictor --target controller --tag ml-geometry/controller:$(VERSION) $(BUILD) .
	docker build --quiet --file Dockerfile.trainer --tag ml-geometry/trainer:$(VERSION) $(BUILD) .

images: docker-build ## The same

deploy: $(READY) ## Apply an overlay: make deploy ENV=prod CONTEXT=my-cluster (safe at any time, also during a rollout)
	kubectl --context $(CONTEXT) apply -k kustomize/overlays/$(ENV)
	cluster/keys $(CONTEXT) ml-geometry-$(ENV)
	kubectl --context $(CONTEXT) --namespace ml-geometry-$(ENV) rollout status deployment \
	  --selector 'app.kubernetes.io/component in (controller,tracking)' --timeout=300s

k8s-deploy: deploy ## The same

test-cluster: $(READY) ## Tests with a real API server, as in the kind cluster (GEOMETRY_CLUSTER_BIN: another's programs)
	$(if $(GEOMETRY_CLUSTER_BIN),,cluster/programs $(CLUSTER) .geometry/bin)
	GEOMETRY_CLUSTER_BIN=$(or $(GEOMETRY_CLUSTER_BIN),$(CURDIR)/.geometry/bin) $(BIN)/pytest --cluster -m cluster -q

docker-stack: ## Two predictors behind Envoy 8000, MLflow 5000, Prometheus 9090, Grafana 3000 (SERVE=3)
	stack/up

verify: $(READY) lock ## Is everything that is generated fresh? (needs uv)
	$(BIN)/python -m charts.monitoring.generate
	git diff --exit-code

lock: ## Write requirements/*.txt anew from pyproject.toml (needs uv; LOCK_FLAGS=--upgrade for newer versions)
	$(LOCK) $(LOCK_FLAGS) --all-extras --group dev --output-file requirements/dev.txt
	$(LOCK) --all-extras --group dev --group bench --constraint requirements/dev.txt --output-file requirements/bench.txt
	$(LOCK) --group build --constraint requirements/dev.txt --output-file requirements/build.txt
	for extra in $(EXTRAS); do \
	  $(LOCK) --extra $$extra --constraint requirements/dev.txt --output-file requirements/$$extra.txt || exit 1; \
	done

clean: ## Remove caches and build output; .venv and .geometry stay
	rm -rf build dist htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find predictor registry training tests -name __pycache__ -type d -prune -exec rm -rf {} +
