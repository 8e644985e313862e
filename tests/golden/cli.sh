#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# cli.sh - command lines and what they must answer: tests/golden/cli/COMMAND/CASE/{cmd,stdout,stderr,exit}.
# cmd is a shell line; $BB is the program, $T an empty folder. What varies from run to run is cut out in cmd itself.
# `cli.sh --update [PATTERN]` writes today's answers into the cases.
set -u
cd "$(dirname "$0")/../.." || exit 1
BB=${BB_BIN:-build/bitbudget}
case $BB in /*) ;; *) BB=$PWD/$BB ;; esac
export BB LC_ALL=C.UTF-8 NO_COLOR=1 TZ=UTC TERM=xterm HOME=/nonexistent OLLAMA_MODELS=/nonexistent
unset HF_HOME HF_HUB_CACHE XDG_CACHE_HOME XDG_DATA_HOME
update=
[ "${1:-}" = --update ] && update=1 && shift
mapfile -t cases < <(printf '%s\n' tests/golden/cli/*/*/cmd | grep -e "${1:-cmd}")
[ -n "$update" ] || echo "1..${#cases[@]}"
n=0 failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
for cmd in "${cases[@]}"; do
    n=$((n + 1))
    dir=${cmd%/cmd}
    export T=$work/t
    rm -rf "$T" && mkdir "$T"
    timeout 60 bash "$cmd" >"$work/stdout" 2>"$work/stderr" </dev/null
    echo $? >"$work/exit"
    sed -i "s#$T#\$T#g" "$work/stdout" "$work/stderr"
    if [ -n "$update" ]; then
        cp "$work/stdout" "$work/stderr" "$work/exit" "$dir/"
        continue
    fi
    if diff -u "$dir/stdout" "$work/stdout" >"$work/diff" 2>&1 && diff -u "$dir/stderr" "$work/stderr" >>"$work/diff" 2>&1 &&
        diff -u "$dir/exit" "$work/exit" >>"$work/diff" 2>&1; then
        echo "ok $n - ${dir#tests/golden/cli/}"
    else
        echo "not ok $n - ${dir#tests/golden/cli/}"
        sed 's/^/# /' "$work/diff" | head -40
        failed=1
    fi
done
exit $failed
