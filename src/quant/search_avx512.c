/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search_avx512.c - the codecs of codec_*.h and the searches of best_*.h over sixteen lanes of AVX-512. */
#include "base/cpu.h"
#include "quant/codecs.h"
#if BB_X86
#include "quant/lanes_avx512.h"
/* the codecs, over these lanes */
#include "quant/best_blocks.h"
#include "quant/best_k.h"
#include "quant/codec_iq4.h"
#include "quant/codec_k.h"
#include "quant/codec_k_decode.h"
#include "quant/codec_weighted.h"
#endif
