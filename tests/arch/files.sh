#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# files.sh - unique names, licence and duty lines, nothing unexpected at the top level, forbidden flags.
echo 1..5
report() { # number, name, offenders
    if [ -z "$3" ]; then echo "ok $1 - $2"; else echo "not ok $1 - $2"; printf '%s\n' "$3" | sed 's/^/# /'; fi
}

report 1 'file names are unique in src/' "$(find src -name '*.[ch]' -exec basename {} \; | sort | uniq -d)"

report 2 'each source begins with its licence and its duty' "$(
    find src tests -name '*.[ch]' | while IFS= read -r f; do
        name=${f##*/}
        { sed -n 1p "$f" | grep -q '^/\* SPDX-License-Identifier: GPL-3.0-or-later \*/$' &&
            sed -n 2p "$f" | grep -q "^/\* $name - "; } || echo "$f"
    done)"

report 3 'the top level holds what it should' "$(
    git ls-files 2>/dev/null | sed 's,/.*,,' | sort -u |
        grep -vxE 'Makefile|README\.md|LICENSE|src|data|tests|man|\.ci|\.clang-format|\.clang-tidy|\.editorconfig|\.gitignore')"

report 4 'no flag that changes arithmetic or ties the program to one machine' "$(
    grep -nE -e '-ffast-math|-Ofast|-march=native' Makefile .ci/* | grep -v -e '-fno-fast-math')"

report 5 'files stay readable (700 lines)' "$(
    find src tests -name '*.[ch]' | while IFS= read -r f; do
        [ "$(wc -l <"$f")" -le 700 ] || echo "$f: $(wc -l <"$f") lines"
    done)"
