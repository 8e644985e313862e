#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# perplexity.sh - perplexities of files that `quantize` writes, through the kernels, are libllama's to 1 %.
. "$(dirname "$0")/peer.inc"
ask=$BB_BUILD/tests/peer/peer_perplexity chunks=8
[ -x "$ask" ] || skip_all "no $ask: make check-peers builds it"
stories=$BB_SHARED/models/stories260K/model-f32.gguf text=$BB_SHARED/models/stories260K/calibration.txt
[ -r "$stories" ] && [ -r "$text" ] || skip_all "no $stories"

# near MODEL TYPE LIMIT: the relative difference of the two
near() {
    model=$work/q.gguf
    "$BB_BIN" quantize "$1" -o "$model" --force --type "$2" >/dev/null 2>&1 || return 1
    theirs=$("$ask" "$model" "$text" 512 $chunks 2>/dev/null | cut -d' ' -f1)
    ours=$("$BB_BIN" error "$model" --kl --text "$text" --chunks $chunks --types f16 --csv | sed -n 2p | cut -d, -f4)
    echo "libllama $theirs, ours $ours"
    awk -v a="$theirs" -v b="$ours" -v most="$3" 'BEGIN { d = (a - b) / a; exit !(a > 1 && d <= most && -d <= most) }'
}
plan 6
check 'stories260K F32, to 1e-5' near "$stories" f32 1e-5
for t in q8_0 q4_0 q5_1; do check "stories260K $t" near "$stories" $t 0.01; done
text=tests/data/infer/heldout.txt chunks=2
for t in q4_K_M q6_K; do check "demo $t" near data/demo.gguf $t 0.01; done
