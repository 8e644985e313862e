#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# perplexity.sh - perplexities of files that `quantize` writes, through the kernels, are libllama's to 1 %; and the
# figures of golden_demo_chunks.csv are those that libllama gives.
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
# row TYPE CHUNKS: as golden_demo_chunks.csv has it
row() {
    base=$work/base.gguf q=$work/q.gguf values=$work/values.gguf
    "$BB_BIN" quantize data/demo.gguf -o "$base" --force --type f32 >/dev/null 2>&1 &&
        "$BB_BIN" quantize data/demo.gguf -o "$q" --force --type "$1" >/dev/null 2>&1 &&
        "$BB_BIN" quantize "$q" -o "$values" --force --requantize --type f32 >/dev/null 2>&1 || return 1
    echo "$1,$2,$("$ask" "$q" "$text" 512 "$2" "$base" 2>/dev/null),$("$ask" "$values" "$text" 512 "$2" "$base" 2>/dev/null)" |
        sed 's/ [0-9]* chunks, KL /,/g'
}
# golden TYPE CHUNKS: weights alone to 1e-4, through the kernels, of which libllama picks those of the processor, to 5 %
golden() {
    row=$(row "$1" "$2") || return 1
    known=$(grep "^$1,$2," tests/data/infer/golden_demo_chunks.csv)
    printf '%s\n%s\n' "$known" "$row"
    printf '%s\n%s\n' "$known" "$row" | awk -F, '
function far(a, b, most) { d = a - b; return d > most * b || -d > most * b }
NR == 1 { for (i = 3; i <= 6; i++) x[i] = $i }
END { exit NR != 2 || NF != 6 || far($3, x[3], 0.01) || far($4, x[4], 0.05) || far($5, x[5], 1e-4) || far($6, x[6], 1e-4) }'
}
if [ "${1:-}" = golden ]; then
    text=tests/data/infer/heldout.txt
    echo type,chunks,ppl,kld_mean,wo_ppl,wo_kld_mean
    for n in 1 2; do for t in f32 q8_0 q6_K q4_K_M q2_K; do row $t $n; done; done
    exit
fi
plan 10
check 'stories260K F32, to 1e-5' near "$stories" f32 1e-5
for t in q8_0 q4_0 q5_1; do check "stories260K $t" near "$stories" $t 0.01; done
text=tests/data/infer/heldout.txt chunks=2
for t in q4_K_M q6_K; do check "demo $t" near data/demo.gguf $t 0.01; done
for t in q8_0 q6_K q4_K_M q2_K; do check "demo $t, KL" golden $t 2; done
