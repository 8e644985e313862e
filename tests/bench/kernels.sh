#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# kernels.sh - the speed of the matmul kernels as ratios: to the roof that is measured in the same run, to ggml and to BLAS,
# from one thread to two, each beside its target. Prints, never fails a test. BENCH_SECONDS for each row (default 0.5),
# BENCH_SIDE of the square matrix (default 4096). GGML_DIR or the peer under the build is ggml.
set -u
build=${BB_BUILD:-build} bin=${BB_BIN:-build/bitbudget} seconds=${BENCH_SECONDS:-0.5} side=${BENCH_SIDE:-4096}
export GGML_DIR="${GGML_DIR:-$PWD/$build/peer/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64}"
work=$(mktemp -d "${TMPDIR:-/tmp}/bb-kernels.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
bench() { # NAME OPTIONS...: the rows, each with the name before it
    name=$1
    shift
    "$bin" bench --seconds "$seconds" --csv -q "$@" | sed "1d; s/^/$name,/"
}
echo '== whole tables'
"$bin" bench --seconds "$seconds" --out "$side" --in "$side" --threads 1 -q
echo
echo '== targets'
{
    bench one --threads 1 --tokens 1,8,64,512 --out "$side" --in "$side"
    # OpenBLAS knows fewer processors than there are: its AVX-512 kernels have to be asked for
    if grep -q avx512bw /proc/cpuinfo 2>/dev/null; then
        OPENBLAS_CORETYPE=SkylakeX bench blas --threads 1 --tokens 1,512 --out "$side" --in "$side" --only f32
    fi
    if [ "$(nproc 2>/dev/null || echo 1)" -ge 2 ]; then
        bench two --threads 2 --tokens 1,512 --out "$side" --in "$side"
    fi
    bench scalar --threads 1 --tokens 8 --out 1024 --in 1024 --isa scalar --peers off
} >"$work/rows"
# Targets: type|tokens|part of the roof that must be reached|excellent|times ggml's best way. From the measurements on a
# Zen 5 that the ratios were chosen by: 190 of 244 GFLOP/s in fp32, 390 of 489 in bf16, 830 of 975 in int8, and so on.
cat >"$work/targets" <<'T'
f32|512|0.78|0.88|2.6
f32|1|0.90|0.95|
bf16|512|0.80|0.90|2.8
bf16|1|0.90|0.95|
int8|512|0.85|0.94|
int8|1|0.90|0.95|
q8_0|512|0.62|0.72|4.4
q8_0|1|0.90|0.95|1.6
q4_0|512|0.62|0.72|2.2
q4_0|64|0.62|0.72|2.2
q4_0|8|0.51|0.65|3.0
q4_0|1|0.90|0.95|1.6
q4_K|512|0.46|0.62|2.3
q4_K|1|0.90|0.95|1.6
q6_K|512|0.41|0.56|4.8
q6_K|1|0.90|0.95|1.6
iq4_nl|1|0.90|0.95|1.6
mxfp4|1|0.90|0.95|1.6
nf4|1|0.90|0.95|
T
awk -F'[,|]' '
    FILENAME ~ /rows$/ { # run kernel type isa tokens out in threads ns spread gops gbps fraction bound error
        own = $4 !~ /^(ggml|openblas|gslcblas)/
        key = $1 "," $3 "," $5
        if (own) { gops[key] = $11; gbps[key] = $12; part[key] = $13; isa[key] = $4; spread[key] = $10 }
        else if ($4 ~ /^ggml/) { if ($11 > ggml[key]) { ggml[key] = $11; way[key] = $4 } }
        else if ($11 > blas[key]) { blas[key] = $11; core[key] = $4 }
        next
    }
    function verdict(x, must, best) { bad += x < must; return x < must ? "MISS" : best != "" && x >= best ? "excellent" : "must" }
    function row(what, value, x, must, best, note) {
        printf "%-34s %10s %7.3f  must %5s  best %5s  %-9s %s\n", what, value, x, must, best, verdict(x, must, best), note
    }
    {
        key = "one," $1 "," $2
        if (!(key in gops)) { printf "%-34s no kernel\n", $1 " tokens " $2; next }
        speed = $2 == 1 ? sprintf("%.1f GB/s", gbps[key]) : sprintf("%.0f GOP/s", gops[key])
        row($1 " tokens " $2 ", of the roof", speed, part[key], $3, $4, sprintf("%s, +-%.1f%%", isa[key], 100 * spread[key]))
        if ($5 != "" && ggml[key] > 0)
            row($1 " tokens " $2 ", ggml times", sprintf("%.0f GOP/s", ggml[key]), gops[key] / ggml[key], $5, "", way[key])
    }
    END {
        best = blas["one,f32,512"]; who = core["one,f32,512"]
        if (blas["blas,f32,512"] > best) { best = blas["blas,f32,512"]; who = core["blas,f32,512"] }
        if (best > 0) row("f32 tokens 512, best BLAS times", sprintf("%.0f GOP/s", best), gops["one,f32,512"] / best, 0.95, 1, who)
        n = split("iq4_nl mxfp4 nf4", code, " ")
        for (i = 1; i <= n; i++) for (t = 64; t <= 512; t *= 8) {
            key = "one," code[i] "," t
            if (key in gops)
                row(code[i] " tokens " t ", q4_0 times", sprintf("%.0f GOP/s", gops[key]), gops[key] / gops["one,q4_0," t], 0.95, "",
                    ggml[key] > 0 ? sprintf("%.2f times %s", gops[key] / ggml[key], way[key]) : "")
        }
        n = split("f32 bf16 int8 q8_0 q4_0 q4_K q6_K iq4_nl mxfp4 nf4", type, " ")
        for (i = 1; i <= n; i++) {
            key = "two," type[i]
            if (!((key ",1") in gops)) continue
            row(type[i] " tokens 512, 2 threads / 1", sprintf("%.0f GOP/s", gops[key ",512"]), gops[key ",512"] / gops["one," type[i] ",512"], 1.9, 1.95, "")
            row(type[i] " tokens 1, 2 threads, roof", sprintf("%.1f GB/s", gbps[key ",1"]), part[key ",1"], 0.92, 0.96,
                ggml[key ",1"] > 0 ? sprintf("%.2f times %s", gops[key ",1"] / ggml[key ",1"], way[key ",1"]) : "")
        }
        for (i = 1; i <= n; i++) if (("scalar," type[i] ",8") in gops)
            row(type[i] " tokens 8, portable, GOP/s", "", gops["scalar," type[i] ",8"], 2, "", isa["scalar," type[i] ",8"])
        printf "%d targets missed\n", bad
    }' "$work/rows" "$work/targets"
