#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# kl.sh - perplexity and KL divergence of the demo in four types are libllama's: of all 141 chunks with BB_SLOW
# (golden_demo.csv), of the first two without it (golden_demo_chunks.csv).
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
# near A B LIMIT: |a - b| <= limit * b or, where that is less, the 3e-6 that 16 bits of a log-probability leave in
# golden_demo.csv.
# Weights alone: the same products, only the order of fp32 sums differs, so a few chunks agree to 2e-5; 1e-3 is asked.
# Through the kernels both round the inputs, each in its own way, and which predictions that moves is chance: the KL of
# 510 positions has a standard error of 5 % (8 % of 255). The two lie within 6 %, 15 % is asked; perplexities within
# 0.35 %, 1 % is asked. Of all chunks the error of the KL is 0.6 %, 3 % is asked.
awk -F, -v chunks=$chunks '
function near(a, b, limit, least) { d = a - b; if (d < 0) d = -d; m = limit * b; if (m < least) m = least; return d <= m }
function say(fine, text) { printf "%sok %d - %s\n", fine ? "" : "not ", ++n, text }
FNR == 1 { file++; split("", at); for (i = 1; i <= NF; i++) at[$i] = i; next }
file == 1 { t = tolower($1); bytes[t] = $2; bpw[t] = $at["bpw"] }
file == 1 && all || file == 2 && !all && $at["chunks"] == chunks {
    t = tolower($1); ppl[t] = $at["ppl"]; kl[t] = $at["kld_mean"]; wo[t] = $at["wo_kld_mean"]
}
file < 3 { next }
FNR == 2 { # the file as it is
    say(near($4, ppl["f32"], 1e-5, 0), "perplexity " $4 ", libllama has " ppl["f32"])
    next
}
{
    t = tolower($1)
    say($2 == bytes[t] && near($3, bpw[t], 0, 1e-4), t " takes " $2 " bytes")
    say(near($4, ppl[t], 0.01, 0), t " through the kernels: perplexity " $4 ", libllama has " ppl[t])
    say(near($6, kl[t], all ? 0.03 : 0.15, 3e-6), t " through the kernels: KL " $6 ", libllama has " kl[t])
    say(near($9, wo[t], all ? 0.005 : 1e-3, all ? 3e-6 : 0), t ", weights alone: KL " $9 ", libllama has " wo[t])
}
END { print "1.." n }' all=$((chunks == 141)) $data/golden_demo.csv $data/golden_demo_chunks.csv "$T/kl.csv"
