#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# file_options.sh - options of `quantize` that change types or files give llama_model_quantize's bytes too.
. "$(dirname "$0")/peer.inc"
oracle make_gguf -lm
ask=$BB_BUILD/tests/peer/peer_file
[ -x "$ask" ] || skip_all "no $ask: make check-peers builds it"
command -v python3 >/dev/null || skip_all 'no python3'
"$BB_BUILD/peer/make_gguf" "$work/in.gguf" 512 512 8 8 2 1024 f16

# importance of every matrix: positive, no zeros; the form with .in_sum2 and .counts is what `imatrix` writes today
python3 - "$work/in.gguf" "$work/im.dat" <<'PY'
import random, struct, subprocess, sys
random.seed(5)
widths = {"attn_q": 512, "attn_k": 512, "attn_v": 512, "attn_output": 512, "ffn_gate": 512, "ffn_up": 512, "ffn_down": 1024}
names = {f"blk.{l}.{n}.weight": w for l in range(8) for n, w in widths.items()} | {"output.weight": 512}
with open(sys.argv[2], "wb") as f:
    f.write(struct.pack("<i", len(names)))
    for name, width in names.items():
        f.write(struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", 4, width))
        f.write(struct.pack(f"<{width}f", *(random.expovariate(1) + 1e-3 for _ in range(width))))
    f.write(struct.pack("<i", 4) + struct.pack("<i", 9) + b"some.text")
PY
# both THEIRS -- OURS: options of the two programs, the type first
both() {
    theirs='' number=$1 type=$2
    shift 2
    while [ "$1" != -- ]; do theirs="$theirs $1"; shift; done
    shift
    rm -f "$work"/t* "$work"/o*
    # shellcheck disable=SC2086 # several words
    "$ask" "$input" "$work/t.gguf" "$number" $theirs >"$work/log" 2>&1 || { tail -n 3 "$work/log"; return 1; }
    "$BB_BIN" quantize "$input" -o "$work/o.gguf" --type "$type" "$@" >/dev/null 2>"$work/err" || { cat "$work/err"; return 1; }
    for f in "$work"/t*; do cmp "$f" "$work/o${f#"$work"/t}" || return 1; done
}
plan 14
input=$work/in.gguf
for t in '15 q4_K_M' '10 q2_K' '11 q3_K_S' '18 q6_K' '2 q4_0' '8 q5_0' '30 iq4_xs'; do
    # shellcheck disable=SC2086 # two words
    check "imatrix, $t" both $t "imatrix=$work/im.dat" -- --imatrix "$work/im.dat"
done
check 'pure' both 15 q4_K_M pure -- --pure
check 'types of output and embedding' both 17 q5_K_M output=8 embedding=12 -- --output-type q8_0 --embedding-type q4_K
check 'leave the output' both 15 q4_K_M leave-output -- --leave-output-tensor
check 'types by name' both 15 q4_K_M 'tensor=blk\.[0-3]\.attn_v=8' tensor=ffn_down=14 -- --tensor-type 'blk\.[0-3]\.attn_v=q8_0' --tensor-type ffn_down=q6_K
"$BB_BIN" quantize "$work/in.gguf" -o "$work/q.gguf" --type q8_0 >/dev/null 2>&1
input=$work/q.gguf
check 'requantize' both 15 q4_K_M requantize -- --requantize
"$BB_BIN" quantize "$work/in.gguf" -o "$work/split.gguf" --type f16 --split-max-size 8MB >/dev/null 2>&1
input=$(ls "$work"/split-00001-of-*.gguf)
check 'a split joined' both 15 q4_K_M -- -q
keep() {
    rm -f "$work"/t* "$work"/o*
    "$ask" "$input" "$work/t" 15 keep-split >"$work/log" 2>&1 || { tail -n 3 "$work/log"; return 1; }
    "$BB_BIN" quantize "$input" -o "$work/o.gguf" --type q4_K_M --keep-split >/dev/null 2>"$work/err" || { cat "$work/err"; return 1; }
    ls "$work"/t-* >/dev/null || return 1
    for f in "$work"/t-*; do cmp "$f" "$work/o${f#"$work"/t}" || return 1; done
}
check 'a split kept' keep
