#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# plan.sh - ten tasks on the Plan screen in a real terminal, each from the start and with a budget of keys: every letter
# that is typed counts as one. The answers are those of the command line.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/term/tmux.inc
pressed=0
start() { # columns rows: the program as it starts for a new user
    new_home
    pressed=0
    tm -u new-session -d -x "$1" -y "$2" "env -i PATH=$PATH HOME=$home TERM=screen LC_ALL=C.UTF-8 $bin tui plan"
    wait_for 'smallest GPU'
}
press() { # names of keys, and words to type
    local key
    for key; do
        case $key in
        Enter | Tab | BTab | Escape | Left | Right | Up | Down | C-u) pressed=$((pressed + 1)) ;;
        *) pressed=$((pressed + ${#key})) ;;
        esac
        tm send-keys -- "$key"
    done
}
within() { # budget, status, name
    ok "$(($2 != 0 || pressed > $1))" "$3 ($pressed keys of $1)"
}
first() { "$bin" "$@" --csv 2>/dev/null | sed -n 2p; } # the first row of a table
field() { # of the screen: what stands behind a label
    screen | grep -oE "$1 +[^ ]+( [^ ]+)*" | head -n 1 | sed -E "s/^$1 +//; s/  .*//"
}
gpu4090=(--gpu 'RTX 4090')
echo 1..16

start 80 24
answer=$(first fit qwen3-32b --weights q4_K_M --gpu 'RTX 3090x2' | cut -d, -f2)
press Enter 3-32 Enter p 309 Right Enter
wait_for 'GPUs 2' && wait_for "longest context   $answer tokens"
within 12 $? "1: the longest context of qwen3-32b, q4_K_M, on two RTX 3090 is $answer tokens"

start 80 24
press Enter 3.1-70b Enter
wait_for 'DOES NOT FIT' && wait_for 'TO MAKE IT FIT'
within 9 $? '2: llama-3.1-70b does not fit an RTX 4090, and ways out are shown'
press G 1
wait_for ' FITS '
within 11 $? '2: the first way, taken by its number, fits'

start 80 24
press p h100 Enter
wait_for 'H100' && wait_for 'most sequences'
answer=$(field 'most sequences' | cut -d' ' -f1)
gpu=$(field GPU | sed 's/  .*//')
"$bin" plan llama-3.1-8b --weights q4_K_M --gpu "$gpu" --parallel "$answer" --ctx $((answer * 8192)) --check >/dev/null 2>&1 &&
    ! "$bin" plan llama-3.1-8b --weights q4_K_M --gpu "$gpu" --parallel $((answer + 1)) --ctx $(((answer + 1) * 8192)) --check >/dev/null 2>&1
within 6 $? "3: an $gpu holds $answer sequences of 8192 tokens, and not one more"

start 80 24
press Tab Tab Tab Enter q8 Enter
wait_for 'Weights  q8_0' && wait_for 'smallest GPU'
gpu=$(field 'smallest GPU')
"$bin" plan llama-3.1-8b --weights q8_0 --gpu "$gpu" --check >/dev/null 2>&1
within 7 $? "4: the card of the least memory for q8_0 is $gpu"

start 80 24
answer=$(first fit llama-3.1-8b --weights q4_K_M --gpu T4 | cut -d, -f2)
press p t4 Enter Tab Tab Tab Tab s
wait_for "Context   $answer" && wait_for 'is the longest context that fits'
within 9 $? "5: s puts the longest context of a T4, $answer, into its field"
press w
wait_for 'written: '
"$bin" plan llama-3.1-8b --weights q4_K_M --gpu T4 --ctx "$answer" --csv | cmp -s - "$home/.local/share/bitbudget/reports/plan-001.csv"
within 10 $? '5: w writes the CSV that the command writes'

start 80 24
press p
wait_for 'The same plan on every card' && screen | grep -q 'RTX 5090 .*FITS .*left'
within 1 $? '6: the same plan on every card'

start 80 24
press BTab Down f
wait_for 'formula and source' && wait_for 'kv_cache on gpu0' && wait_for 'source: '
within 3 $? '7: the formula of the KV cache and its source'

start 80 24
press c Tab Tab Tab Enter q8 Enter c
wait_for 'KEPT' && screen | grep -q 'weights  *q4_K_M  *\* q8_0'
within 9 $? '8: q4_K_M and q8_0 side by side'
press Escape u
wait_for 'Weights  q4_K_M'
within 11 $? '8: u takes the change back'

start 80 24
answer=$(first plan llama-3.1-8b --engine hf "${gpu4090[@]}" | cut -d, -f3)
press Tab Tab Enter hf Enter
wait_for 'Engine  hf' && press : && wait_for "bitbudget plan llama-3.1-8b --engine hf --gpu 'RTX 4090'"
within 7 $? '9: the plan of another engine, and the command that gives it'
press Escape w
wait_for 'written: ' && grep -q "^\"*weights\"*,\"*gpu0\"*,$answer," "$home/.local/share/bitbudget/reports/plan-001.csv"
within 9 $? '9: its CSV is that of the command'

start 120 40
press Tab Tab Tab s
wait_for 'are the widest weights that fit'
answer=$(field Weights)
"$bin" plan llama-3.1-8b --weights "$answer" "${gpu4090[@]}" --check >/dev/null 2>&1
within 4 $? "10: the widest weights that fit an RTX 4090 are $answer"
screen | grep -q "^│.*│ $answer .*FITS .*e-0[0-9]"
within 4 $? '10: the ladder has their bits, need, verdict and measured error'

start 120 40
press R p none Enter
wait_for 'No card is chosen' && press u && wait_for 'Reverse'
within 8 $? 'no card, no verdict; u brings the card back'
exit $failed
