/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_scales.c - the table of scales against the decoders: what is read as a scale is one. */
#include "format/half.h"
#include "harness.h"
#include "quant/quant.h"
#include "quant/scales.h"
#include <math.h>
#include <string.h>

enum { COLS = 256, BYTES_MAX = 512 };

static void fill(float *x, float magnitude) {
    for (int i = 0; i < COLS; i++) x[i] = magnitude * ((float)(i * 37 % 101 - 50) / 50);
}

static void put(const bb_scale_layout *l, unsigned char *block, size_t i, float v) {
    uint16_t h = bb_f32_to_f16(v);
    uint32_t u;
    memcpy(&u, &v, sizeof u);
    if (l->kind == BB_SCALE_FP16) memcpy(block + l->at[i], &h, 2);
    if (l->kind == BB_SCALE_FP32) memcpy(block + l->at[i], &u, 4);
    for (size_t k = 0; l->kind == BB_SCALE_SPREAD16 && k < 4; k++)
        block[l->at[i] + 2 * k + 1] = (unsigned char)((block[l->at[i] + 2 * k + 1] & 15) | (h >> 4 * k & 15) << 4);
}

/* All scales of every block of a row. */
static void put_all(const bb_dtype *t, const bb_scale_layout *l, unsigned char *row, float v) {
    for (size_t b = 0; b < COLS / t->block; b++)
        for (size_t i = 0; i < l->n; i++) put(l, row + b * t->block_bytes, i, v);
}

/* Scales times 2 are values times 2; a scale of NaN is a row of it. */
START_TEST(scales_scale) {
    unsigned char row[BYTES_MAX];
    float x[COLS], one[COLS], two[COLS], v;
    for (size_t k = 0; k < bb_dtype_count(); k++) {
        const bb_dtype *t = bb_dtype_at(k);
        const bb_scale_layout *l = bb_scale_layout_find(t);
        if (!l || l->kind == BB_SCALE_E8M0 || l->kind == BB_SCALE_UE4M3 || !bb_codec_find(t, BB_ISA_SCALAR)) continue;
        fill(x, 1);
        if (bb_codec_find(t, BB_ISA_SCALAR)->encode)
            ck_assert_int_eq(bb_quantize_rows(t, x, 1, COLS, NULL, row), BB_OK);
        else
            for (int i = 0; i < BYTES_MAX; i++) row[i] = (unsigned char)(i * 73);
        put_all(t, l, row, 0.5F);
        ck_assert_int_eq(bb_dequantize_rows(t, row, 1, COLS, one), BB_OK);
        put_all(t, l, row, 1);
        ck_assert_int_eq(bb_dequantize_rows(t, row, 1, COLS, two), BB_OK);
        for (int i = 0; i < COLS; i++)
            ck_assert_msg(two[i] >= 2 * one[i] && two[i] <= 2 * one[i], "%s: element %d", t->name, i);
        ck_assert_int_eq(bb_scale_read(l, row, l->n - 1U, &v), BB_SCALE_FINE);
        put(l, row, 0, (float)NAN);
        ck_assert_int_eq(bb_scale_read(l, row, 0, &v), BB_SCALE_NAN);
        ck_assert_int_eq(bb_dequantize_rows(t, row, 1, COLS, two), BB_OK);
        for (uint32_t i = 0; i < t->block; i++) ck_assert_msg(isnan(two[i]), "%s: element %u", t->name, i);
    }
}
END_TEST

/* Blocks of zeros are fine; values so small that fp16 has no scale for them are lost. */
START_TEST(lost) {
    unsigned char row[BYTES_MAX];
    float x[COLS];
    for (size_t k = 0; k < bb_dtype_count(); k++) {
        const bb_dtype *t = bb_dtype_at(k);
        const bb_scale_layout *l = bb_scale_layout_find(t);
        const bb_codec *c = bb_codec_find(t, BB_ISA_SCALAR);
        if (!l || !c || !c->encode || !l->code_bytes) continue;
        fill(x, 0);
        ck_assert_int_eq(bb_quantize_rows(t, x, 1, COLS, NULL, row), BB_OK);
        ck_assert_msg(!bb_scale_lost(l, row), "%s: zeros", t->name);
        if (l->kind != BB_SCALE_FP16) continue;
        fill(x, 1e-10F);
        ck_assert_int_eq(bb_quantize_rows(t, x, 1, COLS, NULL, row), BB_OK);
        ck_assert_msg(bb_scale_lost(l, row), "%s: tiny values", t->name);
    }
}
END_TEST

START_TEST(states) {
    const bb_scale_layout *mx = bb_scale_layout_find(bb_dtype_find("mxfp4", NULL));
    const bb_scale_layout *nv = bb_scale_layout_find(bb_dtype_find("nvfp4", NULL));
    const bb_scale_layout *q8 = bb_scale_layout_find(bb_dtype_find("q8_0", NULL));
    unsigned char block[64] = {0xFF, 0x7E, 0x7F, 0x38};
    float v;
    ck_assert_int_eq(bb_scale_read(mx, block, 0, &v), BB_SCALE_NAN);
    ck_assert_int_eq(bb_scale_read(nv, block, 1, &v), BB_SCALE_LARGEST);
    ck_assert(v >= 448 && v <= 448);
    ck_assert_int_eq(bb_scale_read(nv, block, 2, &v), BB_SCALE_NAN);
    ck_assert_int_eq(bb_scale_read(nv, block, 3, &v), BB_SCALE_FINE);
    ck_assert(v >= 1 && v <= 1);
    put(q8, block, 0, 65504);
    ck_assert_int_eq(bb_scale_read(q8, block, 0, &v), BB_SCALE_LARGEST);
    put(q8, block, 0, (float)INFINITY);
    ck_assert_int_eq(bb_scale_read(q8, block, 0, &v), BB_SCALE_INFINITE);
    memset(block, 127, sizeof block);
    ck_assert_uint_eq(bb_scale_end_codes(q8, block), 32);
    ck_assert_ptr_eq(bb_scale_layout_find(bb_dtype_find("f16", NULL)), NULL);
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("scales");
    TCase *c = tcase_create("scales");
    tcase_add_test(c, scales_scale);
    tcase_add_test(c, lost);
    tcase_add_test(c, states);
    suite_add_tcase(s, c);
    return s;
}
TEST_MAIN(make_suite)
