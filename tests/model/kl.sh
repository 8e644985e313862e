#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# kl.sh - perplexity and KL divergence of the demo in four types are those that llama.cpp measured (golden_demo.csv):
# all 141 chunks with BB_SLOW, without it a few, which are not the whole and so only near it.
set -u
cd "$(dirname "$0")/../.." || exit 1
bin=${BB_BIN:-build/bitbudget} data=tests/data/infer
types=q8_0,q6_K,q4_K_M,q2_K chunks=2
[ -z "${BB_SANITIZED:-}" ] || { types=q8_0,q4_K_M chunks=1; }
[ -z "${BB_SLOW:-}" ] || chunks=141
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
if ! "$bin" error data/demo.gguf --kl --text $data/heldout.txt --types $types --chunks $chunks --csv >"$T/kl.csv" 2>"$T/err"; then
    echo '1..1'
    echo 'not ok 1 - it runs'
    sed 's/^/# /' "$T/err"
    exit 1
fi
# near A B LIMIT: |a - b| <= limit * b or, where that is less, the 3e-6 that 16 bits of a log-probability leave
awk -F, -v all=$((chunks == 141)) '
function near(a, b, limit) { d = a - b; if (d < 0) d = -d; m = limit * b; if (m < 3e-6) m = 3e-6; return d <= m }
function say(fine, text) { printf "%sok %d - %s\n", fine ? "" : "not ", ++n, text }
function col(name) { return at[FILENAME, name] }
FNR == 1 { for (i = 1; i <= NF; i++) at[FILENAME, $i] = i; next }
NR == FNR { t = tolower($1); file[t] = $2; bpw[t] = $col("bpw"); kl[t] = $col("kld_mean"); wo[t] = $col("wo_kld_mean"); next }
{
    t = tolower($1)
    if (FNR == 2) { # the file as it is
        say(all ? $4 - 19.262 <= 0.01 && 19.262 - $4 <= 0.01 : $4 > 10 && $4 < 40, "perplexity " $4)
        next
    }
    say($2 == file[t] && $3 - bpw[t] < 1e-4 && bpw[t] - $3 < 1e-4, t " takes " $2 " bytes")
    say(near($6, kl[t], all ? 0.1 : 0.35), t " through the kernels: KL " $6 ", llama.cpp has " kl[t])
    say(near($9, wo[t], all ? 0.02 : 0.35), t ", weights alone: KL " $9 ", llama.cpp has " wo[t])
}
END { print "1.." n }' $data/golden_demo.csv "$T/kl.csv"
