/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_gemm_q32.c - groups of 32: every code in its place and exact, nf4's codes, every scale, the 256-bit kernels. */
#include "base/random.h"
#include "format/half.h"
#include "harness.h"
#include "kernel/gemm_q32.h"
#include "kernel/kernel.h"
#include "quant/codec_bnb.h"
#include <math.h>
#include <string.h>

#if BB_X86
/* The kernels of AVX-VNNI with the same instruction as AVX-512 VNNI encodes it, for processors that have only that. */
#define DOT_TARGET          BB_TARGET_AVX512_VNNI
#define DOT_STEP(acc, u, s) _mm256_dpbusd_epi32(acc, u, s)
#define GEMM_NAME(type)     gemm_##type##_evex
static bb_gemm_fn gemm_q8_0_evex, gemm_q4_0_evex, gemm_iq4_nl_evex, gemm_mxfp4_evex, gemm_nf4_evex;
#include "kernel/gemm_q32_256.h"
#endif

enum { Q8_0, Q4_0, IQ4_NL, MXFP4, NF4, TYPES };
static const struct type {
    const bb_gemm_family *family;
    size_t block, block_bytes, scale_bytes;
} types[TYPES] = {{&bb_gemm_q8_0, 32, 34, 2},
                  {&bb_gemm_q4_0, 32, 18, 2},
                  {&bb_gemm_iq4_nl, 32, 18, 2},
                  {&bb_gemm_mxfp4, 32, 17, 1},
                  {&bb_gemm_nf4, BB_Q32_NF4_BLOCK, BB_Q32_NF4_BYTES, 4}};

/* Kernel i of a type, then the one of above; NULL at the end. */
static const bb_kernel *kernel_at(size_t type, size_t i) {
    const bb_gemm_family *f = types[type].family;
    size_t n = 0;
    while (n < 5 && f->kernels[n].run) n++;
    if (i < n) return &f->kernels[i];
#if BB_X86
    static const bb_kernel evex[TYPES] = {{&bb_gemm_q8_0, BB_LEVEL_AVX512_VNNI, gemm_q8_0_evex},
                                          {&bb_gemm_q4_0, BB_LEVEL_AVX512_VNNI, gemm_q4_0_evex},
                                          {&bb_gemm_iq4_nl, BB_LEVEL_AVX512_VNNI, gemm_iq4_nl_evex},
                                          {&bb_gemm_mxfp4, BB_LEVEL_AVX512_VNNI, gemm_mxfp4_evex},
                                          {&bb_gemm_nf4, BB_LEVEL_AVX512_VNNI, gemm_nf4_evex}};
    if (i == n) return &evex[type];
#endif
    return NULL;
}

typedef struct product {
    size_t type, tokens, out, in;
    const bb_dtype *dtype;
    unsigned char *data;
    float *x, *y, *want; /* [tokens][in], [tokens][out] */
    bb_packed *packed;
} product;

/* Zeros. */
static product make(size_t type, size_t tokens, size_t out, size_t in) {
    product p = {.type = type, .tokens = tokens, .out = out, .in = in};
    p.dtype = bb_dtype_find(types[type].family->layout->type, NULL);
    p.data = calloc(out * (in / types[type].block), types[type].block_bytes);
    p.x = calloc(tokens * in, sizeof *p.x);
    p.y = malloc(tokens * out * sizeof *p.y);
    p.want = malloc(tokens * out * sizeof *p.want);
    return p;
}
static unsigned char *block_at(const product *p, size_t b) { return p->data + b * types[p->type].block_bytes; }
static size_t data_bytes(const product *p) {
    return p->out * (p->in / types[p->type].block) * types[p->type].block_bytes;
}
static void pack(product *p) { ck_assert_int_eq(bb_pack(p->dtype, p->data, p->out, p->in, &p->packed), BB_OK); }
/* False where this processor lacks the kernel. */
static bool run(product *p, const bb_kernel *k, float *y) {
    bb_matmul_opts o = {.kernel = k};
    if (!bb_level_runs(k->level)) return false;
    memset(y, 0xA5, p->tokens * p->out * sizeof *y);
    ck_assert_int_eq(bb_matmul_as(p->packed, p->x, p->tokens, &o, y), BB_OK);
    return true;
}
static void drop(product *p) {
    bb_packed_free(p->packed);
    free(p->data);
    free(p->x);
    free(p->y);
    free(p->want);
}

