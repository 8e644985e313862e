#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# state.sh - libllama loads hybrid models with the tensors that graph/ lists, and keeps for their sequences the bytes
# that a plan tells.
. "$(dirname "$0")/peer.inc"
ask=$BB_BUILD/tests/peer/peer_state make=$BB_BUILD/tests/peer/peer_graph
for p in "$ask" "$make"; do [ -x "$p" ] || skip_all "no $p: make check-peers builds it"; done
models=$("$make" --hybrids)
# shellcheck disable=SC2086 # a list of words
set -- $models
plan $#
for m in "$@"; do
    "$make" --make "$m" "$work/$m.gguf"
    check "$m: what sequences keep" "$ask" "$work/$m.gguf"
    rm -f "$work/$m.gguf"
done
