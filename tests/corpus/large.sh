#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# large.sh - large headers (make_large.py) are read whole, within 128 MiB of address space.
bin=${BB_BIN:-build/bitbudget}
echo 1..4
command -v python3 >/dev/null || { for i in 1 2 3 4; do echo "ok $i # skip no python3"; done; exit 0; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0 failed=0
# [ -n "$BB_SANITIZED" ]: a sanitizer's shadow takes more than any limit
run() { ([ -n "${BB_SANITIZED:-}" ] || ulimit -v 131072; "$bin" "$@"); }

# kind, file to open, what the answer must hold, how it is asked for
check() {
    n=$((n + 1))
    if ! python3 tests/corpus/make_large.py "$1" "$dir/$2" 2>"$dir/err"; then
        echo "ok $n # skip $1 cannot be made: $(tail -n 1 "$dir/err")" # a file system without large sparse files
        return
    fi
    file=$dir/$3 want=$4
    shift 4
    if run inspect "$file" "$@" >"$dir/out" 2>"$dir/err" && grep -qF "$want" "$dir/out"; then
        echo "ok $n - $want"
    else
        echo "not ok $n - $want"
        head -n 5 "$dir/out" "$dir/err" | sed 's/^/# /'
        failed=1
    fi
}
check keys keys.gguf keys.gguf 'key.199999.with.some.length'
check deepseek v3.gguf v3.gguf '671026419200 parameters'
check split v3s v3s-00001-of-00004.gguf '671026419200 parameters'
check pickles i.index.json i.index.json 'model.layers.60.mlp.experts.255.up_proj.weight_scale_inv,,,,,' --csv
exit $failed
