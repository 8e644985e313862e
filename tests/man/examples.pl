#!/usr/bin/perl
# SPDX-License-Identifier: GPL-3.0-or-later
# examples.pl - every command shown in README.md and the manual pages gives the output that is shown there.
# In a code block, a line "$ command" is run and the lines up to the next one are its output, stderr included; a line
# "..." stands for any lines. `examples.pl --update` writes today's output into the documents (blocks without "...").
use strict;
use warnings;
use File::Temp qw(tempdir);
use Cwd qw(abs_path);

my $update = @ARGV && $ARGV[0] eq '--update';
my $bin = abs_path($ENV{BB_BIN} // 'build/bitbudget');
my $t = tempdir(CLEANUP => 1);
symlink $bin, "$t/bitbudget" or die "symlink: $!";
$ENV{PATH} = "$t:$ENV{PATH}";
$ENV{LC_ALL} = 'C.UTF-8';
delete $ENV{NO_COLOR};
$ENV{HOME} = $ENV{OLLAMA_MODELS} = $t;
delete @ENV{qw(HF_HOME HF_HUB_CACHE XDG_CACHE_HOME XDG_DATA_HOME)};

sub unroff { my $s = shift; $s =~ s/\\&//g; $s =~ s/\\-/-/g; $s =~ s/\\\(aq/'/g; $s =~ s/\\e/\\/g; return $s }
sub roff { my $s = shift; $s =~ s/\\/\\e/g; $s =~ s/^([.'])/\\&$1/; $s =~ s/-/\\-/g; return $s }

my ($n, $failed, @out) = (0, 0);
for my $doc ('README.md', sort glob 'man/*.[1-9]') {
    my $man = $doc =~ m{^man/};
    open my $fh, '<', $doc or next;
    my @lines = <$fh>;
    close $fh;
    my (@new, $in);
    for (my $i = 0; $i < @lines; $i++) {
        my $line = $lines[$i];
        if ($man ? $line =~ /^\.Bd -literal/ : ($line =~ /^```(console|sh)?$/ && !$in)) { $in = 1; push @new, $line; next }
        if ($in && ($man ? $line =~ /^\.Ed/ : $line =~ /^```$/)) { $in = 0; push @new, $line; next }
        my $plain = $man ? unroff($line) : $line;
        # make and shell lines are for people; only the program's own commands are run
        if (!($in && $plain =~ /^\$ (.*bitbudget\b.*)$/)) { push @new, $line; next }
        my $command = $1;
        my @want;
        push @new, $line;
        my $j = $i + 1;
        while ($j < @lines) {
            my $l = $man ? unroff($lines[$j]) : $lines[$j];
            last if $l =~ /^\$ / || ($man ? $lines[$j] =~ /^\.Ed/ : $lines[$j] =~ /^```$/);
            push @want, $l;
            $j++;
        }
        my $got = do { open my $p, '-|', 'sh', '-c', "{ $command\n} 2>&1" or die; local $/; <$p> } // '';
        my $elided = grep { $_ eq "...\n" } @want;
        if ($update && !$elided) { push @new, map { $man ? roff($_) : $_ } $got =~ /^.*\n/mg }
        else { push @new, @lines[$i + 1 .. $j - 1] }
        my $pattern = join '', map { $_ eq "...\n" ? '(?:.*\n)*?' : quotemeta($_) } @want;
        $n++;
        if ($update || $got =~ /\A$pattern\z/) { push @out, "ok $n - $doc: $command" }
        else {
            push @out, "not ok $n - $doc: $command";
            push @out, map { "# shown $_" } map { s/\n//r } @want;
            push @out, map { "# given $_" } map { s/\n//r } $got =~ /^.*\n?/mg;
            $failed = 1;
        }
        $i = $j - 1;
    }
    if ($update) { open my $o, '>', $doc or die "$doc: $!"; print $o @new; close $o }
}
print "1..$n\n", map { "$_\n" } @out;
exit $failed;
