#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# quant.sh - speed of the quantizer beside ggml's own library, where that is found.
exec "${BB_BUILD:-build}/tests/peer/bench_quant"
