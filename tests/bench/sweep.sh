#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# sweep.sh - a million plans (10 models x 20 types x 100 contexts x 50 cards, 1,000 graphs) and single questions;
# prints, never fails a test.
set -u
bin=${BB_BIN:-build/bitbudget}
models='llama-3.1-8b llama-3.1-70b qwen3-32b qwen3-8b gemma-3-27b gemma-3-4b qwen2.5-72b mixtral-8x7b qwen3-30b-a3b
mistral-7b-v0.3'
types=f16,q8_0,q6_K,q5_K_M,q5_K_S,q5_0,q5_1,q4_K_M,q4_K_S,q4_0,q4_1,iq4_nl,iq4_xs,q3_K_L,q3_K_M,q3_K_S,q2_K,iq3_m
types=$types,iq3_xs,iq3_xxs
contexts=$(seq 1024 1024 102400 | paste -sd,)
cards=$("$bin" data gpus --csv | cut -d, -f1 | tr -d '"' | sed -n 2,51p | paste -sd,)

# words are split on purpose; time is GNU time where it is there: seconds of one core and peak memory
if [ -x /usr/bin/time ]; then watch="/usr/bin/time -f %U\ s,\ %M\ KiB"; else watch=; fi
sweep() {
    # shellcheck disable=SC2086
    eval "$watch" "$bin" plan $models --sweep "weights=$types" --sweep "ctx=$contexts" --sweep "\"gpu=$cards\"" --csv
}
a=$(date +%s%N)
{ rows=$(sweep | wc -l); } 2>/tmp/bb-sweep-$$
b=$(date +%s%N)
echo "sweep: $((rows - 1)) plans in $(((b - a) / 1000000)) ms, $(cat /tmp/bb-sweep-$$)"
rm -f /tmp/bb-sweep-$$

# median of 21 runs in milliseconds, the start of the process and its catalogue (rule 7b) included
cold() {
    i=0
    while [ $i -lt 21 ]; do
        a=$(date +%s%N)
        "$@" >/dev/null 2>&1
        b=$(date +%s%N)
        echo $((b - a))
        i=$((i + 1))
    done | sort -n | awk '{ v[NR] = $1 } END { printf "%.2f", v[int((NR + 1) / 2)] / 1e6 }'
}
base=$(cold "$bin" rule 7b)
echo "one process: rule 7b $base ms, plan of 80 layers $(cold "$bin" plan llama-3.1-70b --weights q4_K_M --gpu 'RTX 4090') ms"
for what in ctx batch slots layers params weights gpus kv; do
    weights='--weights q4_K_M'
    [ $what = weights ] && weights=
    # shellcheck disable=SC2086
    echo "fit --solve $what: $(cold "$bin" fit llama-3.1-70b --solve $what $weights --memory 60GiB) ms"
done
