/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_bnb.c - bitsandbytes' NF4 and FP4, and the second quantization of their absmaxes. */
#include "quant/codec_bnb.h"
#include "format/half.h"
#include "quant/codecs.h"
#include <math.h>
#include <stdlib.h>

/* bitsandbytes functional.py get_4bit_type: the values, in the order of the codes. */
static const float nf4_values[16] = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f,
};
static const float fp4_values[16] = {
    0.0f, 0.0625f / 12,  8.0f / 12,  1.0f,  4.0f / 12,  0.5f,  2.0f / 12,  0.25f,
    0.0f, -0.0625f / 12, -8.0f / 12, -1.0f, -4.0f / 12, -0.5f, -2.0f / 12, -0.25f,
};

/* Midpoints of neighbouring values, and the code that follows so many of them. FP4's zeros stand for both signs: as
 * backends/default/ops.py sorts them, 0 below the midpoint at zero and 8 above it. */
static const float nf4_bounds[15] = {
    -0.8480963706970215f,  -0.6106328964233398f,   -0.4599952697753906f, -0.33967941999435425f, -0.23460739850997925f,
    -0.13791173696517944f, -0.045525018125772476f, 0.03979014977812767f, 0.120255246758461f,    0.2035212516784668f,
    0.2920137643814087f,   0.3893125355243683f,    0.5016634464263916f,  0.6427869200706482f,   0.8614784479141235f,
};
static const float fp4_bounds[15] = {
    -0.8333333730697632f,   -0.5833333730697632f, -0.4166666865348816f,    -0.2916666865348816f,
    -0.2083333432674408f,   -0.0859375f,          -0.0026041667442768812f, 0.0f,
    0.0026041667442768812f, 0.0859375f,           0.2083333432674408f,     0.2916666865348816f,
    0.4166666865348816f,    0.5833333730697632f,  0.8333333730697632f,
};
static const unsigned char nf4_order[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
static const unsigned char fp4_order[16] = {11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3};

const float *bb_bnb_values(bb_bnb_kind kind) { return kind == BB_BNB_NF4 ? nf4_values : fp4_values; }

static float largest(const float *x, size_t n) {
    float m = 0;
    for (size_t i = 0; i < n; i++) {
        float a = fabsf(x[i]);
        m = a > m ? a : m;
    }
    return m;
}

static unsigned count_below(const float *bounds, float v) {
    unsigned count = 0;
    for (size_t k = 0; k < 15; k++) count += v > bounds[k];
    return count;
}

static void blocks_scalar(const float *bounds, const unsigned char *order, const float *x, size_t blocks, size_t block,
                          unsigned char *packed, float *absmax) {
    for (size_t b = 0; b < blocks; b++, x += block, packed += block / 2) {
        absmax[b] = largest(x, block);
        float r = 1.0f / (absmax[b] > BB_BNB_SMALLEST ? absmax[b] : BB_BNB_SMALLEST);
        for (size_t i = 0; i < block; i += 2)
            packed[i / 2] =
                (unsigned char)(order[count_below(bounds, x[i] * r)] << 4 | order[count_below(bounds, x[i + 1] * r)]);
    }
}

/* The short block at the end is divided by its absmax, not multiplied by the reciprocal; an odd last element has the
 * code of 0 beside it (backends/default/ops.py). */
static void short_block(const float *bounds, const unsigned char *order, const float *x, size_t n,
                        unsigned char *packed, float *absmax) {
    *absmax = largest(x, n);
    float d = *absmax > BB_BNB_SMALLEST ? *absmax : BB_BNB_SMALLEST;
    for (size_t i = 0; i < n; i += 2) {
        float second = i + 1 < n ? x[i + 1] / d : 0.0f;
        packed[i / 2] = (unsigned char)(order[count_below(bounds, x[i] / d)] << 4 | order[count_below(bounds, second)]);
    }
}

void bb_bnb_encode(bb_bnb_kind kind, const float *x, size_t n, size_t block, bb_isa isa, unsigned char *packed,
                   float *absmax) {
    const float *bounds = kind == BB_BNB_NF4 ? nf4_bounds : fp4_bounds;
    const unsigned char *order = kind == BB_BNB_NF4 ? nf4_order : fp4_order;
    bb_bnb_blocks_fn *encode = blocks_scalar;
#if defined(__x86_64__)
    bb_isa chosen = bb_isa_choose(isa);
    if (chosen == BB_ISA_AVX512) encode = bb_bnb_blocks_avx512;
    if (chosen == BB_ISA_AVX2) encode = bb_bnb_blocks_avx2;
#else
    (void)isa;
#endif
    size_t blocks = n / block, whole = blocks * block;
    encode(bounds, order, x, blocks, block, packed, absmax);
    if (whole < n) short_block(bounds, order, x + whole, n - whole, packed + whole / 2, absmax + blocks);
}

void bb_bnb_decode(bb_bnb_kind kind, const unsigned char *packed, const float *absmax, size_t n, size_t block,
                   float *x) {
    const float *values = bb_bnb_values(kind);
    for (size_t first = 0; first < n; first += block, absmax++) {
        size_t end = n - first < block ? n : first + block;
        float table[16];
        for (size_t k = 0; k < 16; k++) table[k] = values[k] * *absmax;
        for (size_t i = first; i < end; i += 2) {
            x[i] = table[packed[i / 2] >> 4];
            if (i + 1 < end) x[i + 1] = table[packed[i / 2] & 15];
        }
    }
}

/* ---- rows of blocks of 64: fp32 absmax, then 32 bytes ---- */

enum { ROW_BLOCK_BYTES = 4 + BB_BNB_BLOCK / 2 };

static void nf4_encode(const float *x, size_t blocks, bb_isa isa, unsigned char *out) {
    for (; blocks-- > 0; x += BB_BNB_BLOCK, out += ROW_BLOCK_BYTES) {
        float absmax;
        bb_bnb_encode(BB_BNB_NF4, x, BB_BNB_BLOCK, BB_BNB_BLOCK, isa, out + 4, &absmax);
        bb_f32_to_le_n(&absmax, 1, out);
    }
}

void bb_nf4_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    nf4_encode(x, rows * cols / BB_BNB_BLOCK, BB_ISA_SCALAR, out);
}
void bb_nf4_encode_avx2(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    nf4_encode(x, rows * cols / BB_BNB_BLOCK, BB_ISA_AVX2, out);
}
void bb_nf4_encode_avx512(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    nf4_encode(x, rows * cols / BB_BNB_BLOCK, BB_ISA_AVX512, out);
}

