/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_k.c - q4_K and q6_K, activations with a scale for each 256: layouts, portable twins, bounds, tables. */
#include "kernel/gemm_k.h"
#include "format/half.h"
#include "quant/k_scales.h"
#include <math.h>
#include <string.h>

/* Where the parts of a block of 256 in the file begin (ggml 0.25.1, ggml-common.h: block_q4_K, block_q6_K).
 */
enum { SUPER = BB_ACT_SUPER, Q4_MIN = 2, Q4_SIX = 4, Q4_NIBBLES = 16 };
enum { Q6_PAIRS = 128, Q6_SIGNED = 192, Q6_D = 208 };

static float half_at(const unsigned char *p) { return bb_f16_to_f32((uint16_t)(p[0] | p[1] << 8)); }

/* ---- packing ---- */

/* Sixteen codes of six bits to the lanes A, B, C of one row. */
static void put_six(const unsigned char *code, unsigned char *lane) {
    for (int i = 0; i < 4; i++) {
        unsigned last = code[12 + i];
        lane[i] = (unsigned char)(code[i] | last >> 4 << 6);
        lane[K_ROW + i] = (unsigned char)(code[4 + i] | (last >> 2 & 3) << 6);
        lane[2 * K_ROW + i] = (unsigned char)(code[8 + i] | (last & 3) << 6);
    }
}

static void pack_q4_row(const unsigned char *from, size_t r, unsigned char *block) {
    static const int order[4] = {0, 2, 1, 3};
    unsigned char six[16];
    memcpy(block + 2 * r, from, 2);
    memcpy(block + Q4_K_DMIN + 2 * r, from + Q4_MIN, 2);
    for (int j = 0; j < 8; j++) {
        six[j] = (unsigned char)bb_k45_scale(from + Q4_SIX, j);
        six[8 + j] = (unsigned char)bb_k45_min(from + Q4_SIX, (j & 4) | order[j & 3]);
    }
    put_six(six, block + Q4_K_SCALES + 4 * r);
    for (int j = 0; j < 8; j++) {
        const unsigned char *q = from + Q4_NIBBLES + 32 * (j / 2);
        unsigned char *to = block + Q4_K_CODES + j * Q4_K_SUB + 4 * r;
        int shift = j % 2 * 4;
        for (int k = 0; k < 16; k++)
            to[k / 4 * K_ROW + k % 4] = (unsigned char)((q[k] >> shift & 15) | (q[16 + k] >> shift & 15) << 4);
    }
}

static void pack_q6_row(const unsigned char *from, size_t r, unsigned char *block) {
    memcpy(block + 2 * r, from + Q6_D, 2);
    for (int j = 0; j < 16; j++) {
        int half = j / 8, part = j % 8 / 2, at = 16 * (j % 2);
        const unsigned char *low = from + 64 * half + 32 * (part % 2) + at, *high = from + Q6_PAIRS + 32 * half + at;
        unsigned char code[16];
        for (int i = 0; i < 16; i++)
            code[i] = (unsigned char)((low[i] >> part / 2 * 4 & 15) | (high[i] >> 2 * part & 3) << 4);
        unsigned char *sub = block + Q6_K_SUBS + j / 2 * Q6_K_SUB;
        sub[j % 2 * BB_PANEL + r] = from[Q6_SIGNED + j];
        put_six(code, sub + 2 * BB_PANEL + j % 2 * Q6_K_HALF + 4 * r);
    }
}

/* The rows that are missing have scales of 0, whatever their codes. */
static void pack_q4_K(const unsigned char *rows, size_t row_bytes, size_t count, size_t in, unsigned char *panel) {
    memset(panel, 0, in / SUPER * Q4_K_BLOCK);
    for (size_t b = 0; b < in / SUPER; b++)
        for (size_t r = 0; r < count; r++)
            pack_q4_row(rows + r * row_bytes + b * BB_K_FILE_Q4, r, panel + b * Q4_K_BLOCK);
}
static void pack_q6_K(const unsigned char *rows, size_t row_bytes, size_t count, size_t in, unsigned char *panel) {
    memset(panel, 0, in / SUPER * Q6_K_BLOCK);
    for (size_t b = 0; b < in / SUPER; b++)
        for (size_t r = 0; r < count; r++)
            pack_q6_row(rows + r * row_bytes + b * BB_K_FILE_Q6, r, panel + b * Q6_K_BLOCK);
}

static const bb_layout layout_q4_K = {
    .type = "q4_K", .act = BB_ACT_INT8_256, .block = SUPER, .block_bytes = Q4_K_BLOCK, .pack = pack_q4_K};
static const bb_layout layout_q6_K = {
    .type = "q6_K", .act = BB_ACT_INT8_256, .block = SUPER, .block_bytes = Q6_K_BLOCK, .offset = 32, .pack = pack_q6_K};

