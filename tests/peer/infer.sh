#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# infer.sh - the forward pass gives libllama's logits and text; an imatrix written here is the one that it reads.
. "$(dirname "$0")/peer.inc"
ask=$BB_BUILD/tests/peer/peer_infer quantize=$BB_BUILD/tests/peer/peer_file
for p in "$ask" "$quantize"; do [ -x "$p" ] || skip_all "no $p: make check-peers builds it"; done
stories=$BB_SHARED/models/stories260K/model-f32.gguf
[ -r "$stories" ] || skip_all "no $stories"
models=$("$ask" names)
# shellcheck disable=SC2086 # a list of words
set -- $models
plan $(($# + 7))
check 'stories260K: logits of 200 tokens to 1e-4' "$ask" logits "$stories" 200 1e-4
check 'stories260K: 200 tokens of greedy text' "$ask" text "$stories" 200
for m in "$@"; do
    "$ask" make "$m" "$work/$m.gguf"
    check "$m: logits of 200 tokens to 1e-4" "$ask" logits "$work/$m.gguf" 200 1e-4
done
# Both programs quantize by the importance of the demo model's inputs; each reads the file by itself.
same() {
    rm -f "$work"/t.gguf "$work"/o.gguf
    "$quantize" data/demo.gguf "$work/t.gguf" "$1" imatrix="$work/im.gguf" >"$work/log" 2>&1 || { tail -n 3 "$work/log"; return 1; }
    "$BB_BIN" quantize data/demo.gguf -o "$work/o.gguf" --type "$2" --imatrix "$work/im.gguf" >/dev/null 2>"$work/err" ||
        { cat "$work/err"; return 1; }
    cmp "$work/t.gguf" "$work/o.gguf"
}
check 'an imatrix as ggml reads it' "$ask" imatrix data/demo.gguf 300 "$work/im.gguf"
for t in '15 q4_K_M' '10 q2_K' '2 q4_0' '30 iq4_xs'; do
    # shellcheck disable=SC2086 # two words
    check "quantized by it, $t" same $t
done
