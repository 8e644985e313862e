/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_q32.c - types of groups of 32, activations with a scale for each: packing, portable twins, table. */
#include "kernel/gemm_q32.h"
#include "format/half.h"
#include "quant/codec_bnb.h"
#include "quant/codecs.h"
#include "quant/plain.h"
#include <math.h>
#include <string.h>

enum { GROUP = BB_Q32_GROUP, HALF = GROUP / 2, QUAD_BYTES = 4 * BB_PANEL };

/* kvalues_iq4nl of ggml-common.h (ggml 0.25.1), + 128. */
const unsigned char bb_q32_iq4_nl[16] = {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241};
/* e2m1 doubled, + 12. */
const unsigned char bb_q32_mxfp4[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
/* bitsandbytes' 16 values times S = 123.26, rounded, + 128. Of all S that keep the codes in a byte this one has the
 * least error where it is largest: 0.0029 of the absmax, against the 0.15 that nf4 itself rounds off at most. Relative
 * to a value it is at most 0.0199, at -0.0911 = -11.22 / S. */
const unsigned char bb_q32_nf4[16] = {5, 42, 63, 79, 93, 105, 117, 128, 138, 148, 158, 170, 182, 197, 217, 251};
#define NF4_CODE_ERROR 0.0199

/* ---- packing ---- */

/* Sixteen bytes, the halves of a group's codes, to a row's place in its quads. */
static void put_halves(const unsigned char *halves, size_t row, unsigned char *codes) {
    for (size_t q = 0; q < 4; q++) memcpy(codes + q * QUAD_BYTES + 4 * row, halves + 4 * q, 4);
}

static void pack_q8_0(const unsigned char *rows, size_t row_bytes, size_t count, size_t in, unsigned char *panel) {
    size_t groups = in / GROUP;
    for (size_t g = 0; g < groups; g++) {
        unsigned char *to = panel + g * bb_q32_block_bytes(BB_Q32_Q8_0);
        if (count < BB_PANEL) {
            memset(to, 0, 2 * BB_PANEL);
            memset(to + 2 * BB_PANEL, BB_Q32_OFFSET_8, (size_t)GROUP * BB_PANEL);
        }
        for (size_t r = 0; r < count; r++) {
            const unsigned char *block = rows + r * row_bytes + g * BB_Q8_0_BYTES;
            memcpy(to + 2 * r, block, 2);
            for (size_t q = 0; q < GROUP / 4; q++) {
                uint32_t four;
                memcpy(&four, block + 2 + 4 * q, 4);
                four ^= 0x80808080;
                memcpy(to + 2 * BB_PANEL + q * QUAD_BYTES + 4 * r, &four, 4);
            }
        }
    }
}

/* q4_0 and iq4_nl: fp16, then the halves as the panel wants them. */
static void pack_16_bytes(const unsigned char *rows, size_t row_bytes, size_t count, size_t in, unsigned char *panel) {
    size_t groups = in / GROUP;
    for (size_t g = 0; g < groups; g++) {
        unsigned char *to = panel + g * bb_q32_block_bytes(BB_Q32_Q4_0);
        if (count < BB_PANEL) memset(to, 0, bb_q32_block_bytes(BB_Q32_Q4_0));
        for (size_t r = 0; r < count; r++) {
            const unsigned char *block = rows + r * row_bytes + g * BB_Q4_0_BYTES;
            memcpy(to + 2 * r, block, 2);
            put_halves(block + 2, r, to + 2 * BB_PANEL);
        }
    }
}

static void pack_mxfp4(const unsigned char *rows, size_t row_bytes, size_t count, size_t in, unsigned char *panel) {
    size_t groups = in / GROUP, block_bytes = bb_q32_block_bytes(BB_Q32_MXFP4);
    if (count < BB_PANEL || groups % 2) memset(panel, 0, (groups + 1) / 2 * block_bytes);
    for (size_t g = 0; g < groups; g++) {
        unsigned char *to = panel + g / 2 * block_bytes, *codes = to + 2 * BB_PANEL + g % 2 * HALF * BB_PANEL;
        for (size_t r = 0; r < count; r++) {
            const unsigned char *block = rows + r * row_bytes + g * BB_MXFP4_BYTES;
            to[g % 2 * BB_PANEL + r] = block[0] ^ 0x80;
            put_halves(block + 1, r, codes);
        }
    }
}

/* Of 32 codes, two a byte in order with the first in the high half. */
static void halves_of_pairs(const unsigned char *pairs, unsigned char *halves) {
    for (size_t i = 0; i < HALF / 2; i++) {
        unsigned char a = pairs[i], b = pairs[i + HALF / 2];
        halves[2 * i] = (unsigned char)(a >> 4 | (b & 0xF0));
        halves[2 * i + 1] = (unsigned char)((a & 15) | b << 4);
    }
}

static void pack_nf4(const unsigned char *rows, size_t row_bytes, size_t count, size_t in, unsigned char *panel) {
    size_t blocks = in / BB_Q32_NF4_BLOCK, block_bytes = bb_q32_block_bytes(BB_Q32_NF4);
    if (count < BB_PANEL) memset(panel, 0, blocks * block_bytes);
    for (size_t b = 0; b < blocks; b++) {
        unsigned char *to = panel + b * block_bytes, *codes = to + 4 * BB_PANEL;
        for (size_t r = 0; r < count; r++) {
            const unsigned char *block = rows + r * row_bytes + b * BB_Q32_NF4_BYTES;
            unsigned char halves[HALF];
            memcpy(to + 4 * r, block, 4);
            for (size_t g = 0; g < 2; g++) {
                halves_of_pairs(block + 4 + g * HALF, halves);
                put_halves(halves, r, codes + g * HALF * BB_PANEL);
            }
        }
    }
}

#define LAYOUT(name, dtype, packer, block_, bytes, offset_)                                                            \
    static const bb_layout name = {.type = dtype,                                                                      \
                                   .act = BB_ACT_INT8_32,                                                              \
                                   .block = block_,                                                                    \
                                   .block_bytes = bytes,                                                               \
                                   .offset = offset_,                                                                  \
                                   .pack = packer}
LAYOUT(layout_q8_0, "q8_0", pack_q8_0, GROUP, (2 + 32) * BB_PANEL, BB_Q32_OFFSET_8);
LAYOUT(layout_q4_0, "q4_0", pack_16_bytes, GROUP, (2 + 16) * BB_PANEL, BB_Q32_OFFSET_4);
LAYOUT(layout_iq4_nl, "iq4_nl", pack_16_bytes, GROUP, (2 + 16) * BB_PANEL, BB_Q32_OFFSET_BOOK);
LAYOUT(layout_mxfp4, "mxfp4", pack_mxfp4, BB_Q32_MXFP4_BLOCK, (2 + 32) * BB_PANEL, BB_Q32_OFFSET_FP4);
LAYOUT(layout_nf4, "nf4", pack_nf4, BB_Q32_NF4_BLOCK, (4 + 32) * BB_PANEL, BB_Q32_OFFSET_BOOK);

/* ---- the portable twins ---- */

/* Codes + offset of a group, [k][32 rows]. */
static void codes_of(bb_q32_type type, const unsigned char *p, unsigned char *code) {
    if (type == BB_Q32_Q8_0) {
        for (size_t k = 0; k < GROUP; k++)
            for (size_t c = 0; c < BB_PANEL; c++) code[k * BB_PANEL + c] = p[k / 4 * QUAD_BYTES + c * 4 + k % 4];
        return;
    }
    for (size_t k = 0; k < HALF; k++)
        for (size_t c = 0; c < BB_PANEL; c++) {
            unsigned char byte = p[k / 4 * QUAD_BYTES + c * 4 + k % 4];
            code[k * BB_PANEL + c] = byte & 15;
            code[(k + HALF) * BB_PANEL + c] = byte >> 4;
        }
    if (type == BB_Q32_Q4_0) return;
    const unsigned char *book = bb_q32_book(type);
    for (size_t i = 0; i < GROUP * BB_PANEL; i++) code[i] = book[code[i]];
}

static void scales_of(bb_q32_type type, const unsigned char *p, float *scale) {
    if (type == BB_Q32_NF4) {
        memcpy(scale, p, BB_PANEL * sizeof *scale);
        return;
    }
    for (size_t c = 0; c < BB_PANEL; c++)
        scale[c] = type == BB_Q32_MXFP4 ? bb_e8m0_half(p[c] ^ 0x80) : bb_get_scale(p + 2 * c);
}

/* For each group in ascending order, from +0: y = fma(scale of the weights, scale of the activations * the exact
 * integer product, y). Of nf4, whose integers are values times S, y is in the end divided by S: the sum overflows where
 * the product is beyond 2^128 / S, but no scale underflows. */
static void gemm(const bb_gemm *g, size_t first, size_t count, bb_q32_type type) {
    const bb_acts *a = g->acts;
    for (size_t p = first; p < first + count; p++) {
        const unsigned char *panel = g->panels + p * g->panel_bytes;
        size_t left = g->out - p * BB_PANEL, live = left < BB_PANEL ? left : BB_PANEL;
        for (size_t b = 0; b < a->blocks; b++) {
            unsigned char code[GROUP * BB_PANEL];
            float scale[BB_PANEL];
            codes_of(type, bb_q32_codes(type, panel, b), code);
            scales_of(type, bb_q32_scales(type, panel, b), scale);
            for (size_t t = 0; t < a->tokens; t++) {
                const signed char *x = (const signed char *)a->values + (b * a->tokens + t) * GROUP;
                float d = a->scales[b * a->tokens + t], *y = g->y + t * g->out + p * BB_PANEL;
                int32_t sum[BB_PANEL];
                for (size_t c = 0; c < BB_PANEL; c++) sum[c] = a->starts[b * a->tokens + t];
                for (size_t k = 0; k < GROUP; k++)
                    for (size_t c = 0; c < BB_PANEL; c++) sum[c] += code[k * BB_PANEL + c] * x[k];
                for (size_t c = 0; c < live; c++) y[c] = fmaf(scale[c], d * (float)sum[c], b == 0 ? 0 : y[c]);
            }
        }
        for (size_t t = 0; type == BB_Q32_NF4 && t < a->tokens; t++)
            for (size_t c = 0; c < live; c++) g->y[t * g->out + p * BB_PANEL + c] /= BB_Q32_NF4_SCALE;
    }
}

/* ---- the table ---- */

/* One product, one fma a group; What is exact in fp32, xhat is rounded once. */
static size_t roundings(size_t in) { return 1 + in / GROUP + 1; }
static size_t underflows(size_t in) { return in / GROUP; }

/* Beside those, What and the division by S; and as many more as gamma grows by code_error. */
static size_t roundings_nf4(size_t in) {
    size_t n = roundings(in) + 2;
    return n + n / 32 + 1;
}
static size_t underflows_nf4(size_t in) { return underflows(in) + 1; }

/* Where What is subnormal it was rounded by up to 2^-150, less than code_error times what is added here. */
static void magnitudes_nf4(const unsigned char *data, size_t rows, size_t cols, float *magnitude) {
    bb_nf4_decode(data, rows, cols, magnitude);
    for (size_t i = 0; i < rows * cols; i++) {
        float m = fabsf(magnitude[i]);
        magnitude[i] = m < 0x1p-126f ? m + 0x1p-144f : m;
    }
}

#if BB_X86
#define X86_KERNELS(name)                                                                                              \
    {&bb_gemm_##name, BB_LEVEL_AVX2, bb_gemm_##name##_avx2},                                                           \
        {&bb_gemm_##name, BB_LEVEL_AVX_VNNI, bb_gemm_##name##_avx_vnni},                                               \
        {&bb_gemm_##name, BB_LEVEL_AVX512_VNNI, bb_gemm_##name##_avx512_vnni},
#else
#define X86_KERNELS(name)
#endif
#define FAMILY(name_, type, ...)                                                                                       \
    static void gemm_##name_##_scalar(const bb_gemm *g, size_t first, size_t count) { gemm(g, first, count, type); }   \
    const bb_gemm_family bb_gemm_##name_ = {                                                                           \
        .layout = &layout_##name_,                                                                                     \
        .name = "gemm_" #name_,                                                                                        \
        .kernels = {{&bb_gemm_##name_, BB_LEVEL_SCALAR, gemm_##name_##_scalar}, X86_KERNELS(name_)},                   \
        __VA_ARGS__}
FAMILY(q8_0, BB_Q32_Q8_0, .roundings = roundings, .underflows = underflows);
FAMILY(q4_0, BB_Q32_Q4_0, .roundings = roundings, .underflows = underflows);
FAMILY(iq4_nl, BB_Q32_IQ4_NL, .roundings = roundings, .underflows = underflows);
FAMILY(mxfp4, BB_Q32_MXFP4, .roundings = roundings, .underflows = underflows);
FAMILY(nf4, BB_Q32_NF4, .roundings = roundings_nf4, .underflows = underflows_nf4, .code_error = NF4_CODE_ERROR,
       .magnitudes = magnitudes_nf4);
