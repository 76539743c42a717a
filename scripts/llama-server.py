"""Serves one GGUF model with llama.cpp over HTTP, for the tests. Ends when its standard input ends.

usage: python llama-server.py MODEL.gguf PORT
"""

import sys

import xllamacpp

model, port = sys.argv[1], int(sys.argv[2])
params = xllamacpp.CommonParams()
params.model.path = model
params.n_ctx = 2048
params.n_parallel = 1
params.hostnames = ["127.0.0.1"]
params.port = port
# One thread: on a busy machine llama.cpp's threads spin at their barriers, and two are slower than one.
params.cpuparams.n_threads = 1
params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print("listening on", server.listening_address, flush=True)
sys.stdin.read()
