/* SPDX-License-Identifier: GPL-3.0-or-later */
/* layer_avx2.c - attention and the gate of AVX2. */
#include "base/cpu.h"
#if BB_X86
#include "quant/lanes_avx2.h"
/* the lanes come first */
#include "infer/layer_lanes.h"
#endif
