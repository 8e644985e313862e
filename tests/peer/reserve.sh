#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# reserve.sh - compute buffers that libllama really allocates, on the host and on stand-ins for GPUs, byte for byte.
. "$(dirname "$0")/peer.inc"
ask=$BB_BUILD/tests/peer/peer_reserve make=$BB_BUILD/tests/peer/peer_graph
for p in "$ask" "$make"; do [ -x "$p" ] || skip_all "no $p: make check-peers builds it"; done
models=$("$make" --list)
# shellcheck disable=SC2086 # a list of words
set -- $models
plan $(($# + 2))
for m in "$@"; do
    "$make" --make "$m" "$work/$m.gguf"
    check "$m: 20 settings" "$ask" "$work/$m.gguf" 20
    rm -f "$work/$m.gguf"
done
# rows that CUDA pads, in types that decide what a copy takes
for t in q4_K_M q8_0; do
    "$BB_BIN" quantize data/demo.gguf -o "$work/$t.gguf" --type "$t" >/dev/null 2>&1
    check "the demo model in $t: 40 settings" "$ask" "$work/$t.gguf" 40
done
