/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_half.c - fp16 and bf16 words against the generic conversion: every word, and a stride through all of fp32. */
#include "format/format.h"
#include "format/half.h"
#include "harness.h"
#include <math.h>
#include <string.h>

static float float_of(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static uint32_t bits_of(float x) {
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

START_TEST(every_word) {
    const bb_format *fp16 = bb_format_find("fp16", NULL), *bf16 = bb_format_find("bf16", NULL);
    for (uint32_t w = 0; w < 1u << 16; w++) {
        double h = bb_format_decode(fp16, w), b = bb_format_decode(bf16, w);
        float x = bb_f16_to_f32((uint16_t)w), y = bb_bf16_to_f32((uint16_t)w);
        ck_assert_msg(isnan(h) ? isnan(x) : bits_of(x) == bits_of((float)h), "fp16 %04x: %a", w, (double)x);
        ck_assert_msg(isnan(b) ? isnan(y) : bits_of(y) == bits_of((float)b), "bf16 %04x: %a", w, (double)y);
        uint32_t again = bb_f32_to_f16(x), bagain = bb_f32_to_bf16(y);
        ck_assert_msg(isnan(h) ? again == ((w & 0x8000) | 0x7E00) : again == w, "fp16 %04x: back as %04x", w, again);
        ck_assert_msg(bagain == (isnan(b) ? w | 0x40 : w), "bf16 %04x: back as %04x", w, bagain);
    }
}
END_TEST

static void compare(const bb_format *fp16, const bb_format *bf16, uint32_t u) {
    float x = float_of(u);
    uint64_t h = 0, b = 0;
    if (isnan(x)) {
        h = (u >> 16 & 0x8000) | 0x7E00;
        b = u >> 16 | 0x40;
    } else if (bb_format_encode(fp16, (double)x, NULL, &h, NULL) != BB_OK ||
               bb_format_encode(bf16, (double)x, NULL, &b, NULL) != BB_OK)
        ck_abort_msg("%08x", u);
    if (bb_f32_to_f16(x) != h || bb_f32_to_bf16(x) != b)
        ck_abort_msg("%08x: %04x %04x, expected %04x %04x", u, bb_f32_to_f16(x), bb_f32_to_bf16(x), (unsigned)h,
                     (unsigned)b);
}

/* BB_SLOW: all 2^32; else every 4999th, which is prime, and the words around each tie and each binade of fp16. */
START_TEST(words_of_fp32) {
    const bb_format *fp16 = bb_format_find("fp16", NULL), *bf16 = bb_format_find("bf16", NULL);
    uint64_t step = getenv("BB_SLOW") ? 1 : 4999;
    for (uint64_t u = 0; u < 1ull << 32; u += step) compare(fp16, bf16, (uint32_t)u);
    for (uint32_t w = 0; w < 1u << 16; w++) {
        uint32_t tie = w << 16 | 0x8000, even = w << 16, half = bits_of(bb_f16_to_f32((uint16_t)w)) + 0x1000;
        for (uint32_t d = 0; d < 3; d++) {
            compare(fp16, bf16, tie - 1 + d);
            compare(fp16, bf16, even - 1 + d);
            compare(fp16, bf16, half - 1 + d);
        }
    }
}
END_TEST

static void same_words(const unsigned char *words, size_t n, bb_isa isa, float *x) {
    bb_f16_to_f32_n(words, n, isa, x);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(bits_of(x[i]), bits_of(bb_f16_to_f32((uint16_t)(words[2 * i] | words[2 * i + 1] << 8))));
    bb_bf16_to_f32_n(words, n, isa, x);
    for (size_t i = 0; i < n; i++)
        ck_assert_uint_eq(bits_of(x[i]), bits_of(bb_bf16_to_f32((uint16_t)(words[2 * i] | words[2 * i + 1] << 8))));
}

static void same_floats(const float *x, size_t n, bb_isa isa, unsigned char *words) {
    bb_f32_to_f16_n(x, n, isa, words);
    for (size_t i = 0; i < n; i++) ck_assert_uint_eq(words[2 * i] | words[2 * i + 1] << 8, bb_f32_to_f16(x[i]));
    bb_f32_to_bf16_n(x, n, isa, words);
    for (size_t i = 0; i < n; i++) ck_assert_uint_eq(words[2 * i] | words[2 * i + 1] << 8, bb_f32_to_bf16(x[i]));
}

/* Arrays as their elements: every word, fp32 of every exponent, each length of a tail, addresses that are odd. */
START_TEST(arrays) {
    enum { N = 1 << 16 };
    unsigned char *words = malloc(2 * N + 1);
    float *x = malloc(sizeof(float) * N);
    for (bb_isa isa = BB_ISA_SCALAR; isa <= BB_ISA_AVX512; isa++) {
        for (uint32_t w = 0; w < N; w++) {
            words[1 + 2 * w] = (unsigned char)w;
            words[2 + 2 * w] = (unsigned char)(w >> 8);
        }
        same_words(words + 1, N, isa, x);
        for (size_t n = 0; n < 40; n++) same_words(words + 1 + 2 * (N - 100), n, isa, x);
        for (uint32_t i = 0; i < N; i++) x[i] = float_of(i << 16 | (i * 40503 & 0xFFFF));
        same_floats(x, N, isa, words + 1);
        for (size_t n = 0; n < 40; n++) same_floats(x + N - 100, n, isa, words + 1);
        for (uint32_t i = 0; i < N; i++) x[i] = float_of(bits_of(bb_f16_to_f32((uint16_t)i)) + 0x1000 * (i % 3));
        same_floats(x, N, isa, words + 1);
    }
    free(words);
    free(x);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("half");
    TCase *t = tcase_create("half");
    tcase_set_timeout(t, 3600);
    tcase_add_test(t, every_word);
    tcase_add_test(t, words_of_fp32);
    tcase_add_test(t, arrays);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
