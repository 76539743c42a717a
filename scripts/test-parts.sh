#!/bin/sh
# Fetches what the tests need beside the code: the default models, and in a Python environment a llama.cpp server and
# schemathesis, which walks over the contract of the HTTP interface.
#
# Everything goes to target/parts (or $SYZYGY_TEST_PARTS) and is kept there. What cannot be fetched leaves a file
# NAME.unavailable with the reason; tests that need it then say so and pass. Running this again tries again.
set -eu

cd "$(dirname "$0")/.."
parts=${SYZYGY_TEST_PARTS:-$PWD/target/parts}
xllamacpp=2026.10.11549
schemathesis=4.32.5
mkdir -p "$parts"

venv=$parts/venv
if [ "$(cat "$venv/.complete" 2>/dev/null)" != "$xllamacpp" ]; then
    rm -rf "$venv"
    if python3 -m venv "$venv" >"$parts/venv.log" 2>&1 &&
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
            "xllamacpp==$xllamacpp" >>"$parts/venv.log" 2>&1; then
        echo "$xllamacpp" >"$venv/.complete"
    fi
fi
if [ -e "$venv/.complete" ]; then
    rm -f "$parts/llama-server.unavailable"
else
    tail -n 1 "$parts/venv.log" >"$parts/llama-server.unavailable"
    echo "no llama.cpp server: $(cat "$parts/llama-server.unavailable")" >&2
fi

if [ "$(cat "$venv/.schemathesis" 2>/dev/null)" != "$schemathesis" ]; then
    if "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
        "schemathesis==$schemathesis" >"$parts/schemathesis.log" 2>&1; then
        echo "$schemathesis" >"$venv/.schemathesis"
    fi
fi
if [ -e "$venv/.schemathesis" ]; then
    rm -f "$parts/schemathesis.unavailable"
else
    tail -n 1 "$parts/schemathesis.log" >"$parts/schemathesis.unavailable"
    echo "no schemathesis: $(cat "$parts/schemathesis.unavailable")" >&2
fi

# The library's own code fetches the models, so that this is tested as well.
cargo build --quiet --example fetch_models
if cargo run --quiet --example fetch_models -- "$parts" 2>"$parts/models.log"; then
    rm -f "$parts/models.unavailable"
else
    tail -n 1 "$parts/models.log" >"$parts/models.unavailable"
    echo "no models: $(cat "$parts/models.unavailable")" >&2
fi