void bb_nf4_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BB_BNB_BLOCK; n-- > 0; x += BB_BNB_BLOCK, data += ROW_BLOCK_BYTES) {
        float absmax;
        bb_f32_from_le_n(data, 1, &absmax);
        bb_bnb_decode(BB_BNB_NF4, data + 4, &absmax, BB_BNB_BLOCK, BB_BNB_BLOCK, x);
    }
}

/* ---- the second quantization ---- */

/* torch.linspace(0.1, 1, n) as PyTorch's CPU kernel rounds it with AVX2 (RangeFactoriesKernel.cpp): from both ends, and
 * while 16 elements are left in vectors of 8 that start at an exact product and go on with a rounded one. */
static void linspace(float *out, size_t n) {
    const float a = 0.1f, z = 1.0f, step = (z - a) / (float)(n - 1);
    size_t vectors = n / 16 * 16;
    for (size_t i = 0; i < n; i++) {
        size_t lane = i < vectors ? i % 8 : 0, from = i - lane;
        /* a product of 24 by 7 bits is exact in double: one rounding, as by an FMA */
        float base = from < n / 2 ? (float)((double)a + (double)step * (double)from)
                                  : (float)((double)z - (double)step * (double)(n - 1 - from));
        out[i] = base + step * (float)lane;
    }
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

void bb_bnb_dynamic_map(float map[256]) {
    static const float decade[7] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1.0f};
    size_t n = 0;
    float ends[65];
    for (size_t e = 0; e < 7; e++) {
        size_t parts = (size_t)1 << e;
        linspace(ends, parts + 1);
        for (size_t i = 0; i < parts; i++) {
            float v = decade[e] * ((ends[i] + ends[i + 1]) / 2.0f);
            map[n++] = v;
            map[n++] = -v;
        }
    }
    map[n++] = 0.0f;
    map[n++] = 1.0f;
    qsort(map, n, sizeof *map, ascending);
}

/* How many of the midpoints lie strictly below v: of 255, by halving. */
static unsigned char dynamic_code(const float *mid, float v) {
    unsigned low = 0;
    for (unsigned step = 128; step; step /= 2)
        if (low + step <= 255 && v > mid[low + step - 1]) low += step;
    return (unsigned char)low;
}

void bb_bnb_nest(const float *absmax, size_t n, const float *map, unsigned char *codes, float *nested, float *offset) {
    float mid[255];
    double sum = 0;
    for (size_t i = 0; i < 255; i++) mid[i] = (map[i] + map[i + 1]) / 2.0f;
    for (size_t i = 0; i < n; i++) sum += (double)absmax[i];
    float mean = n ? (float)(sum / (double)n) : 0.0f;
    for (size_t first = 0; first < n; first += BB_BNB_NESTED_BLOCK, nested++) {
        size_t count = n - first < BB_BNB_NESTED_BLOCK ? n - first : BB_BNB_NESTED_BLOCK;
        float m = 0;
        for (size_t i = first; i < first + count; i++) {
            float a = fabsf(absmax[i] - mean);
            m = a > m ? a : m;
        }
        *nested = m;
        float d = m > BB_BNB_SMALLEST ? m : BB_BNB_SMALLEST, r = 1.0f / d;
        for (size_t i = first; i < first + count; i++) {
            float c = absmax[i] - mean;
            codes[i] = dynamic_code(mid, count == BB_BNB_NESTED_BLOCK ? c * r : c / d);
        }
    }
    *offset = mean;
}

void bb_bnb_unnest(const unsigned char *codes, const float *nested, float offset, size_t n, const float *map,
                   float *absmax) {
    for (size_t i = 0; i < n; i++) absmax[i] = map[codes[i]] * nested[i / BB_BNB_NESTED_BLOCK] + offset;
}
