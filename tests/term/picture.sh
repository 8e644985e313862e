#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
# picture.sh - the picture of the README is what the program shows today.
cd "$(dirname "$0")/../.." || exit 1
if ! command -v tmux >/dev/null 2>&1; then echo '1..0 # SKIP tmux is not installed'; exit 0; fi
echo 1..1
# The words are compared: how a terminal spells colours differs between versions.
words() { grep -o '<text[^>]*>[^<]*' | sed 's/.*>//'; }
if diff <(words <tests/data/screenshot/plan.svg) <(bash tests/term/screenshot.sh | words) | sed 's/^/# /' | tee /dev/stderr | grep -q .; then
    echo 'not ok 1 - the picture of the README is stale: make screenshot'; exit 1
fi
echo 'ok 1 - the picture of the README shows the Plan screen of today'
