#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# numbers.sh - every number of plan/ has its source beside it: none is fitted in silence.
echo 1..2

# Numbers in the code of the files named, outside of strings, of [sizes] and of comments, that have no comment on their
# line, above their statement (in up to five lines of it, or in a table or enum as a whole), or above their function.
# 0 to 4, 8 bits of a byte, 64 of a size, powers of 10 and 1024 in units, and hexadecimal masks need none.
bare() {
    perl -e '
        for my $file (@ARGV) {
            open(my $in, "<", $file) or die "$file: $!";
            my @lines = <$in>;
            my ($inside, $covered, $blank) = (0, 0, 1);
            for my $i (0 .. $#lines) {
                my $line = $lines[$i];
                my $comment = $inside || $line =~ m{/\*};
                my $code = $line;
                if ($inside) { $code =~ s{^.*?\*/}{} ? ($inside = 0) : ($code = ""); }
                $code =~ s{/\*.*?\*/}{}g;
                if ($code =~ s{/\*.*$}{}s) { $inside = 1; }
                $code =~ s{"(\\.|[^"\\])*"}{}g;
                $code =~ s{\x27(\\.|[^\x27\\])+\x27}{}g;
                $code =~ s{\[[^\]]*\]}{}g;
                $covered = 6 if $comment;                      # this line and the next five
                $covered = 99 if $comment && ($lines[$i + 1] // "") =~ /^(static const|enum|const|#define|typedef)/;
                $covered = 0 if $line =~ /^\s*$/;
                my @numbers = grep { !/^(0x.*|[0-4]|8|64|1\.0|10|1000|1e(3|6|9|12)|1024|1048576)$/i }
                    $code =~ /(?<![\w.])((?:0x[0-9a-f]+|\d+(?:\.\d+)?(?:e[-+]?\d+)?))(?:[uUlLfF]*)\b/gi;
                if (@numbers && !$covered && $code !~ /^#(include|if|define BB_\w+_H)/) {
                    print "$file:", $i + 1, ": @numbers\n";
                }
                $covered-- if $covered > 0;
                $covered = 0 if $line =~ /^}/;
            }
        }' "$@"
}

bad=$(bare src/plan/*.[ch])
if [ -z "$bad" ]; then echo 'ok 1 - numbers in plan/ have a source'
else echo 'not ok 1 - numbers in plan/ have a source'; echo "$bad" | sed 's/^/# /'; fi

sample=$(mktemp)
printf '%s\n' 'static int f(int n) {' '    char buf[77];' '    return n * 21 + 2; }' '' '/* Shared words of 22 bits. */' \
    'enum { WORD = 22 };' '' 'static double g(void) { return 0.19; }' 'int h = 5; /* as measured */' >"$sample"
found=$(bare "$sample" | sed 's/.*: //' | tr '\n' ' ')
rm -f "$sample"
if [ "$found" = '21 0.19 ' ]; then echo 'ok 2 - a bare number is seen'
else echo 'not ok 2 - a bare number is seen'; echo "# seen: $found"; fi
