# SPDX-License-Identifier: GPL-3.0-or-later
# peer.sh - read by the scripts beside it: where llama.cpp's own libraries are, and the programs that ask them.
# Sets GGML_DIR and the functions plan, ok, not_ok, check, ask; leaves with a TAP skip where the peer is absent.
set -u
BB_BUILD=${BB_BUILD:-build} BB_BIN=${BB_BIN:-$BB_BUILD/bitbudget} BB_SHARED=${BB_SHARED:-../shared}
export GGML_DIR="${GGML_DIR:-$PWD/$BB_BUILD/peer/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64}"
n=0
plan() { echo "1..$1"; }
ok() { n=$((n + 1)); echo "ok $n - $1"; }
not_ok() { n=$((n + 1)); echo "not ok $n - $1"; [ -z "${2:-}" ] || printf '%s\n' "$2" | sed 's/^/# /'; }
# check NAME COMMAND...: the command decides, what it says is shown when it fails
check() {
    name=$1
    shift
    if said=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "$said"; fi
}
skip_all() { echo "1..0 # SKIP $1"; exit 0; }

[ -e "$GGML_DIR/libggml-base.so" ] || skip_all "no libggml of the peer: make check-peers installs it with npm"
[ -d "$BB_SHARED/oracle" ] || skip_all "no $BB_SHARED/oracle"
mkdir -p "$BB_BUILD/peer"
# oracle NAME LIBS...: compiles one of the programs that ask the peer
oracle() {
    name=$1
    shift
    [ "$BB_BUILD/peer/$name" -nt "$BB_SHARED/oracle/$name.c" ] ||
        gcc -O2 -w -o "$BB_BUILD/peer/$name" "$BB_SHARED/oracle/$name.c" "$@" || skip_all "$name does not compile"
}
work=$(mktemp -d "${TMPDIR:-/tmp}/bb-peer.XXXXXX")
trap 'rm -rf "$work"' EXIT
