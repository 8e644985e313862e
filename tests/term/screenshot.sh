#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# screenshot.sh - the Plan screen of the embedded default at 120x36 as SVG on stdout: the picture of the README.
set -eu
cd "$(dirname "$0")/../.."
bin=${BB_BIN:-build/bitbudget}
case $bin in /*) ;; *) bin=$PWD/$bin ;; esac
home=$(mktemp -d)
# not the cards of this machine
mkdir -p "$home/.local/state/bitbudget" && echo "gpu RTX 4090" >"$home/.local/state/bitbudget/state"
socket=bb-picture-$$
tm() { tmux -L "$socket" -f /dev/null "$@"; }
trap 'tm kill-server 2>/dev/null; rm -rf "$home"' EXIT
cols=120 rows=36
tm new-session -d -x $cols -y $rows "env -i PATH=$PATH HOME=$home TERM=screen-256color LC_ALL=C.UTF-8 $bin"
for _ in $(seq 100); do
    tm capture-pane -p | grep -q 'Precision ladder' && break
    sleep 0.1
done
sleep 0.3
tm capture-pane -p -e | perl -CSD -Mutf8 -e '
    my ($w, $h, $cols, $rows) = (8.4, 17, @ARGV);
    my %color = (31 => "#e06c75", 32 => "#98c379", 33 => "#e5c07b", 34 => "#61afef", 35 => "#c678dd", 36 => "#56b6c2",
                 90 => "#7f848e", 37 => "#dcdfe4");
    printf qq{<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14">\n},
        $cols * $w + 16, $rows * $h + 16;
    print qq{<rect width="100%" height="100%" rx="6" fill="#1e2127"/>\n};
    my ($fg, $bold, $rev, $dim) = ("#dcdfe4", 0, 0, 0);
    my $y = 0;
    while (my $line = <STDIN>) {
        chomp $line;
        my $x = 0;
        while ($line =~ /\G(?:\e\[([\d;]*)m|([^\e]+)|\e\([B0])/g) {
            if (defined $1) {
                for my $c (split /;/, length $1 ? $1 : "0") {
                    if ($c == 0) { ($fg, $bold, $rev, $dim) = ("#dcdfe4", 0, 0, 0) }
                    elsif ($c == 1) { $bold = 1 } elsif ($c == 2) { $dim = 1 } elsif ($c == 7) { $rev = 1 }
                    elsif ($c == 27) { $rev = 0 } elsif ($c == 22) { $bold = $dim = 0 }
                    elsif ($c == 39) { $fg = "#dcdfe4" } elsif ($color{$c}) { $fg = $color{$c} }
                }
            } elsif (defined $2) {
                my $text = $2;
                my $n = length $text;
                my $ink = $dim ? "#7f848e" : $fg;
                if ($rev) {
                    printf qq{<rect x="%.1f" y="%d" width="%.1f" height="%d" fill="%s"/>\n}, 8 + $x * $w, 8 + $y * $h, $n * $w, $h, $ink;
                    $ink = "#1e2127";
                }
                # word by word, so that each stands in its own columns whatever the font does with blanks
                while ($text =~ /(\S+)/g) {
                    my ($word, $at) = ($1, $-[1]);
                    (my $safe = $word) =~ s/&/&amp;/g;
                    $safe =~ s/</&lt;/g;
                    printf qq{<text x="%.1f" y="%d" fill="%s"%s textLength="%.1f" lengthAdjust="spacingAndGlyphs">%s</text>\n},
                        8 + ($x + $at) * $w, 8 + $y * $h + 13, $ink, $bold ? q{ font-weight="bold"} : "", $w * length $word, $safe;
                }
                $x += $n;
            }
        }
        $y++;
    }
    print "</svg>\n";
' "$cols" "$rows"
