#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# terminal.sh - the screens in a real terminal: what they show, two tasks with a budget of keys, and that the terminal is
# as it was after q, Ctrl-C, SIGTERM and a crash.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/term/tmux.inc
start() { # columns rows [arguments]: the program inside a shell that outlives it
    local cols=$1 rows=$2
    shift 2
    new_home
    tm new-session -d -x "$cols" -y "$rows" "env -i PATH=$PATH HOME=$home TERM=screen LC_ALL=C.UTF-8 PS1='ready> ' bash --norc --noprofile"
    wait_for 'ready>'
    # the script outlives a Ctrl-C that the whole foreground group gets
    printf '%s\n' 'trap : INT' "stty -a > $home/before" "sh -c 'echo \$\$ > $home/pid; exec $bin $*'" 'echo status=$?' "stty -a > $home/after" > "$home/run"
    tm send-keys "bash $home/run" Enter
}
keys() { tm send-keys "$@"; }
same_terminal() { # status expected
    wait_for "status=$1" && for _ in $(seq 40); do [ -s "$home/after" ] && break; sleep 0.05; done && cmp -s "$home/before" "$home/after"
}
child() { cat "$home/pid"; }
echo 1..32

start 80 24
wait_for '[2 Plan]' && wait_for 'llama-3.1-8b'; ok $? 'starts on the Plan screen with the embedded default'
screen | grep -q 'NEEDS .* to .* of 23.63 GiB .*FITS'; ok $? 'the verdict of the default at 80x24'
[ "$(screen | LC_ALL=C.UTF-8 wc -L)" -le 80 ]; ok $? 'no line passes 80 columns'
keys q; same_terminal 0; ok $? 'q leaves the terminal as it was'

start 120 40
wait_for 'Precision ladder' && wait_for 'The same on other GPUs'; ok $? 'two panes at 120x40'
keys '?'; wait_for 'THIS SCREEN'; ok $? '? shows the keys'
keys Escape; sleep 0.2; keys ':'; wait_for "bitbudget plan llama-3.1-8b --weights q4_K_M --gpu 'RTX 4090'"; ok $? ': shows the equal command'
keys Escape; sleep 0.2; keys w; wait_for 'written: '
eval "$bin plan llama-3.1-8b --weights q4_K_M --gpu 'RTX 4090' --csv" | cmp -s - "$home/.local/share/bitbudget/reports/plan-001.csv"; ok $? 'w writes the CSV that the command writes'
keys C-c; same_terminal 130; ok $? 'Ctrl-C leaves the terminal as it was'

# Task 1: does llama-3.1-70b fit at q4_K_M, and what would? At most 6 keys beside the typed name.
start 80 24
wait_for 'FITS'; keys Enter; wait_for 'Model'; keys '3.1-70b'; sleep 0.2; keys Enter
wait_for 'DOES NOT FIT' && wait_for 'TO MAKE IT FIT'; ok $? 'task 1: the answer is no, and ways out are shown (2 keys and the name)'
keys G; sleep 0.2; keys Enter; wait_for ' FITS'; ok $? 'task 1: the last way out, taken, fits (2 keys)'
keys u; wait_for 'DOES NOT FIT'; ok $? 'u undoes it'
keys C-z; wait_for 'Stopped'; tm resize-window -x 120 -y 40; sleep 0.2; keys fg Enter
wait_for 'Precision ladder'; ok $? 'a change of size while it was stopped is seen'
keys '?'; wait_for 'THIS SCREEN'; tm resize-window -x 70 -y 20; wait_for 'PgDn more'; ok $? 'a text that is open follows the size'
keys Escape; sleep 0.2
tm resize-window -x 50 -y 10; wait_for 'needs 60x17'; ok $? 'a window that is too small says so'
tm resize-window -x 80 -y 24; wait_for 'DOES NOT FIT'; kill -TERM "$(child)"; same_terminal 143; ok $? 'SIGTERM leaves the terminal as it was'
grep -q 'model llama-3.1-70b' "$home/.local/state/bitbudget/state"; ok $? 'what was looked at is remembered after a signal too'

# A field is open and the window gets too small: q is the key that it names.
start 80 24
wait_for 'FITS'; keys Tab Tab Tab Tab Enter; wait_for 'Enter take'; tm resize-window -x 50 -y 10
wait_for 'q quits' && keys x q; wait_for 'status=0'; ok $? 'too small, q quits with a field open too'

# Task 2: what is 1/3 in bf16, and its next value? At most 6 keys beside the digits.
start 80 24 tui bits
wait_for '[1 Bits]'; keys e; keys C-u; keys '1/3' Enter; wait_for '3EAB'; ok $? 'task 2: 1/3 in bf16 is 3EAB (3 keys and the digits)'
keys +; wait_for '3EAC'; ok $? 'task 2: the next one is 3EAC (1 key)'
kill -SEGV "$(child)"; same_terminal 139; ok $? 'a crash leaves the terminal as it was'

# Kernels: measured here, so only the form is looked at; a small matrix, so that it is quick.
start 120 40 tui kernels
wait_for '[4 Kernels]'; keys p; wait_for 'Find /'; keys 'demo ffn'; sleep 0.2; keys Enter; wait_for 'out 768'; ok $? 'p chooses the shape of a real matrix'
keys Enter; wait_for 'Kernels, by time  1 x 768 x 256, 1 thread'; ok $? 'Enter measures the kernels'
screen | grep -q 'int8 *GOP/s *[0-9]' && screen | grep -q 'memory *GB/s *[0-9]' && screen | grep -q 'gemm_f32.* [0-9].[0-9]e-0[0-9]'; ok $? 'the roof beside the table, and the error in it, at 120 columns'
screen | grep -q 'SPEED .*GOP/s  REL ERR' && screen | grep -q '└.*┬'; ok $? 'error against speed and the axis have their headings'
keys o; wait_for 'Kernels, by share of the roof'; ok $? 'o names the order'
keys f; wait_for 'How %ROOF comes about' && wait_for '2 x 1 x 768 x 256 = 0.3932 M operations'; ok $? 'f shows how the figure comes about'
keys Escape; sleep 0.2; keys w; wait_for 'kernels-001.csv' && head -n 1 "$home/.local/share/bitbudget/reports/kernels-001.csv" | grep -q '^kernel,type,isa,'; ok $? 'w writes the CSV'
keys q

# Quantize: the file and the CSV are those of the command.
start 80 24 tui quantize
wait_for '[3 Quantize]'; keys Tab Tab Tab e C-u "$home/x.gguf" Enter Enter; wait_for ' done '; ok $? 'Enter quantizes the shipped model'
keys w; wait_for 'quantize-001.csv'
"$bin" quantize demo -o "$home/y.gguf" --type q4_K_M --output-error --csv 2>/dev/null | cmp -s - "$home/.local/share/bitbudget/reports/quantize-001.csv" && cmp -s "$home/x.gguf" "$home/y.gguf"
ok $? 'the file and the CSV are those that the command writes'
keys Enter; wait_for 'exists already' && cmp -s "$home/x.gguf" "$home/y.gguf"; ok $? 'a file that is there is not overwritten'
keys q

TERM=dumb "$bin" tui </dev/null >/dev/null 2>"$home/err"; [ $? = 2 ] && [ -s "$home/err" ]; ok $? 'without a terminal it says so and exits with 2'
exit $failed
