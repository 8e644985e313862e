#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# sparse.sh - sparse GGUF files with the tensors of real models (BB_SHARED): every name and shape is the graph's, and the
# KV cache of contexts that llama.cpp made is exact.
set -u
cd "$(dirname "$0")/../.." || exit 1
bin=${BB_BIN:-build/bitbudget} shared=${BB_SHARED:-../shared}
maker=$shared/oracle/make_sparse_gguf.py truth=$shared/truth/llama_buffers.csv
skip() { echo '1..0 # skip '"$1"; exit 0; }
[ -r "$maker" ] && [ -r "$truth" ] || skip 'oracle/make_sparse_gguf.py or truth/llama_buffers.csv is not there (BB_SHARED)'
command -v python3 >/dev/null || skip 'no python3'
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
python3 "$maker" llama-3.1-70b F16 "$T/m.gguf" >/dev/null 2>&1 || skip 'this file system holds no large sparse files'
mapfile -t models < <(python3 "$maker" --list | cut -d' ' -f1)
echo "1..$((${#models[@]} + 1))"
n=0 failed=0
ok() { # status, name
    n=$((n + 1))
    if [ "$1" = 0 ]; then echo "ok $n - $2"; else
        echo "not ok $n - $2"
        sed 's/^/# /' "$T/out" | head -12
        failed=1
    fi
}
# parameters: all elements of the file but rope_freqs, which the maker counts too
for m in "${models[@]}"; do
    python3 "$maker" "$m" F16 "$T/$m.gguf" >"$T/made" || exit 1
    "$bin" inspect "$T/$m.gguf" --json -q >"$T/out" 2>&1 && python3 - "$T/made" "$T/out" <<'PY'
import json, sys
made, seen = (json.load(open(f)) for f in sys.argv[1:3])
freqs = sum(r["elements"] for r in seen["rows"] if r["tensor"] == "rope_freqs.weight")
assert made["params"] == seen["parameters"] + freqs, (made["params"], seen["parameters"])
assert made["n_tensors"] == seen["tensor_count"] and made["tensor_bytes"] == seen["tensor_bytes"]
assert seen["differences"] == [], seen["differences"]
PY
    ok $? "$m: names, shapes, parameters"
done
# one call a context; of each model and setting the KV bytes of the host
python3 - "$bin" "$T" "$truth" >"$T/out" 2>&1 <<'PY'
import csv, subprocess, sys
bin, folder, truth = sys.argv[1:4]
keys = ("model", "n_ctx", "n_ubatch", "n_seq", "kv_unified", "fa", "k_type", "v_type")
rows = {tuple(r[k] for k in keys): r for r in csv.DictReader(open(truth)) if r["ndev"] == "0" and r["swa_full"] == "0"}
wrong = 0
for key, r in rows.items():
    cmd = [bin, "plan", f"{folder}/{r['model']}.gguf", "--gpu", "none", "--csv", "-c", r["n_ctx"], "-b", r["n_batch"],
           "-ub", r["n_ubatch"], "-np", r["n_seq"], "--kv", r["k_type"] + "," + r["v_type"],
           "--flash-attn", "on" if r["fa"] == "1" else "off"] + (["--kv-unified"] if r["kv_unified"] == "1" else [])
    p = subprocess.run(cmd, capture_output=True, text=True)
    kv = [int(x["bytes"]) for x in csv.DictReader(p.stdout.splitlines()) if x["component"] == "kv_cache"]
    if kv != [int(r["host_kv_B"])]:
        wrong += 1
        print(key, kv, r["host_kv_B"], p.stderr.strip())
print(len(rows), "contexts,", wrong, "wrong")
sys.exit(wrong != 0 or len(rows) < 200)
PY
ok $? "KV cache: $(tail -n 1 "$T/out")"
exit $failed
