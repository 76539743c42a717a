#!/usr/bin/env bash
# Starts a host on its defaults, gives it a real task, and shows the answer, the way it took, why, and the tree.
# The host then stays up for the next task; Ctrl-C stops it. `make run` builds first.
set -euo pipefail
cd "$(dirname "$0")/.."

syzygy=${CARGO_TARGET_DIR:-target}/release/syzygy
data=${SYZYGY_HOST__DATA_DIR:-$PWD/target/run}
# A host that reads a model from a slow disk is ready in seconds; a minute means that it is not coming.
ready_within_s=60

title() { printf '\n== %s\n' "$1"; }

title "models"
"$syzygy" models pull --data-dir "$data"

title "host"
"$syzygy" up --data-dir "$data" &
host=$!
trap 'kill "$host" 2>/dev/null || true; wait "$host" 2>/dev/null || true' EXIT
trap 'exit 0' INT TERM
waited=0
until "$syzygy" tree --data-dir "$data" >/dev/null 2>&1; do
    if ! kill -0 "$host" 2>/dev/null || [ "$waited" -ge "$ready_within_s" ]; then
        echo "the host did not start; its log is above" >&2
        exit 1
    fi
    sleep 1
    waited=$((waited + 1))
done

title "task: a brief of this project's README"
"$syzygy" ask --data-dir "$data" --stream --file README.md --max-tokens 70 "Write a brief of this text in two sentences."

title "why"
"$syzygy" why last --data-dir "$data"

title "tree"
"$syzygy" tree --data-dir "$data"

title "ready"
echo "The host stays up; Ctrl-C stops it. In another terminal:"
echo "  $syzygy ask --data-dir $data \"your task\""
wait "$host"
