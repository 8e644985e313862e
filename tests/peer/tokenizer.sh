#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# tokenizer.sh - the tokens of 10,000 random texts are libllama's, with and without special tokens, for three
# vocabularies and a hundred made ones.
. "$(dirname "$0")/peer.inc"
ask=$BB_BUILD/tests/peer/peer_tokenizer
[ -x "$ask" ] || skip_all "no $ask: make check-peers builds it"
plan 4
for vocab in data/demo.gguf models/stories260K/model-f32.gguf models/vocab/ggml-vocab-llama-spm.gguf; do
    [ -e "$vocab" ] || vocab=$BB_SHARED/$vocab
    if [ -e "$vocab" ]; then check "$(basename "$vocab")" "$ask" "$vocab" 10000; else ok "$vocab # SKIP it is not there (BB_SHARED)"; fi
done
check 'made vocabularies' "$ask" made "$work/vocab.gguf" 10000