/* Every kernel that runs here gives the bits of the twin; NaN is NaN. */
static void check_bits(product *p) {
    const bb_kernel *k = kernel_at(p->type, 0);
    ck_assert(run(p, k, p->want));
    for (size_t i = 1; (k = kernel_at(p->type, i)) != NULL; i++) {
        if (!run(p, k, p->y)) continue;
        for (size_t n = 0; n < p->tokens * p->out; n++)
            if (memcmp(&p->y[n], &p->want[n], sizeof *p->y) != 0 && !(isnan(p->y[n]) && isnan(p->want[n])))
                ck_abort_msg("%s %s %zux%zux%zu, %zu: %a, not %a", k->family->name, bb_level_name(k->level), p->tokens,
                             p->out, p->in, n, (double)p->y[n], (double)p->want[n]);
    }
}

/* A scale of 1 and code c at element i of a block. */
static void put_code(const product *p, unsigned char *block, size_t i, unsigned c) {
    const unsigned char ones[TYPES][4] = {{0, 0x3C}, {0, 0x3C}, {0, 0x3C}, {128}, {0, 0, 0x80, 0x3F}};
    size_t scale = types[p->type].scale_bytes;
    memcpy(block, ones[p->type], scale);
    if (p->type == Q8_0)
        block[scale + i] = (unsigned char)c;
    else if (p->type == NF4)
        block[scale + i / 2] |= (unsigned char)(i % 2 ? c : c << 4);
    else
        block[scale + i % 16] |= (unsigned char)(i < 16 ? c : c << 4);
}

/* Token i is 127 at element i and 0 elsewhere, row r has code (r + i) mod 16 there: every code in every place. */
START_TEST(every_code_in_every_place) {
    enum { BLOCKS = 3, ROWS = 48 };
    size_t in = BLOCKS * types[_i].block;
    product p = make((size_t)_i, in, ROWS, in);
    float *what = malloc(ROWS * in * sizeof *what);
    double worst = 0;
    for (size_t i = 0; i < in; i++) p.x[i * in + i] = 127;
    for (size_t r = 0; r < ROWS; r++)
        for (size_t i = 0; i < in; i++)
            put_code(&p, block_at(&p, r * BLOCKS + i / p.dtype->block), i % p.dtype->block,
                     (unsigned)((r + i) % 16 * (_i == Q8_0 ? 17 : 1)));
    pack(&p);
    ck_assert_int_eq(bb_dequantize_rows(p.dtype, p.data, ROWS, in, what), BB_OK);
    const bb_kernel *kernel;
    for (size_t k = 0; (kernel = kernel_at(p.type, k)) != NULL; k++) {
        if (!run(&p, kernel, p.y)) continue;
        for (size_t i = 0; i < in; i++)
            for (size_t r = 0; r < ROWS; r++) {
                double v = (double)what[r * in + i], y = (double)p.y[i * ROWS + r] / 127;
                if (_i != NF4 || v == 0)
                    ck_assert_double_eq(y, v);
                else if (fabs(y - v) > worst * fabs(v))
                    worst = fabs(y - v) / fabs(v);
            }
    }
    ck_assert_double_le(worst, bb_gemm_nf4.code_error);
    if (_i == NF4) ck_assert_double_ge(worst, 0.99 * bb_gemm_nf4.code_error); /* so it is not larger than need be */
    free(what);
    drop(&p);
}
END_TEST

/* Without the rounding of codes, as double computes it from nf4's 16 values rounded to multiples of 1 / 123.26. */
START_TEST(nf4_is_what_its_integers_say) {
    enum { TOKENS = 5, ROWS = 33, IN = 320 };
    product p = make(NF4, TOKENS, ROWS, IN);
    const float *values = bb_bnb_values(BB_BNB_NF4);
    float w[ROWS * IN], xhat[TOKENS * IN];
    for (size_t i = 0; i < ROWS * IN; i++) w[i] = (float)(bb_random_unit(1, i) - 0.5);
    for (size_t i = 0; i < TOKENS * IN; i++) p.x[i] = (float)(bb_random_unit(2, i) - 0.5);
    ck_assert_int_eq(bb_quantize_rows(p.dtype, w, ROWS, IN, NULL, p.data), BB_OK);
    ck_assert_int_eq(bb_acts_roundtrip(BB_ACT_INT8_32, p.x, TOKENS, IN, xhat), BB_OK);
    pack(&p);
    ck_assert(run(&p, kernel_at(NF4, 0), p.y));
    for (size_t t = 0; t < TOKENS; t++)
        for (size_t r = 0; r < ROWS; r++) {
            double sum = 0, mass = 0;
            for (size_t i = 0; i < IN; i++) {
                const unsigned char *block = block_at(&p, r * (IN / 64) + i / 64);
                float absmax;
                memcpy(&absmax, block, sizeof absmax);
                unsigned code = i % 2 ? block[4 + i % 64 / 2] & 15u : block[4 + i % 64 / 2] >> 4;
                double term =
                    (double)absmax * rint((double)values[code] * 123.26) / (double)123.26f * (double)xhat[t * IN + i];
                sum += term;
                mass += fabs(term);
            }
            ck_assert_double_le(fabs((double)p.y[t * ROWS + r] - sum), 16 * 0x1p-24 * mass);
        }
    drop(&p);
}
END_TEST