/* ---- portable twins ---- */

static void get_six(const unsigned char *lane, unsigned char *code) {
    for (int i = 0; i < 4; i++) {
        unsigned a = lane[i], b = lane[K_ROW + i], c = lane[2 * K_ROW + i];
        code[i] = a & 63;
        code[4 + i] = b & 63;
        code[8 + i] = c & 63;
        code[12 + i] = (unsigned char)((a >> 6) << 4 | (b >> 6) << 2 | c >> 6);
    }
}

/* A block with one fp32 scale for each `sub` of its codes. */
typedef struct wide_block {
    unsigned char code[SUPER][BB_PANEL];
    float scale[16][BB_PANEL], dmin[BB_PANEL];
    int min[8][BB_PANEL];
} wide_block;

static void widen_q4(const unsigned char *block, wide_block *w) {
    static const int order[4] = {0, 2, 1, 3};
    for (size_t c = 0; c < BB_PANEL; c++) {
        unsigned char six[16];
        float d = half_at(block + 2 * c);
        get_six(block + Q4_K_SCALES + 4 * c, six);
        w->dmin[c] = half_at(block + Q4_K_DMIN + 2 * c);
        for (int j = 0; j < 8; j++) {
            const unsigned char *q = block + Q4_K_CODES + j * Q4_K_SUB + 4 * c;
            w->scale[j][c] = d * (float)six[j];
            w->min[(j & 4) | order[j & 3]][c] = six[8 + j];
            for (int k = 0; k < 16; k++) {
                w->code[32 * j + k][c] = q[k / 4 * K_ROW + k % 4] & 15;
                w->code[32 * j + 16 + k][c] = q[k / 4 * K_ROW + k % 4] >> 4;
            }
        }
    }
}

static void widen_q6(const unsigned char *block, wide_block *w) {
    for (size_t c = 0; c < BB_PANEL; c++) {
        float d = half_at(block + 2 * c);
        for (int j = 0; j < 16; j++) {
            unsigned char code[16];
            const unsigned char *sub = block + Q6_K_SUBS + j / 2 * Q6_K_SUB;
            get_six(sub + 2 * BB_PANEL + j % 2 * Q6_K_HALF + 4 * c, code);
            for (int k = 0; k < 16; k++) w->code[16 * j + k][c] = code[k];
            w->scale[j][c] = d * (float)(signed char)sub[j % 2 * BB_PANEL + (int)c];
        }
    }
}

/* part[c] = fma(scale, the exact sum of `sub` codes, part[c]) for each `sub` of the 256 values, ascending. */
static void sum_block(const bb_acts *a, const wide_block *w, size_t b, size_t t, size_t sub, float *part) {
    for (size_t j = 0; j < SUPER / sub; j++) {
        const signed char *x = (const signed char *)a->values +
                               ((8 * b + j * sub / BB_ACT_BLOCK) * a->tokens + t) * BB_ACT_BLOCK +
                               j * sub % BB_ACT_BLOCK;
        int32_t sum[BB_PANEL];
        for (size_t c = 0; c < BB_PANEL; c++) sum[c] = sub == 16 ? a->starts[(16 * b + j) * a->tokens + t] : 0;
        for (size_t k = 0; k < sub; k++)
            for (size_t c = 0; c < BB_PANEL; c++) sum[c] += w->code[j * sub + k][c] * x[k];
        for (size_t c = 0; c < BB_PANEL; c++) part[c] = fmaf(w->scale[j][c], (float)sum[c], part[c]);
    }
}

/* part = fma(-dmin, the exact sum of minimum * sum of 32 activations, part) */
static void take_mins(const bb_acts *a, const wide_block *w, size_t b, size_t t, float *part) {
    const int16_t *sums = a->sums + (b * a->tokens + t) * 8;
    for (size_t c = 0; c < BB_PANEL; c++) {
        int32_t m = 0;
        for (size_t j = 0; j < 8; j++) m += w->min[j][c] * sums[j];
        part[c] = fmaf(-w->dmin[c], (float)m, part[c]);
    }
}

/* For each 256 values of k in ascending order, from +0: a partial sum from +0 as above (q4_K: 8 of 32, then the
 * minimums; q6_K: 16 of 16), where a scale is the exact product of fp16 and integer; then y = fma(scale of the
 * activations, partial sum, y). */
