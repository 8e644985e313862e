#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# malformed.sh - every case of the shared corpus of broken files (BB_SHARED) gives what its index says, within 64 MiB.
bin=${BB_BIN:-build/bitbudget} shared=${BB_SHARED:-../shared}
corpus=$shared/malformed/corpus.tar.xz driver=$shared/malformed/run_malformed.py
echo 1..1
for need in "$corpus" "$driver"; do
    [ -r "$need" ] || { echo "ok 1 # skip ${need#"$shared"/} is not there (BB_SHARED)"; exit 0; }
done
for need in python3 xz; do
    command -v $need >/dev/null || { echo "ok 1 # skip no $need"; exit 0; }
done
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
tar -C "$dir" -S -xJf "$corpus" || exit 1
mem=64
[ -n "${BB_SANITIZED:-}" ] && mem=1024
# 60 s: a test is not timed, and other work may run beside it
if python3 "$driver" "$dir" "$bin inspect {file}" --cmd "csv-gpu=$bin data gpus --gpus {file}" \
    --cmd "csv-model=$bin data models --models {file}" --facts --need-name --error-codes 3,4 --mem-mode rss --mem $mem \
    --timeout 60 >"$dir/out" 2>&1; then
    echo "ok 1 - $(tail -n 1 "$dir/out")"
else
    echo 'not ok 1 - the corpus of broken files'
    sed 's/^/# /' "$dir/out"
    exit 1
fi
