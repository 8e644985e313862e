#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# quantize_file.sh - a whole F16 file to Q4_K_M beside llama_model_quantize: wall and CPU time, memory, one and two
# threads. BENCH_LAYERS sets the size: 1 = 1.0 GB (default), 8 = 4.0 GB.
set -u
build=${BB_BUILD:-build} bin=${BB_BIN:-build/bitbudget} shared=${BB_SHARED:-../shared}
export GGML_DIR="${GGML_DIR:-$PWD/$build/peer/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64}"
[ -e "$GGML_DIR/libggml-base.so" ] && [ -r "$shared/oracle/llama_load.c" ] && command -v python3 >/dev/null ||
    { echo 'quantize_file: no peer, no oracle or no python3: skipped'; exit 0; }
for p in llama_load make_gguf; do
    [ -x "$build/peer/$p" ] || gcc -O2 -w -o "$build/peer/$p" "$shared/oracle/$p.c" -ldl -lm || exit 0
done
work=$(mktemp -d "${TMPDIR:-/tmp}/bb-bench.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
input=${BENCH_INPUT:-$work/in.gguf}
[ -e "$input" ] || "$build/peer/make_gguf" "$input" 32000 4096 "${BENCH_LAYERS:-1}" 32 8 14336 f16 || exit 1
cat "$input" >/dev/null # both find it in the page cache
python3 - "$bin" "$build/peer/llama_load" "$input" "$work" "${BENCH_ROUNDS:-3}" <<'PY'
import os, resource, statistics, subprocess, sys, time
bin, peer, source, work, rounds = sys.argv[1:6]
ours = lambda n: [bin, "quantize", source, "-o", f"{work}/ours.gguf", "--force", "--type", "q4_K_M", "--threads", str(n), "-q"]
theirs = lambda n: [peer, "quant", source, f"{work}/theirs.gguf", "15", str(n)]
cases = {"bitbudget, 1 thread": ours(1), "bitbudget, 2 threads": ours(2), "llama_model_quantize, 1 thread": theirs(1),
         "llama_model_quantize, 2 threads": theirs(2)}
seen = {name: [] for name in cases}
for r in range(int(rounds)):
    for name, command in cases.items():
        if r and name.startswith("llama"):
            continue # minutes each: once
        began = time.monotonic()
        p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, use = os.wait4(p.pid, 0)
        assert status == 0, name
        seen[name].append((time.monotonic() - began, use.ru_utime + use.ru_stime, use.ru_maxrss / 1024))
print("case,wall_s,cpu_s,peak_rss_mib,mb_of_input_per_s")
mid = {}
for name, runs in seen.items():
    wall, cpu, rss = (statistics.median(x[i] for x in runs) for i in range(3))
    mid[name] = wall, cpu
    print(f"{name},{wall:.2f},{cpu:.2f},{rss:.0f},{os.path.getsize(source) / 1e6 / wall:.0f}")
a = list(mid.values())
print(f"ratio to the peer: wall {a[3][0] / a[1][0]:.1f} with 2 threads, {a[2][0] / a[0][0]:.1f} with 1; cpu {a[3][1] / a[1][1]:.1f}")
print(f"two threads against one: wall {a[0][0] / a[1][0]:.2f}")
same = open(f"{work}/ours.gguf", "rb").read() == open(f"{work}/theirs.gguf", "rb").read()
print("the files are", "equal" if same else "DIFFERENT")
PY
