/* SPDX-License-Identifier: GPL-3.0-or-later */
/* k_scales.h - the six-bit scales and minimums of q4_K and q5_K in their 12 bytes. */
#ifndef BB_QUANT_K_SCALES_H
#define BB_QUANT_K_SCALES_H

/* ggml 0.25.1, ggml-quants.c: get_scale_min_k4. Whole in bytes j and j + 4 for j < 4; for the others the low four bits
 * share byte j + 4 and the high two are the top of bytes j - 4 and j. */
static inline int bb_k45_scale(const unsigned char *s, int j) {
    return j < 4 ? s[j] & 63 : (s[j + 4] & 15) | (s[j - 4] >> 6) << 4;
}
static inline int bb_k45_min(const unsigned char *s, int j) {
    return j < 4 ? s[j + 4] & 63 : s[j + 4] >> 4 | (s[j] >> 6) << 4;
}
#endif