/* All scales of a type but nf4's, one a row, times 127. */
START_TEST(every_scale) {
    bool half = types[_i].scale_bytes == 2;
    size_t rows = half ? 65536 : 256;
    product p = make((size_t)_i, 1, rows, 32);
    float *what = malloc(rows * 32 * sizeof *what);
    p.x[5] = 127;
    for (size_t r = 0; r < rows; r++) {
        unsigned char *block = block_at(&p, r);
        put_code(&p, block, 5, 1);
        block[0] = (unsigned char)r;
        if (half) block[1] = (unsigned char)(r >> 8);
    }
    pack(&p);
    check_bits(&p);
    ck_assert_int_eq(bb_dequantize_rows(p.dtype, p.data, rows, 32, what), BB_OK);
    for (size_t r = 0; r < rows; r++) {
        float want = what[r * 32 + 5] * 127;
        if (isfinite(want)) ck_assert_double_eq((double)p.want[r], (double)want);
    }
    free(what);
    drop(&p);
}
END_TEST

/* Whatever a file holds, around the sizes of tiles and panels. */
START_TEST(any_bytes_give_the_bits_of_the_twin) {
    static const size_t tokens[] = {1, 2, 3, 4, 5, 63, 64, 65, 131}, rows[] = {1, 15, 16, 17, 31, 32, 33, 70};
    for (size_t a = 0; a < sizeof tokens / sizeof *tokens; a++)
        for (size_t b = 0; b < sizeof rows / sizeof *rows; b++)
            for (size_t blocks = 1; blocks <= 7; blocks += 3) {
                uint64_t seed = 100 * a + 10 * b + blocks;
                product p = make((size_t)_i, tokens[a], rows[b], blocks * types[_i].block);
                for (size_t i = 0; i < data_bytes(&p); i++) p.data[i] = (unsigned char)bb_random_u64(seed, i);
                for (size_t i = 0; i < p.tokens * p.in; i++)
                    p.x[i] = (float)((bb_random_unit(seed + 1, i) - 0.5) * exp2(8 * bb_random_unit(seed + 2, i)));
                pack(&p);
                check_bits(&p);
                drop(&p);
            }
}
END_TEST

/* The codes farthest from 0 times the largest activations: no sum of a kernel overflows. */
START_TEST(the_largest_sums_are_exact) {
    product p = make((size_t)_i, 2, 32, 64);
    float *what = malloc(32 * 64 * sizeof *what);
    for (size_t r = 0; r < 32; r++)
        for (size_t i = 0; i < 64; i++) {
            static const unsigned codes[TYPES][2] = {{0x80, 0x7F}, {0, 15}, {0, 15}, {15, 7}, {0, 15}};
            put_code(&p, block_at(&p, (r * 64 + i) / p.dtype->block), i % p.dtype->block, codes[_i][r % 2]);
        }
    for (size_t i = 0; i < 64; i++) {
        p.x[i] = 127;
        p.x[64 + i] = -127;
    }
    pack(&p);
    check_bits(&p);
    ck_assert_int_eq(bb_dequantize_rows(p.dtype, p.data, 32, 64, what), BB_OK);
    for (size_t r = 0; _i != NF4 && r < 32; r++) {
        ck_assert_double_eq((double)p.want[r], (double)what[r * 64] * 127 * 64);
        ck_assert_double_eq((double)p.want[32 + r], -(double)p.want[r]);
    }
    free(what);
    drop(&p);
}
END_TEST

START_TEST(blocks_are_those_of_the_type) {
    const bb_dtype *t = bb_dtype_find(types[_i].family->layout->type, NULL);
    ck_assert_uint_eq(t->block, types[_i].block);
    ck_assert_uint_eq(t->block_bytes, types[_i].block_bytes);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("gemm_q32");
    TCase *t = tcase_create("gemm_q32");
    for (size_t type = 0; type < TYPES; type++)
        for (const bb_kernel *k = types[type].family->kernels; k->run; k++)
            if (!bb_level_runs(k->level))
                fprintf(stderr, "# skipped: %s %s does not run here\n", k->family->name, bb_level_name(k->level));
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, blocks_are_those_of_the_type, 0, TYPES);
    tcase_add_loop_test(t, every_code_in_every_place, 0, TYPES);
    tcase_add_test(t, nf4_is_what_its_integers_say);
    tcase_add_loop_test(t, every_scale, 0, NF4);
    tcase_add_loop_test(t, any_bytes_give_the_bits_of_the_twin, 0, TYPES);
    tcase_add_loop_test(t, the_largest_sums_are_exact, 0, TYPES);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
