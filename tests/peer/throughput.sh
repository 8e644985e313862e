#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# throughput.sh - tokens a second that a plan predicts from the measured roof of this machine are libllama's to 20 %.
. "$(dirname "$0")/peer.inc"
ask=$BB_BUILD/tests/peer/peer_throughput
[ -x "$ask" ] || skip_all "no $ask: make check-peers builds it"
model=$work/model.gguf
plan 6
for m in '300m f16' '1100m q8_0' '1100m q4_K'; do
    rm -f "$model"
    # shellcheck disable=SC2086 # two words
    "$ask" make $m "$model" || { echo "Bail out! no model"; exit 1; }
    for threads in 1 2; do
        # twice: neighbours on the same machine change its bandwidth from minute to minute
        said=$("$ask" compare "$model" $threads 0.2 2>&1) || said=$("$ask" compare "$model" $threads 0.2 2>&1)
        case $? in
        0) ok "$m, $threads threads" ;;
        77) ok "$m, $threads threads # SKIP other programs took the processors" ;;
        *) not_ok "$m, $threads threads" "$said" ;;
        esac
        echo "$said" | sed 's/^/# /'
    done
done
