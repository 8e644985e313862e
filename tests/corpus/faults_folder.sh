#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# faults_folder.sh - an output folder is absent, old or complete whatever happens: killed, out of memory and of space,
# short reads, input = output. BB_SLOW=1 tries more moments.
bin=$(readlink -f "${BB_BIN:-build/bitbudget}") shared=${BB_SHARED:-../shared}
hf=$shared/models/demo/hf shim=$shared/malformed/shim.c
skip() { echo "1..0 # SKIP $1"; exit 0; }
[ -r "$hf/config.json" ] && [ -r "$shim" ] || skip 'models/demo/hf or malformed/shim.c is not there (BB_SHARED)'
[ -z "${BB_SANITIZED:-}" ] || skip 'the shim that makes calls fail and a sanitizer exclude each other'
command -v gcc >/dev/null || skip 'no gcc for the shim'
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
gcc -O1 -shared -fPIC -o "$dir/shim.so" "$shim" -ldl -lm 2>"$dir/log" || skip "$(tail -n 1 "$dir/log")"
ulimit -c 0
kills=6 step=97
[ -z "${BB_SLOW:-}" ] || { kills=40 step=17; }
mkdir "$dir/in" && cp "$hf"/* "$dir/in/" && cp -r "$dir/in" "$dir/before" && cp -r "$dir/in" "$dir/old" || exit 1
quantize() { exec "$bin" quantize "$dir/in" -o "${1:-$dir/d/out}" --type nf4 --double-quant --force; }
work() { (quantize "$@") >"$dir/stdout" 2>"$dir/stderr"; }
work "$dir/gold" || { cat "$dir/stderr"; exit 1; }
export -f quantize
export bin dir
bad=''
fresh() { rm -rf "$dir/d" && mkdir "$dir/d" && { [ "$1" = 0 ] || cp -r "$dir/old" "$dir/d/out"; }; }
# name, exit status, whether an old folder was there, and "litter" where it is allowed
judge() {
    local why=''
    if [ ! -e "$dir/d/out" ]; then
        [ "$3" = 0 ] || why='the old folder is gone'
        [ "$2" != 0 ] || why='nothing was written, exit status 0'
    elif diff -rq "$dir/gold" "$dir/d/out" >/dev/null; then :
    elif [ "$3" = 0 ] || ! diff -rq "$dir/old" "$dir/d/out" >/dev/null; then why='the folder is neither old nor complete'
    elif [ "$2" = 0 ]; then why='it is the old folder, exit status 0'
    fi
    [ "${4:-}" = litter ] || [ -z "$(find "$dir/d" -mindepth 1 -maxdepth 1 ! -name out)" ] || why='something is left'
    diff -rq "$dir/before" "$dir/in" >/dev/null || why='the input was changed'
    [ "$2" -lt 128 ] || [ "${4:-}" = litter ] || [ "$2" = 143 ] || why='killed by a signal of its own'
    [ "$2" = 0 ] || [ "$2" -ge 128 ] || [ -s "$dir/stderr" ] || why='no message'
    [ -z "$why" ] || bad="$bad$1: $why ($2)"$'\n'
}
n=0 failed=0
told() {
    n=$((n + 1))
    if [ -z "$bad" ]; then echo "ok $n - $1"; else
        echo "not ok $n - $1"
        printf '%s' "$bad" | sed 's/^/# /'
        failed=1
    fi
    bad=''
}
# milliseconds that a whole run takes
begun=$(date +%s%N); work "$dir/gold"; whole=$((($(date +%s%N) - begun) / 1000000 + 1))
for signal in KILL TERM; do
    for ((i = 0; i < kills; i++)); do
        fresh $((i % 2))
        # not by kill: a child of bash that a signal meets before it is the program runs the trap above
        { timeout --preserve-status -s $signal "$(printf '0.%03d' $((whole * i / kills % 999 + 1)))" bash -c quantize \
            >"$dir/stdout" 2>"$dir/stderr"; } 2>/dev/null
        status=$?
        [ $signal = TERM ] && litter='' || litter=litter
        judge "$signal $i" $status $((i % 2)) $litter
    done
    told "killed by $signal"
done
FI_COUNT=$dir/count LD_PRELOAD=$dir/shim.so work "$dir/gold2"
all=$(sort -n "$dir/count" | tail -n 1)
for ((i = 1; i <= all; i += step)); do
    for more in 0 1; do
        fresh $more
        FI_MALLOC=$i FI_MALLOC_ALL=$more LD_PRELOAD=$dir/shim.so work
        status=$?
        judge "allocation $i, all later ones $more" $status $more
        [ $status = 0 ] || [ $status = 6 ] || bad="${bad}allocation $i: exit status $status"$'\n'
    done
done
told "out of memory at one of $all allocations"
for fault in FI_ENOSPC=0 FI_ENOSPC=5000 FI_ENOSPC=1000000 FI_EIO_R=100 FI_EIO_R=500000; do
    fresh 1
    env $fault LD_PRELOAD="$dir/shim.so" bash -c quantize >"$dir/stdout" 2>"$dir/stderr"
    judge $fault $? 1
    diff -rq "$dir/old" "$dir/d/out" >/dev/null || bad="$bad$fault: no fault"$'\n'
done
fresh 1
(ulimit -f 500; work; echo $? >"$dir/status")
judge 'a limit of file sizes' "$(cat "$dir/status")" 1
told 'errors of reading and writing'
for fault in 'FI_SHORT=1 FI_MAX=4096' FI_EINTR=20 FI_FTZ=1 FI_ROUND=up LC_ALL=de_DE.UTF-8; do
    fresh 0
    # shellcheck disable=SC2086 # several variables
    env $fault LD_PRELOAD="$dir/shim.so" bash -c quantize >"$dir/stdout" 2>"$dir/stderr"
    judge "$fault" $? 0
done
told 'short and interrupted calls, another rounding'
ln -s in "$dir/link"
for same in "$dir/in" "$dir/./in/" "$dir/link" "$dir"; do
    fresh 0
    work "$same" && bad="$bad$same: replaced"$'\n'
    judge "$same" 2 0
done
told 'a folder that holds the input is not replaced'
echo "1..$n"
exit $failed
