#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# lint.sh - mandoc finds nothing to say about the manual pages, and each public call and command is in them.
bin=${BB_BIN:-build/bitbudget}
echo 1..4
if ! command -v mandoc >/dev/null 2>&1; then for i in 1; do echo "ok $i - mandoc # SKIP mandoc is not installed"; done
else
    out=$(mandoc -T lint -W warning man/*.[1-9] 2>&1)
    if [ -z "$out" ]; then echo 'ok 1 - mandoc is silent'; else echo 'not ok 1 - mandoc is silent'; echo "$out" | sed 's/^/# /'; fi
fi
bad=$(sed -n 's/^        \(bb_[a-z0-9_]*\);$/\1/p' src/bitbudget.map | while IFS= read -r f; do grep -q "$f" man/libbitbudget.3 || echo "$f"; done)
if [ -z "$bad" ]; then echo 'ok 2 - libbitbudget(3) has every call'; else echo 'not ok 2 - libbitbudget(3) has every call'; echo "$bad" | sed 's/^/# /'; fi
bad=$("$bin" --help | sed -n 's/^  \([a-z]\{2,\}\) .*/\1/p' | while IFS= read -r c; do grep -qE "^\.(It Ic|Ss|It Nm bitbudget Cm) $c( |$)" man/bitbudget.1 || echo "$c"; done)
if [ -z "$bad" ]; then echo 'ok 3 - bitbudget(1) has every command'; else echo 'not ok 3 - bitbudget(1) has every command'; echo "$bad" | sed 's/^/# /'; fi
bad=$("$bin" --help | sed -n 's/^  \([a-z]\{2,\}\) .*/\1/p' | while IFS= read -r c; do
    "$bin" "$c" --help | grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' | grep -oE -- '--[a-z-]+' | while IFS= read -r o; do
        o=$(printf '%s' "${o#--}" | sed 's/-/\\\\-/g'); grep -q -- "Fl \\\\*-*$o\|Fl \\\\-$o\|\\\\-\\\\-$o" man/bitbudget.1 || echo "$c --$o"; done; done | sort -u)
if [ -z "$bad" ]; then echo 'ok 4 - bitbudget(1) has every option'; else echo 'not ok 4 - bitbudget(1) has every option'; echo "$bad" | sed 's/^/# /'; fi
