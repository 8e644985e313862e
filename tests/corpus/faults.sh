#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# faults.sh - quantize under the shared driver of faults (BB_SHARED): killed, out of space, of memory, of descriptors,
# with its input changed below it. BB_SLOW=1 runs every group, else only the quickest.
bin=$(readlink -f "${BB_BIN:-build/bitbudget}") shared=${BB_SHARED:-../shared}
driver=$shared/malformed/faults.sh maker=$shared/oracle/make_gguf.c
skip() { echo "1..0 # SKIP $1"; exit 0; }
[ -r "$driver" ] && [ -r "$maker" ] || skip "malformed/faults.sh or oracle/make_gguf.c is not there (BB_SHARED)"
[ -z "${BB_SANITIZED:-}" ] || skip 'the shim that makes calls fail and a sanitizer exclude each other'
command -v gcc >/dev/null || skip 'no gcc for the shim'
[ -n "${BB_SLOW:-}" ] || [ ! -w /dev/shm ] || export TMPDIR=/dev/shm # without the waits of a disk
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
gcc -O2 -o "$dir/make" "$maker" -lm 2>"$dir/log" || skip "$(tail -n 1 "$dir/log")"
n=0 failed=0
# what it is, options of the driver, the command behind "quantize {in} -o {out}"
run() {
    n=$((n + 1))
    local what=$1 options=$2 command=$3
    # shellcheck disable=SC2086 # several options
    if TMPDIR=$dir bash "$driver" $options "$dir/in.gguf" "$(printf %q "$bin") quantize {in} -o {out} $command" >"$dir/log" 2>&1; then
        echo "ok $n - $what: $(tail -n 1 "$dir/log")"
    else
        echo "not ok $n - $what"
        sed 's/^/# /' "$dir/log"
        failed=1
    fi
}
if [ -z "${BB_SLOW:-}" ]; then
    "$dir/make" "$dir/in.gguf" 512 512 1 8 4 1024 f16
    run 'killed, out of memory, output = input' '-n 3 -m 397 -t kill,term,same,malloc' '--type q4_K_M --force'
else
    "$dir/make" "$dir/in.gguf" 2048 1024 1 8 4 2816 f16
    run 'every group' '-n 4 -m 397' '--type q4_K_M --threads 1 --force'
    run 'threads, the scale search' '-n 2 -t term,env,short' '--type q4_0 --search best --force'
    run 'nothing to replace' '-n 2 -t dir,same,stdio' '--type f16'
fi
echo "1..$n"
exit $failed
