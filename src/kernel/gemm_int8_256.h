/* SPDX-License-Identifier: GPL-3.0-or-later */
/* gemm_int8_256.h - int8 a row in registers of 256 bits: the bits of gemm_int8.c. Included once by an instruction set.
 *
 * Before it: what dot_256.h wants, and GEMM_NAME(type), a kernel's name. */
#ifndef BB_KERNEL_GEMM_INT8_256_H
#define BB_KERNEL_GEMM_INT8_256_H
#include "kernel/dot_256.h"
#include "kernel/gemm_int8.h"

/* Tokens whose sums of a panel stay in the first level of cache (8 KiB) while the panel is read. */
enum { INT8_TILE = 64, INT8_QUAD = 4 * BB_PANEL };

DOT_FN __m256i int8_sum(const int32_t *sum) { return _mm256_load_si256((const __m256i *)(const void *)sum); }
DOT_FN void int8_keep(int32_t *sum, __m256i v) { _mm256_store_si256((__m256i *)(void *)sum, v); }

/* Rows 0..15 of codes and n <= 4 tokens of a block, added to sum [n] in rows of a panel. The sums are named, not an
 * array, so that they stay in registers. */
DOT_FN void int8_tokens(size_t n, const unsigned char *codes, const signed char *x, int32_t *sum) {
    const dot_range r = DOT_VALUES_128;
#define EACH(M) M(0) M(1) M(2) M(3)
#define FIRST(i)                                                                                                       \
    __m256i a##i = int8_sum(i < n ? sum + BB_PANEL * i : sum), b##i = int8_sum(i < n ? sum + BB_PANEL * i + 8 : sum);
#define STEP(i)                                                                                                        \
    if (i < n) {                                                                                                       \
        __m256i v = dot_four(x + i * BB_INT8_BLOCK + 4 * q);                                                           \
        a##i = dot_step(r, a##i, w0, v);                                                                               \
        b##i = dot_step(r, b##i, w1, v);                                                                               \
        DOT_KEEP(a##i);                                                                                                \
        DOT_KEEP(b##i);                                                                                                \
    }
#define LAST(i)                                                                                                        \
    if (i < n) {                                                                                                       \
        int8_keep(sum + BB_PANEL * i, a##i);                                                                           \
        int8_keep(sum + BB_PANEL * i + 8, b##i);                                                                       \
    }
    EACH(FIRST)
    for (size_t q = 0; q < BB_INT8_BLOCK / 4; q++) {
        dot_weights w0 = dot_prepare(r, dot_bytes(codes + INT8_QUAD * q));
        dot_weights w1 = dot_prepare(r, dot_bytes(codes + INT8_QUAD * q + 32));
        EACH(STEP)
    }
    EACH(LAST)
#undef EACH
#undef FIRST
#undef STEP
#undef LAST
}

/* A panel times one token, its lines in ascending order: what the processor's prefetch follows. */
DOT_FN void int8_one(const bb_acts *a, const unsigned char *codes, int32_t *sum) {
    const dot_range r = DOT_VALUES_128;
    const signed char *x = a->values;
    __m256i a0 = int8_sum(sum), a1 = a0, a2 = a0, a3 = a0;
    for (size_t k = 0; k < a->blocks * BB_INT8_BLOCK; k += 4, codes += INT8_QUAD) {
        __m256i v = dot_four(x + k);
        a0 = dot_step(r, a0, dot_prepare(r, dot_bytes(codes)), v);
        a1 = dot_step(r, a1, dot_prepare(r, dot_bytes(codes + 32)), v);
        a2 = dot_step(r, a2, dot_prepare(r, dot_bytes(codes + 64)), v);
        a3 = dot_step(r, a3, dot_prepare(r, dot_bytes(codes + 96)), v);
    }
    int8_keep(sum, a0);
    int8_keep(sum + 8, a1);
    int8_keep(sum + 16, a2);
    int8_keep(sum + 24, a3);
}

DOT_FN void int8_tile(const bb_acts *a, const unsigned char *codes, size_t first, size_t count,
                      int32_t (*sum)[BB_PANEL]) {
    for (size_t b = 0; b < a->blocks; b++, codes += BB_INT8_BLOCK * BB_PANEL) {
        const signed char *x = (const signed char *)a->values + (b * a->tokens + first) * BB_INT8_BLOCK;
        for (size_t r = 0; r < BB_PANEL; r += 16)
            for (size_t t = 0; t < count; t++) {
                const signed char *xt = x + t * BB_INT8_BLOCK;
                if (count - t < DOT_TOKENS) {
                    int8_tokens(1, codes + 4 * r, xt, sum[t] + r);
                    continue;
                }
                /* the next block's, far away when the tokens are many */
                for (size_t i = 0; i < DOT_TOKENS * BB_INT8_BLOCK; i += 64)
                    _mm_prefetch((const char *)((uintptr_t)xt + a->tokens * BB_INT8_BLOCK + i), _MM_HINT_T0);
                int8_tokens(DOT_TOKENS, codes + 4 * r, xt, sum[t] + r);
                t += DOT_TOKENS - 1;
            }
    }
}

DOT_FN void int8_put(const int32_t *sum, const float *scales, float d, size_t live, float *to) {
    float y[BB_PANEL];
    for (size_t i = 0; i < BB_PANEL; i += 8) {
        __m256 product = _mm256_mul_ps(_mm256_set1_ps(d), _mm256_cvtepi32_ps(int8_sum(sum + i)));
        _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_loadu_ps(scales + i), product));
    }
    memcpy(to, y, (live < BB_PANEL ? live : BB_PANEL) * sizeof *to);
}

DOT_TARGET void GEMM_NAME(int8)(const bb_gemm *g, size_t first, size_t count) {
    _Alignas(32) int32_t sum[INT8_TILE][BB_PANEL];
    const bb_acts *a = g->acts;
    for (size_t at = 0; at < a->tokens; at += INT8_TILE) {
        size_t left = a->tokens - at, n = left < INT8_TILE ? left : INT8_TILE;
        for (size_t p = first; p < first + count; p++) {
            const unsigned char *panel = g->panels + p * g->panel_bytes;
            for (size_t t = 0; t < n; t++)
                for (size_t i = 0; i < BB_PANEL; i += 8)
                    int8_keep(sum[t] + i, dot_first(DOT_VALUES_128, a->starts[at + t]));
            if (a->tokens == 1)
                int8_one(a, panel + BB_INT8_HEAD, sum[0]);
            else
                int8_tile(a, panel + BB_INT8_HEAD, at, n, sum);
            for (size_t t = 0; t < n; t++)
                int8_put(sum[t], (const float *)(const void *)panel, a->scales[at + t], g->out - p * BB_PANEL,
                         g->y + (at + t) * g->out + p * BB_PANEL);
        }
    }
}
#endif
