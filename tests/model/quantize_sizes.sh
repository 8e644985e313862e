#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# quantize_sizes.sh - the sizes that `quantize --dry-run` tells of sparse models (BB_SHARED) are llama-quantize's.
set -u
cd "$(dirname "$0")/../.." || exit 1
bin=${BB_BIN:-build/bitbudget} shared=${BB_SHARED:-../shared}
maker=$shared/oracle/make_sparse_gguf.py truth=$shared/truth/quant_sizes.csv
skip() { echo '1..0 # skip '"$1"; exit 0; }
[ -r "$maker" ] && [ -r "$truth" ] || skip 'oracle/make_sparse_gguf.py or truth/quant_sizes.csv is not there (BB_SHARED)'
command -v python3 >/dev/null || skip 'no python3'
T=$(mktemp -d) || exit 1
trap 'rm -rf "$T"' EXIT
python3 "$maker" llama-3.1-70b F16 "$T/m.gguf" >/dev/null 2>&1 || skip 'this file system holds no large sparse files'
rm -f "$T/m.gguf"
echo 1..1
if python3 - "$bin" "$T" "$truth" "$maker" >"$T/out" 2>&1 <<'PY'
import csv, json, os, subprocess, sys
bin, folder, truth, maker = sys.argv[1:5]
right = wrong = 0
few = os.environ.get("BB_SANITIZED") # a slower program: two models
for r in csv.DictReader(open(truth)):
    if few and r["model"] not in ("llama-3.2-1b", "mixtral-8x7b"):
        continue
    model = f"{folder}/{r['model']}.gguf"
    if not os.path.exists(model):
        subprocess.run([sys.executable, maker, r["model"], "F16", model], check=True, capture_output=True)
    p = subprocess.run([bin, "quantize", model, "--type", r["ftype"], "--dry-run", "--json", "-q"], capture_output=True, text=True)
    got = json.loads(p.stdout) if p.returncode == 0 else {}
    types = {t.upper(): n for t, n in got.get("types", {}).items()}
    want = {t.upper(): int(n) for t, n in (x.split(":") for x in r["type_counts"].split())}
    if got.get("tensor_bytes") == int(r["exact_tensor_bytes"]) and types == want:
        right += 1
    else:
        wrong += 1
        print(r["model"], r["ftype"], got.get("tensor_bytes"), r["exact_tensor_bytes"], types, want, p.stderr.strip())
print(right, "sizes and types right,", wrong, "wrong")
sys.exit(wrong != 0 or right < (60 if few else 300))
PY
then echo "ok 1 - $(tail -n 1 "$T/out")"; else echo "not ok 1 - $(tail -n 1 "$T/out")"; head -n 12 "$T/out" | sed 's/^/# /'; exit 1; fi
