#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# bnb.sh - folders with int8, NF4 and FP4 are read back by an independent reader, which finds the expected errors.
bin=${BB_BIN:-build/bitbudget}
shared=${BB_SHARED:-../shared}
here=tests/peer

command -v python3 >/dev/null || { echo '1..0 # SKIP python3 is not there'; exit 0; }

# options | the largest relative error of a matrix: specs of N(0,1), and half as much more for real weights
cases='--type nf4|0.14
--type nf4 --double-quant|0.14
--type fp4|0.19
--type fp4 --double-quant|0.19
--type int8 --layout llm-int8|0.015
--type int8 --granularity row|0.015
--type int8 --granularity tensor|0.05
--type int8 --granularity group:32|0.009
--type int8 --granularity row --asymmetric|0.015
--type int8 --granularity tensor --asymmetric|0.05
--type int8 --granularity group:32 --asymmetric|0.009'

out=$(mktemp -d) || exit 1
trap 'rm -rf "$out"' EXIT
n=0
for model in models/demo/hf models/stories260K; do
    if [ ! -e "$shared/$model/config.json" ]; then
        n=$((n + 1))
        echo "ok $n - $model # SKIP it is not there (BB_SHARED)"
        continue
    fi
    # a folder of its own: the one that is shared may hold a GGUF too
    mkdir -p "$out/in" && cp "$shared/$model/config.json" "$shared/$model/model.safetensors" "$out/in/"
    printf '%s\n' "$cases" >"$out/cases"
    while IFS='|' read -r options limit; do
        n=$((n + 1))
        rm -rf "$out/q"
        # shellcheck disable=SC2086 # several words
        if $bin quantize "$out/in" -o "$out/q" $options >"$out/log" 2>&1 &&
            python3 $here/read_bnb.py "$out/in" "$out/q" "$limit" >>"$out/log" 2>&1; then
            echo "ok $n - $model $options: $(tail -n 1 "$out/log")"
        else
            echo "not ok $n - $model $options"
            sed 's/^/# /' "$out/log"
        fi
    done <"$out/cases"
    rm -rf "$out/in"
done
echo "1..$n"
