#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# tui.sh - keys in, screen out: tests/golden/tui/VIEW/CASE/{size,keys,screen}. size is "COLUMNS ROWS [ASCII]"; keys are tmux's
# names or words to type, one a line. `tui.sh --update [PATTERN]` writes today's screens into the cases.
set -u
cd "$(dirname "$0")/../.." || exit 1
bin=${BB_BIN:-build/bitbudget}
case $bin in /*) ;; *) bin=$PWD/$bin ;; esac
if ! command -v tmux >/dev/null 2>&1; then echo '1..0 # SKIP tmux is not installed'; exit 0; fi
update=
[ "${1:-}" = --update ] && update=1 && shift
mapfile -t cases < <(printf '%s\n' tests/golden/tui/*/*/keys | grep -e "${1:-keys}")
[ -n "$update" ] || echo "1..${#cases[@]}"
top=$(mktemp -d) || exit 1
socket=bb-golden-$$ # and a number: a server that ends must not meet the next one
tm() { tmux -L "$socket-${server:-0}" -f /dev/null "$@"; }
trap 'tm kill-server 2>/dev/null; sleep 0.2; rm -rf "$top"' EXIT
screen() { tm capture-pane -p 2>/dev/null; }
# the screen once it has stood still for three looks and nothing runs
settled() {
    local last='' now same=0 i
    for ((i = 0; i < 200; i++)); do
        now=$(screen)
        if [ "$now" = "$last" ] && [ -n "$now" ] && [[ $now != *'Esc cancels'* ]]; then same=$((same + 1)); else same=0; fi
        [ $same -ge 3 ] && break
        last=$now
        sleep 0.05
    done
    printf '%s\n' "$now"
}
n=0 failed=0
for keys in "${cases[@]}"; do
    n=$((n + 1))
    dir=${keys%/keys}
    view=${dir#tests/golden/tui/} view=${view%%/*}
    read -r cols rows ascii <"$dir/size"
    home=$top/$n # of its own: the program of the case before may still write what it remembers
    # where nothing is remembered the screens start with the cards of this machine
    mkdir -p "$home/.local/state/bitbudget" && echo "gpu RTX 4090" >"$home/.local/state/bitbudget/state"
    locale=C.UTF-8
    [ -n "$ascii" ] && locale=C
    isa=auto
    [ "$view" = kernels ] && isa=scalar # it lists what the processor has
    tm kill-server 2>/dev/null
    server=$n
    tm -u new-session -d -c "$home" -x "$cols" -y "$rows" "env -i PATH=$PATH HOME=$home TERM=screen LC_ALL=$locale BITBUDGET_ISA=$isa $bin tui $view"
    settled >/dev/null
    while IFS= read -r key; do
        tm send-keys -- "$key"
        settled >/dev/null
    done <"$keys"
    settled >"$home/screen"
    if [ -n "$update" ]; then cp "$home/screen" "$dir/screen"; continue; fi
    if diff -u "$dir/screen" "$home/screen" >"$home/diff"; then echo "ok $n - ${dir#tests/golden/tui/}"; else
        echo "not ok $n - ${dir#tests/golden/tui/}"
        sed 's/^/# /' "$home/diff"
        failed=1
    fi
done
exit $failed
