#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# bench.sh - how long a cold start and reading large headers take; prints, never fails a test.
set -u
bin=${BB_BIN:-build/bitbudget}

# median of 21 cold runs of a command, in milliseconds
cold() {
    i=0
    while [ $i -lt 21 ]; do
        a=$(date +%s%N); "$@" >/dev/null 2>&1; b=$(date +%s%N)
        echo $((b - a)); i=$((i + 1))
    done | sort -n | awk '{ v[NR] = $1 } END { printf "%.2f ms", v[int((NR + 1) / 2)] / 1e6 }'
}
echo "cold start: plan $(cold "$bin" plan llama-3.1-8b --weights q4_K_M --gpu 'RTX 4090'), inspect demo $(cold "$bin" inspect demo), true $(cold true)"

# large headers
if command -v python3 >/dev/null && dir=$(mktemp -d); then
    trap 'rm -rf "$dir"' EXIT
    for kind in keys deepseek pickles; do
        python3 tests/corpus/make_large.py $kind "$dir/$kind" && echo "inspect $kind: $(cold "$bin" inspect "$dir/$kind")"
    done
fi