static void gemm(const bb_gemm *g, size_t first, size_t count, bool q4) {
    const bb_acts *a = g->acts;
    wide_block w;
    for (size_t p = first; p < first + count; p++) {
        size_t left = g->out - p * BB_PANEL, live = left < BB_PANEL ? left : BB_PANEL;
        for (size_t b = 0; b < g->blocks; b++) {
            const unsigned char *block = g->panels + p * g->panel_bytes + b * (q4 ? Q4_K_BLOCK : Q6_K_BLOCK);
            if (q4)
                widen_q4(block, &w);
            else
                widen_q6(block, &w);
            for (size_t t = 0; t < a->tokens; t++) {
                float part[BB_PANEL] = {0}, *y = g->y + t * g->out + p * BB_PANEL, d = a->scales[b * a->tokens + t];
                sum_block(a, &w, b, t, q4 ? 32 : 16, part);
                if (q4) take_mins(a, &w, b, t, part);
                for (size_t c = 0; c < live; c++) y[c] = fmaf(d, part[c], b == 0 ? 0 : y[c]);
            }
        }
    }
}
static void gemm_q4_K_scalar(const bb_gemm *g, size_t first, size_t count) { gemm(g, first, count, true); }
static void gemm_q6_K_scalar(const bb_gemm *g, size_t first, size_t count) { gemm(g, first, count, false); }

/* ---- what the other kernels share ---- */

/* Tiles of like size. */
void bb_gemm_k_run(const bb_gemm *g, size_t first, size_t count, bb_k_tile_fn *tile) {
    bb_k_tile s;
    size_t tokens = g->acts->tokens, tiles = (tokens + BB_K_TILE - 1) / BB_K_TILE;
    for (size_t i = 0, t = 0; i < tiles; i++) {
        size_t n = tokens / tiles + (i < tokens % tiles);
        for (size_t p = first; p < first + count; p++) {
            size_t left = g->out - p * BB_PANEL, live = left < BB_PANEL ? left : BB_PANEL;
            tile(g, g->panels + p * g->panel_bytes, t, n, &s);
            for (size_t k = 0; k < n; k++) memcpy(g->y + (t + k) * g->out + p * BB_PANEL, s.y[k], live * sizeof(float));
        }
        t += n;
    }
}

/* ---- bounds ---- */

/* A term passes 8 sums of 32, the minimums and one sum for each 256; then What's difference, xhat, and the sum that is
 * its magnitude below. */
static size_t roundings_q4(size_t in) { return in / SUPER + 8 + 1 + 3; }
/* 16 sums of 16 and one for each 256; xhat. What = d * scale * code has 11 + 7 + 5 bits (or a power of two): exact. */
static size_t roundings_q6(size_t in) { return in / SUPER + 16 + 1; }
/* Partial sums are multiples of 2^-24, as fp16 is: only their products with the scale of the activations underflow. */
static size_t underflows(size_t in) { return in / SUPER; }

/* |d * scale * code| + |dmin * minimum|, both exact products. */
static void magnitudes_q4(const unsigned char *data, size_t rows, size_t cols, float *magnitude) {
    for (size_t b = 0; b < rows * (cols / SUPER); b++, data += BB_K_FILE_Q4) {
        float d = fabsf(half_at(data)), dmin = fabsf(half_at(data + Q4_MIN));
        for (int j = 0; j < 8; j++) {
            float scale = d * (float)bb_k45_scale(data + Q4_SIX, j), min = dmin * (float)bb_k45_min(data + Q4_SIX, j);
            for (int i = 0; i < 32; i++) {
                int code = data[Q4_NIBBLES + 32 * (j / 2) + i] >> j % 2 * 4 & 15;
                *magnitude++ = scale * (float)code + min;
            }
        }
    }
}

const bb_gemm_family bb_gemm_q4_K = {
    .layout = &layout_q4_K,
    .name = "gemm_q4_K",
    .roundings = roundings_q4,
    .underflows = underflows,
    .magnitudes = magnitudes_q4,
    .kernels = {{&bb_gemm_q4_K, BB_LEVEL_SCALAR, gemm_q4_K_scalar},
#if BB_X86
                {&bb_gemm_q4_K, BB_LEVEL_AVX2, bb_gemm_q4_K_avx2},
                {&bb_gemm_q4_K, BB_LEVEL_AVX_VNNI, bb_gemm_q4_K_avx_vnni},
                {&bb_gemm_q4_K, BB_LEVEL_AVX512_VNNI, bb_gemm_q4_K_avx512_vnni}
#endif
    },
};
const bb_gemm_family bb_gemm_q6_K = {
    .layout = &layout_q6_K,
    .name = "gemm_q6_K",
    .roundings = roundings_q6,
    .underflows = underflows,
    .kernels = {{&bb_gemm_q6_K, BB_LEVEL_SCALAR, gemm_q6_K_scalar},
#if BB_X86
                {&bb_gemm_q6_K, BB_LEVEL_AVX2, bb_gemm_q6_K_avx2},
                {&bb_gemm_q6_K, BB_LEVEL_AVX_VNNI, bb_gemm_q6_K_avx_vnni},
                {&bb_gemm_q6_K, BB_LEVEL_AVX512_VNNI, bb_gemm_q6_K_avx512_vnni}
#endif
    },
};
