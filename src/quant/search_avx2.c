/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search_avx2.c - the codecs of codec_*.h and the searches of best_*.h over eight lanes of AVX2. */
#include "base/cpu.h"
#include "quant/codecs.h"
#if BB_X86
#include "quant/lanes_avx2.h"
/* the codecs, over these lanes */
#include "quant/best_blocks.h"
#include "quant/best_k.h"
#include "quant/codec_iq4.h"
#include "quant/codec_k.h"
#include "quant/codec_k_decode.h"
#include "quant/codec_weighted.h"
#endif
