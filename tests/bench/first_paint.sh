#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# first_paint.sh - from the start of the program to the verdict on the Plan screen, and from a key to the next one, in a
# pseudo-terminal of 80x24; prints medians of 15, never fails a test.
set -u
bin=${BB_BIN:-build/bitbudget}
home=$(mktemp -d) || exit 1
trap 'rm -rf "$home"' EXIT
HOME=$home TERM=screen LC_ALL=C.UTF-8 perl -e '
    use Time::HiRes "time";
    use POSIX ();
    my ($unlock, $number, $size) = (0x40045431, 0x80045430, 0x5414); # TIOCSPTLCK TIOCGPTN TIOCSWINSZ of Linux
    sub median { my @s = sort { $a <=> $b } @_; $s[@s / 2] }
    sub shows { # reads until the text was drawn
        my ($pty, $text) = @_;
        my $seen = "";
        while (index($seen, $text) < 0) {
            my $mask = "";
            vec($mask, fileno $pty, 1) = 1;
            return 0 if !select($mask, undef, undef, 5) || !sysread($pty, $seen, 65536, length $seen);
        }
        1;
    }
    my (@start, @key);
    for (1 .. 15) {
        open my $pty, "+<", "/dev/ptmx" or die "no pseudo-terminal\n";
        my ($zero, $n, $window) = (pack("i", 0), pack("i", 0), pack("S4", 24, 80, 0, 0));
        ioctl $pty, $unlock, $zero;
        ioctl $pty, $number, $n;
        ioctl $pty, $size, $window;
        my $from = time;
        my $pid = fork;
        if (!$pid) {
            POSIX::setsid();
            open my $tty, "+<", "/dev/pts/" . unpack "i", $n or exit 1;
            POSIX::dup2(fileno $tty, $_) for 0 .. 2;
            exec @ARGV or exit 1;
        }
        shows($pty, "NEEDS") or die "nothing was drawn\n";
        push @start, 1e3 * (time - $from);
        Time::HiRes::sleep(0.3); # what follows from the plan is found meanwhile
        $from = time;
        syswrite $pty, "\t\t\teq3_K_M\n"; # other weights
        shows($pty, "q3") or die "no answer\n";
        push @key, 1e3 * (time - $from);
        syswrite $pty, "q";
        waitpid $pid, 0;
    }
    printf "first paint of the Plan screen %.1f ms, from a key to its answer %.1f ms\n", median(@start), median(@key);
' "$bin" tui plan --model llama-3.1-70b
