#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# arrows.sh - a room includes only rooms that stand to its left; third-party headers stay in their one place.

# room|rooms that it may include besides itself; transitive by hand, so that the table can be read
table='base|
format|base
file|base format
model|base format file
graph|base format file model
plan|base format file model graph
quant|base format
kernel|base format quant
measure|base format
infer|base format file model graph quant kernel measure
study|base format file model graph plan quant kernel measure infer
report|base format file model graph plan quant kernel measure infer study
cli|base format file model graph plan quant kernel measure infer study report
tui|base format file model graph plan quant kernel measure infer study report'

echo 1..4
bad=$(printf '%s\n' "$table" | while IFS='|' read -r room allowed; do
    grep -Hno '^#include "[a-z]*/' "src/$room"/*.[ch] 2>/dev/null | while IFS= read -r hit; do
        to=${hit##*\"} to=${to%/}
        # The one door between the two faces: main starts the screens.
        case "$hit" in src/cli/main.c:*) [ "$to" = tui ] && continue ;; esac
        case " $room $allowed " in *" $to "*) ;; *) echo "${hit%:*}: $room must not include $to" ;; esac
    done
done)
if [ -z "$bad" ]; then echo 'ok 1 - arrows between rooms'; else echo 'not ok 1 - arrows between rooms'; echo "$bad" | sed 's/^/# /'; fi

bad=$(for room in src/*/; do
    room=${room#src/} room=${room%/}
    printf '%s\n' "$table" | grep -q "^$room|" || echo "src/$room is not in the table of rooms"
done)
if [ -z "$bad" ]; then echo 'ok 2 - every room is known'; else echo 'not ok 2 - every room is known'; echo "$bad" | sed 's/^/# /'; fi

bad=$(
    grep -n '^#include <csv.h>' src/*/*.[ch] | grep -v '^src/base/csv\.c:'
    grep -n '^#include <jansson.h>' src/*/*.[ch] | grep -v '^src/base/json\.c:'
    grep -nE '^#include <(n?curses|term)(w/[a-z]+)?\.h>' src/*/*.[ch] | grep -v '^src/tui/'
    grep -n '^#include <gsl/' src/*/*.[ch] | grep -vE '^src/(measure|calib|study)/'
)
if [ -z "$bad" ]; then echo 'ok 3 - third-party headers in their rooms'; else echo 'not ok 3 - third-party headers in their rooms'; echo "$bad" | sed 's/^/# /'; fi

# The table would be worthless if the pattern above matched nothing.
if [ "$(grep -ho '^#include "[a-z]*/' src/*/*.[ch] | wc -l)" -gt 20 ]; then echo 'ok 4 - includes were seen'
else echo 'not ok 4 - includes were seen'; fi
