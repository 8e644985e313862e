#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# graphs.sh - the graphs from which plan/ computes llama.cpp's buffers are libllama's own, node by node, in every family
# and in several settings of the cache: operation, type, shape, strides, sources, views.
. "$(dirname "$0")/peer.inc"
ask=$BB_BUILD/tests/peer/peer_graph
[ -x "$ask" ] || skip_all "no $ask: make check-peers builds it"

models=$("$ask" --list)
plan "$(echo "$models" | wc -l)"
for m in $models; do check "$m" "$ask" "$m" "$work/model.gguf"; done
