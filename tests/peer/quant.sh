#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# quant.sh - blocks of every type against ggml's own library, byte for byte.
exec "${BB_BUILD:-build}/tests/peer/peer_quant"
