#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# kernels.sh - products of our kernels beside those of ggml's, on the same bytes.
exec "${BB_BUILD:-build}/tests/peer/peer_kernels"
