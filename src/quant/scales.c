/* SPDX-License-Identifier: GPL-3.0-or-later */
/* scales.c - the table of block layouts and reading scales by it. */
#include "quant/scales.h"
#include "format/half.h"
#include <math.h>
#include <string.h>

/* ggml 0.25.1, ggml-common.h (specs/ggml.md 3.2). The codes of a block of zeros are alike byte for byte but for tq1_0's
 * qh, which packs four digits where qs packs five, and for types whose codes are indices of a grid. */
static const bb_scale_layout table[] = {
    {"q4_0", BB_SCALE_FP16, 1, 0, {0}, 2, 16, 4},
    {"q4_1", BB_SCALE_FP16, 2, 1, {0, 2}, 4, 16, 4},
    {"q5_0", BB_SCALE_FP16, 1, 0, {0}, 6, 16, 0},
    {"q5_1", BB_SCALE_FP16, 2, 1, {0, 2}, 4, 20, 0},
    {"q8_0", BB_SCALE_FP16, 1, 0, {0}, 2, 32, 8},
    {"q8_1", BB_SCALE_FP16, 2, 1, {0, 2}, 4, 32, 8},
    {"q2_K", BB_SCALE_FP16, 2, 1, {80, 82}, 16, 64, 0},
    {"q3_K", BB_SCALE_FP16, 1, 0, {108}, 0, 96, 0},
    {"q4_K", BB_SCALE_FP16, 2, 1, {0, 2}, 16, 128, 4},
    {"q5_K", BB_SCALE_FP16, 2, 1, {0, 2}, 16, 160, 0},
    {"q6_K", BB_SCALE_FP16, 1, 0, {208}, 0, 192, 0},
    {"q8_K", BB_SCALE_FP32, 1, 0, {0}, 4, 255, 0},
    {"iq2_xxs", BB_SCALE_FP16, 1, 0, {0}, 0, 0, 0},
    {"iq2_xs", BB_SCALE_FP16, 1, 0, {0}, 0, 0, 0},
    {"iq2_s", BB_SCALE_FP16, 1, 0, {0}, 0, 0, 0},
    {"iq3_xxs", BB_SCALE_FP16, 1, 0, {0}, 0, 0, 0},
    {"iq3_s", BB_SCALE_FP16, 1, 0, {0}, 0, 0, 0},
    {"iq1_s", BB_SCALE_FP16, 1, 0, {0}, 0, 0, 0},
    {"iq1_m", BB_SCALE_SPREAD16, 1, 0, {48}, 0, 0, 0},
    {"iq4_nl", BB_SCALE_FP16, 1, 0, {0}, 2, 16, 4},
    {"iq4_xs", BB_SCALE_FP16, 1, 0, {0}, 8, 128, 4},
    {"tq1_0", BB_SCALE_FP16, 1, 0, {52}, 0, 48, 0},
    {"tq2_0", BB_SCALE_FP16, 1, 0, {64}, 0, 64, 0},
    {"mxfp4", BB_SCALE_E8M0, 1, 0, {0}, 1, 16, 0},
    {"nvfp4", BB_SCALE_UE4M3, 4, 0, {0, 1, 2, 3}, 4, 32, 0},
    {"q1_0", BB_SCALE_FP16, 1, 0, {0}, 2, 16, 0},
    {"q2_0", BB_SCALE_FP16, 1, 0, {0}, 2, 16, 0},
};

const bb_scale_layout *bb_scale_layout_find(const bb_dtype *t) {
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strcmp(table[i].type, t->name) == 0) return &table[i];
    return NULL;
}

static bb_scale_state state_of(float v, float largest) {
    if (isnan(v)) return BB_SCALE_NAN;
    if (isinf(v)) return BB_SCALE_INFINITE;
    return v == 0 ? BB_SCALE_ZERO : fabsf(v) >= largest ? BB_SCALE_LARGEST : BB_SCALE_FINE;
}

static unsigned word(const unsigned char *p) { return p[0] | (unsigned)p[1] << 8; }

/* Exponent bias 7, three bits of mantissa. */
static float ue4m3(unsigned code) {
    int e = (int)(code >> 3 & 15);
    float m = (float)(code & 7);
    return e ? ldexpf(8 + m, e - 10) : ldexpf(m, -9);
}

bb_scale_state bb_scale_read(const bb_scale_layout *l, const unsigned char *block, size_t i, float *value) {
    const unsigned char *p = block + l->at[i];
    uint32_t u = 0;
    switch (l->kind) {
    case BB_SCALE_FP16:
        *value = bb_f16_to_f32((uint16_t)word(p));
        return state_of(*value, 65504);
    case BB_SCALE_SPREAD16:
        for (size_t k = 0; k < 4; k++) u |= word(p + 2 * k) >> 12 << 4 * k;
        *value = bb_f16_to_f32((uint16_t)u);
        return state_of(*value, 65504);
    case BB_SCALE_FP32:
        for (size_t k = 0; k < 4; k++) u |= (uint32_t)p[k] << 8 * k;
        memcpy(value, &u, sizeof u);
        return state_of(*value, (float)INFINITY);
    case BB_SCALE_E8M0:
        *value = *p == 0xFF ? (float)NAN : ldexpf(1, *p - 127);
        return *p == 0xFF ? BB_SCALE_NAN : *p == 0xFE ? BB_SCALE_LARGEST : BB_SCALE_FINE;
    case BB_SCALE_UE4M3:
        *value = (*p & 0x7F) == 0x7F ? (float)NAN : ue4m3(*p);
        return state_of(*value, 448);
    }
    return BB_SCALE_FINE;
}

bool bb_scale_lost(const bb_scale_layout *l, const unsigned char *block) {
    const unsigned char *codes = block + l->codes;
    float v;
    for (size_t i = 0; i < (size_t)(l->n - l->minima); i++)
        if (bb_scale_read(l, block, i, &v) != BB_SCALE_ZERO) return false;
    for (size_t i = 1; i < l->code_bytes; i++)
        if (codes[i] != codes[0]) return true;
    return false;
}

size_t bb_scale_end_codes(const bb_scale_layout *l, const unsigned char *block) {
    const unsigned char *codes = block + l->codes;
    size_t n = 0;
    if (l->code_bits == 8)
        for (size_t i = 0; i < l->code_bytes; i++) n += codes[i] >= 127 && codes[i] <= 129; /* 127, -128, -127 */
    if (l->code_bits == 4)
        for (size_t i = 0; i < l->code_bytes; i++)
            n += (size_t)((codes[i] & 15) == 0) + ((codes[i] & 15) == 15) + (codes[i] < 16) + (codes[i] >= 240);
    return n;
}
