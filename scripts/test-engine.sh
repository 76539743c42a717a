#!/bin/sh
# Runs an engine of containers for whoever holds our stdin open, and ends it when they are gone, however they went.
#
#   scripts/test-engine.sh PROGRAMS FOLDER
#
# PROGRAMS is where scripts/test-parts.sh put the engine; in FOLDER are its socket (engine.sock), its log and all its data.
# It needs root, makes no network, and touches no other engine of this machine.
set -eu

programs=$1
folder=$2
mkdir -p "$folder"
PATH=$programs/usr/bin:$programs/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin
LD_LIBRARY_PATH=$programs/usr/lib/x86_64-linux-gnu:$programs/usr/lib/aarch64-linux-gnu:$programs/lib/x86_64-linux-gnu:$programs/lib/aarch64-linux-gnu
export PATH LD_LIBRARY_PATH

dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/engine.pid" \
    --host "unix://$folder/engine.sock" --iptables=false --ip6tables=false --bridge=none --ip-forward=false \
    --ip-masq=false >"$folder/log" 2>&1 </dev/null &
engine=$!
# Whoever ends us gently ends it too.
trap 'kill "$engine" 2>/dev/null || true' TERM INT HUP

while read -r _; do :; done
kill "$engine" 2>/dev/null || true
wait "$engine" 2>/dev/null || true
for mount in $(awk -v under="$folder/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort -r); do
    umount -l "$mount" 2>/dev/null || true
done
rm -rf "$folder"
