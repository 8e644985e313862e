#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# symbols.sh - the shared library exports the functions of bitbudget.h and nothing else; the library never prints or exits.
build=${BB_BUILD:-build}
lib=$build/libbitbudget.so.0
echo 1..3
header=$(tr '\n' ' ' <src/bitbudget.h | sed 's,/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/,,g' | grep -o '\bbb_[a-z0-9_]*(' | tr -d '(' | grep -vx bb_write_fn | sort -u)
exported=$(nm -D --defined-only "$lib" | awk '$2 ~ /[TDBR]/ { print $3 }' | sort -u)
if [ -n "$exported" ] && [ "$header" = "$exported" ]; then echo 'ok 1 - exported symbols are those of the header'
else
    echo 'not ok 1 - exported symbols are those of the header'
    printf '%s\n' "$header" >"$build/header.sym"
    printf '%s\n' "$exported" | diff "$build/header.sym" - | sed 's/^/# /'
fi

used=$(nm --undefined-only "$build/libbitbudget.a" 2>/dev/null | awk '$1 == "U" { print $2 }' | sort -u |
    grep -xE 'printf|puts|putchar|vprintf|exit|_exit|abort|getenv|secure_getenv|system|__printf_chk|__assert_fail|socket|connect')
if [ -z "$used" ]; then echo 'ok 2 - the library does not print, exit, read the environment or open sockets'
else echo 'not ok 2 - the library does not print, exit, read the environment or open sockets'; printf '%s\n' "$used" | sed 's/^/# /'; fi

# Writable globals: only the emergency list of sink.c may exist. Tables of pointers lie in .data.rel.ro, which is read-only
# once the program runs.
globals=$(nm -f sysv "$build/libbitbudget.a" 2>/dev/null | awk -F'|' '
    /:$/ { o = $0; sub(/.*\//, "", o); sub(/^.*\[/, "", o) }
    $NF ~ /^ *\.(data|bss|tdata|tbss) *$/ || $NF ~ /^ *\.(data|bss)\.[a-z_]+(\.[0-9]+)? *$/ && $NF !~ /rel\.ro/ { print o, $1 }' |
    grep -v 'sink\.o' || true)
if [ -n "${BB_SANITIZED:-}" ]; then echo 'ok 3 - no writable globals # SKIP sanitizers add their own'
elif [ -z "$globals" ]; then echo 'ok 3 - no writable globals'
else echo 'not ok 3 - no writable globals'; printf '%s\n' "$globals" | sed 's/^/# /'; fi
