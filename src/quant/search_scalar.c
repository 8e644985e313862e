/* SPDX-License-Identifier: GPL-3.0-or-later */
/* search_scalar.c - the codecs of codec_*.h and the searches of best_*.h over one lane of plain C. */
#include "quant/codecs.h"
#include "quant/lanes_scalar.h"
/* the codecs, over these lanes */
#include "quant/best_blocks.h"
#include "quant/best_k.h"
#include "quant/codec_iq4.h"
#include "quant/codec_k.h"
#include "quant/codec_k_decode.h"
#include "quant/codec_weighted.h"
