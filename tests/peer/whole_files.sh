#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# whole_files.sh - files that `quantize` writes are those of llama_model_quantize, byte for byte, and load in libllama.
. "$(dirname "$0")/peer.inc"
oracle llama_load -ldl -lm
oracle make_gguf -lm
peer=$BB_BUILD/peer

# name of llama-quantize and its number (llama.h of v0.5.0: enum llama_ftype)
all='F32 0,F16 1,BF16 32,Q4_0 2,Q4_1 3,Q8_0 7,Q5_0 8,Q5_1 9,Q2_K 10,Q3_K_S 11,Q3_K_M 12,Q3_K_L 13,Q4_K_S 14,Q4_K_M 15,Q5_K_S 16,Q5_K_M 17,Q6_K 18,IQ4_NL 25,IQ4_XS 30,TQ1_0 36,TQ2_0 37,Q1_0 40,Q2_0 41'

# same INPUT TYPE NUMBER: both quantize the input, or both refuse it; the files are compared
same() {
    theirs=0 ours=0
    "$peer/llama_load" quant "$1" "$work/theirs.gguf" "$3" >"$work/log" 2>&1 || theirs=1
    "$BB_BIN" quantize "$1" -o "$work/ours.gguf" --force --type "$2" >/dev/null 2>"$work/err" || ours=1
    [ $theirs = $ours ] || { echo "refused: theirs $theirs, ours $ours"; tail -n 3 "$work/log"; cat "$work/err"; return 1; }
    [ $theirs = 1 ] || cmp "$work/theirs.gguf" "$work/ours.gguf"
}
logits() { QUIET=1 "$peer/llama_load" logits "$1" 1,7,42,99,3,250,17,5 "$2" 2>/dev/null; }

"$peer/make_gguf" "$work/f16.gguf" 512 512 8 8 4 1024 f16
"$peer/make_gguf" "$work/f32.gguf" 300 256 5 8 2 768
"$peer/make_gguf" "$work/tied.gguf" 512 512 9 8 8 1024 f16 tied t4
"$peer/make_gguf" "$work/narrow.gguf" 320 288 6 6 6 768 f16
count=$(echo "$all" | tr ',' '\n' | wc -l)
plan $((count * 5 + 6 + 2))
echo "$all" | tr ',' '\n' >"$work/types"
for model in f16 f32 tied narrow; do
    while read -r type number; do check "$model model to $type" same "$work/$model.gguf" "$type" "$number"; done <"$work/types"
done
while read -r type number; do check "demo to $type" same data/demo.gguf "$type" "$number"; done <"$work/types"

for type in Q4_K_M Q5_K_S Q3_K_L Q2_K IQ4_XS Q8_0; do
    number=$(awk -v t=$type '$1 == t {print $2}' "$work/types")
    loads() {
        same "$work/f16.gguf" "$type" "$number" && logits "$work/ours.gguf" "$work/a" >/dev/null &&
            logits "$work/theirs.gguf" "$work/b" >/dev/null && [ -s "$work/a" ] && cmp "$work/a" "$work/b"
    }
    check "libllama gives equal logits of $type" loads
done

# A checkpoint: its GGUF gives the logits, and so the greedy text, of the GGUF that llama.cpp's converter made.
stories=$BB_SHARED/models/stories260K
if [ -d "$stories" ]; then
    ids=1
    greedy() { # MODEL: 60 tokens, each the likeliest after those before
        ids=1
        for _ in $(seq 60); do
            QUIET=1 "$peer/llama_load" logits "$1" "$ids" "$work/l" >/dev/null 2>&1 || return 1
            ids=$ids,$(python3 -c 'import array,sys
a = array.array("f", open(sys.argv[1], "rb").read())[-512:]
print(max(range(512), key=a.__getitem__))' "$work/l")
        done
        echo "$ids"
    }
    for type in f32 q8_0; do
        converted() {
            "$BB_BIN" quantize "$stories/model.safetensors" -o "$work/s.gguf" --force --type $type \
                --vocab "$stories/model-f32.gguf" >/dev/null 2>"$work/err" || { cat "$work/err"; return 1; }
            if [ $type = f32 ]; then cp "$stories/model-f32.gguf" "$work/t.gguf"
            else "$BB_BIN" quantize "$stories/model-f32.gguf" -o "$work/t.gguf" --force --type $type >/dev/null 2>&1; fi
            a=$(greedy "$work/s.gguf") && b=$(greedy "$work/t.gguf") && echo "$a" && echo "$b" && [ "$a" = "$b" ] && [ ${#a} -gt 100 ]
        }
        check "stories260K from safetensors to $type: greedy text" converted
    done
else
    ok "stories260K # SKIP no $stories"
    ok "stories260K # SKIP no $stories"
fi
