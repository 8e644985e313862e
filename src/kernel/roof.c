/* SPDX-License-Identifier: GPL-3.0-or-later */
/* roof.c - measured ceilings. The loops are as simple as the portable kernels', so that the compiler may do with both
 * what it can; a peak is the best of many short repetitions, because what disturbs a measurement only slows it. */
#include "kernel/roof.h"
#include "base/mem.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { STREAM_BYTES = 256 << 20, STREAM_PART = 32 << 20, LANES = 64, STEPS = 4096, INT8_BYTES = 16384 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t read_stream(const uint64_t *p, size_t n) {
    uint64_t s[8] = {0};
    for (size_t i = 0; i + 8 <= n; i += 8)
        for (size_t k = 0; k < 8; k++) s[k] += p[i + k];
    return s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
}

/* STEPS dependent multiply-and-adds in each of LANES independent lanes. */
static float fp32_loop(float *x, float a, float b) {
    for (int s = 0; s < STEPS; s++)
        for (int i = 0; i < LANES; i++) x[i] = x[i] * a + b;
    return x[0];
}

static int32_t int8_loop(const signed char *a, const signed char *b, size_t n) {
    int32_t s = 0;
    for (size_t i = 0; i < n; i++) s += a[i] * b[i];
    return s;
}

bb_status bb_roof_measure(double seconds, bb_roof *roof) {
    unsigned char *stream = bb_alloc(STREAM_BYTES, 1);
    if (!stream) return BB_E_NOMEM;
    memset(stream, 1, STREAM_BYTES);
    volatile uint64_t keep = 0;
    volatile float keep_f = 0;
    float x[LANES];
    for (int i = 0; i < LANES; i++) x[i] = (float)i;
    volatile float a = 0.5f, b = 1.0f;
    bb_roof best = {0};
    double end = now() + seconds;
    size_t part = 0;
    do {
        double t = now();
        keep += read_stream((const uint64_t *)(const void *)(stream + part), STREAM_PART / sizeof(uint64_t));
        double gbps = STREAM_PART / (now() - t) * 1e-9;
        part = (part + STREAM_PART) % STREAM_BYTES;
        if (gbps > best.read_gbps) best.read_gbps = gbps;
        t = now();
        keep_f = fp32_loop(x, a, b);
        double gops = 2.0 * LANES * STEPS / (now() - t) * 1e-9;
        if (gops > best.fp32_gops) best.fp32_gops = gops;
        t = now();
        for (int i = 0; i < 16; i++)
            keep += (uint64_t)int8_loop((const signed char *)stream + i, (const signed char *)stream + INT8_BYTES,
                                        INT8_BYTES - 16);
        gops = 2.0 * 16 * (INT8_BYTES - 16) / (now() - t) * 1e-9;
        if (gops > best.int8_gops) best.int8_gops = gops;
    } while (now() < end);
    (void)keep;
    (void)keep_f;
    free(stream);
    *roof = best;
    return BB_OK;
}
