/* SPDX-License-Identifier: GPL-3.0-or-later */
/* codec_fp4.c - mxfp4 and nvfp4 with ggml's bytes (ggml 0.25.1): e2m1 codes under an e8m0 or an unsigned e4m3 scale. */
#include "quant/codecs.h"
#include "quant/plain.h"
#include <math.h>

enum { SUB = 16, SUBS = BB_NVFP4 / SUB };

/* kvalues_mxfp4 of ggml-common.h: doubled, so that the scales below are halves. */
const int8_t bb_fp4_doubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

static float float_of(uint32_t u) {
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

float bb_e8m0_half(uint8_t e) { return float_of(e < 2 ? 0x00200000u << e : (uint32_t)(e - 1) << 23); }

float bb_ue4m3_half(uint8_t code) {
    uint32_t exponent = code >> 3 & 15, man = code & 7;
    if (code == 0x7F) return 0;
    return exponent == 0 ? (float)man * 0x1p-10f : float_of((exponent + 119) << 23 | man << 20);
}

/* ggml-impl.h, ggml_fp32_to_ue4m3: half-up on the one bit below the last, and 0x7E from 256 on. */
uint8_t bb_ue4m3_code(float x) {
    if (!(x > 0)) return 0;
    if (x > 448.0f) return 0x7E;
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    int exponent = (int)(u >> 23) - 120;
    if (exponent <= 0) {
        int man = (int)(x * 512.0f + 0.5f);
        return (uint8_t)(man > 7 ? 7 : man);
    }
    /* a carry out of the mantissa moves the exponent on */
    uint32_t code = ((uint32_t)exponent << 3 | (u >> 20 & 7)) + (u >> 19 & 1);
    return (uint8_t)(code >= 15u << 3 ? 0x7E : code);
}

/* The nearest of the 16 products, the first of equals: so -0 never, and ties go to the smaller magnitude. */
static uint8_t nearest(float x, float d) {
    uint8_t best = 0;
    float least = fabsf((float)bb_fp4_doubled[0] * d - x);
    for (uint8_t i = 1; i < 16; i++) {
        float err = fabsf((float)bb_fp4_doubled[i] * d - x);
        if (err < least) {
            best = i;
            least = err;
        }
    }
    return best;
}

static float largest(const float *x, int n) {
    float amax = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > amax) amax = fabsf(x[i]);
    return amax;
}

void bb_mxfp4_block(const float *x, unsigned char *out) {
    float amax = largest(x, BB_MXFP4);
    /* below 2^-125 the exponent wraps round in its byte, and infinity gives 0 */
    uint8_t e = amax > 0 ? (uint8_t)bb_to_int(floorf(log2f(amax)) - 2 + 127) : 0;
    float d = bb_e8m0_half(e);
    out[0] = e;
    for (int i = 0; i < 16; i++) out[1 + i] = (unsigned char)(nearest(x[i], d) | nearest(x[i + 16], d) << 4);
}

void bb_mxfp4_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    for (size_t n = rows * cols / BB_MXFP4; n-- > 0; x += BB_MXFP4, out += BB_MXFP4_BYTES) bb_mxfp4_block(x, out);
}

void bb_mxfp4_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BB_MXFP4; n-- > 0; x += BB_MXFP4, data += BB_MXFP4_BYTES) {
        float d = bb_e8m0_half(data[0]);
        for (int i = 0; i < 16; i++) {
            x[i] = (float)bb_fp4_doubled[data[1 + i] & 15] * d;
            x[i + 16] = (float)bb_fp4_doubled[data[1 + i] >> 4] * d;
        }
    }
}

void bb_nvfp4_codes(const float *x, float d, unsigned char *out) {
    for (int i = 0; i < SUB / 2; i++) out[i] = (unsigned char)(nearest(x[i], d) | nearest(x[i + SUB / 2], d) << 4);
}

void bb_nvfp4_encode(const float *x, size_t rows, size_t cols, const float *importance, unsigned char *out) {
    (void)importance;
    for (size_t n = rows * cols / BB_NVFP4; n-- > 0; x += BB_NVFP4, out += BB_NVFP4_BYTES)
        for (int s = 0; s < SUBS; s++) {
            out[s] = bb_ue4m3_code(largest(x + s * SUB, SUB) / 6.0f);
            bb_nvfp4_codes(x + s * SUB, bb_ue4m3_half(out[s]), out + SUBS + s * SUB / 2);
        }
}

void bb_nvfp4_decode(const unsigned char *data, size_t rows, size_t cols, float *x) {
    for (size_t n = rows * cols / BB_NVFP4; n-- > 0; data += BB_NVFP4_BYTES)
        for (int s = 0; s < SUBS; s++, x += SUB) {
            float d = bb_ue4m3_half(data[s]);
            for (int i = 0; i < SUB / 2; i++) {
                unsigned q = data[SUBS + s * SUB / 2 + i];
                x[i] = (float)bb_fp4_doubled[q & 15] * d;
                x[i + SUB / 2] = (float)bb_fp4_doubled[q >> 4] * d;
            }
        }
}
