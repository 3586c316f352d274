# `make` alone lists the targets. Everything runs in .venv, which `make install` creates.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= 2
N ?= 500
PORT ?= 3000

# The same defaults as the package's own, made absolute: Dagster and MLflow want absolute paths.
HOME_FOLDER := $(abspath $(or $(SPORT_ASSETS_HOME),.sport_assets))
export SPORT_ASSETS_HOME := $(HOME_FOLDER)
export SPORT_ASSETS_DATA := $(abspath $(or $(SPORT_ASSETS_DATA),data))

.PHONY: help install demo demo-cricket demo-detection test lint format ui mlflow-ui bench crash-test clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  make %-14s %s\n", $$1, $$2}'

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Name another one: make install PYTHON=python3.12")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV); the first time takes a few minutes"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev,detection]'
	@touch $@

install: $(STAMP) ## create .venv, install the package and its tools, prepare the home folder
	@$(BIN)/sport-assets init

demo: install ## from two generated NFL weeks to an exported, audited and verified model
	@if [ -e "$(SPORT_ASSETS_DATA)/nfl" ]; then echo "using the raw files in $(SPORT_ASSETS_DATA)/nfl"; \
	else $(BIN)/sport-assets sample-data nfl --weeks 2 --plays-per-week 150; fi
	@$(BIN)/sport-assets build nfl/audit_page --partition 'sanity|0'
	@echo; $(BIN)/sport-assets audit 'nfl/exported_model:sanity|0' --html audit.html
	@echo; $(BIN)/sport-assets verify --all
	@echo; echo "The audit page:              audit.html"; echo "Look at it in Dagster's UI:  make ui"

demo-cricket: install ## from generated match files to an exported, audited and verified model of every ball
	@if [ -e "$(SPORT_ASSETS_DATA)/cricket" ]; then echo "using the match files in $(SPORT_ASSETS_DATA)/cricket"; \
	else $(BIN)/sport-assets sample-data cricket --matches 240; fi
	@$(BIN)/sport-assets build cricket/audit_page --partition '42|sanity'
	@echo; $(BIN)/sport-assets audit 'cricket/exported_model:42|sanity' --html audit-cricket.html
	@echo; $(BIN)/sport-assets verify --all
	@echo; echo "The audit page:              audit-cricket.html"; echo "Look at it in Dagster's UI:  make ui"

demo-detection: install ## from generated match videos to an exported, audited detector and an annotated video
	@if [ -e "$(SPORT_ASSETS_DATA)/detection" ]; then echo "using the files in $(SPORT_ASSETS_DATA)/detection"; \
	else $(BIN)/sport-assets sample-data detection --videos 6 --seconds 6 --width 480 --height 288 --players 5 --static-share 1 --easy; fi
	@$(BIN)/sport-assets build detection/audit_page --partition 'sanity|0' --set mode=every --set every=6
	@echo; $(BIN)/sport-assets audit 'detection/exported_model:sanity|0' --html audit-detection.html
	@echo; shopt -s nullglob nocaseglob; \
	set -- "$(SPORT_ASSETS_DATA)"/detection/videos/*.{mp4,mkv,mov,avi,m4v,webm}; \
	if [ $$# -eq 0 ]; then echo "there is no video to annotate in $(SPORT_ASSETS_DATA)/detection/videos"; \
	else $(BIN)/sport-assets predict detection --model 'detection/exported_model:sanity|0' --input "$$1" \
		--video annotated.mp4 --output detections.json; echo "The annotated video:         annotated.mp4"; fi
	@echo; $(BIN)/sport-assets verify --all
	@echo; echo "The audit page:              audit-detection.html"
	@echo "Look at it in Dagster's UI:  make ui"

test: install ## lint, types, import walls and all tests
	@$(MAKE) --no-print-directory lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS)

lint: $(STAMP) ## ruff, mypy and the import walls
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

format: $(STAMP) ## let ruff put imports and layout in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ui: install ## Dagster's web pages and its daemon, on http://localhost:3000 (another: PORT=3001)
	DAGSTER_HOME=$(HOME_FOLDER)/dagster PATH="$(abspath $(BIN)):$$PATH" $(BIN)/dagster dev -w workspace.yaml -p $(PORT)

mlflow-ui: install ## the experiments' curves, on http://localhost:5000
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/mlflow ui --backend-store-uri sqlite:///$(HOME_FOLDER)/mlflow.db --port 5000

bench: install ## measure speed and memory, and print the figures
	OMP_NUM_THREADS=1 $(BIN)/python -m sport_assets_tests.benchmarks

crash-test: install ## stop processes dead N times (N=500) and look at what is left
	OMP_NUM_THREADS=1 SPORT_ASSETS_CRASH_TRIALS=$(N) $(BIN)/python -m pytest -n $(WORKERS) -m crash --timeout=0

clean: ## remove what tools left behind (not .venv, not your data, not the home folder)
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build *.egg-info
	find sport_assets sport_assets_tests -name __pycache__ -type d -prune -exec rm -rf {} +
