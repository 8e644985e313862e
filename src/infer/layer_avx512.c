/* SPDX-License-Identifier: GPL-3.0-or-later */
/* layer_avx512.c - attention and the gate of AVX-512. */
#include "base/cpu.h"
#if BB_X86
#include "quant/lanes_avx512.h"
/* the lanes come first */
#include "infer/layer_lanes.h"
#endif
