/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_kernel.c - what every kernel of the table keeps: its twin's bits, its bound, exact integers, its own rows. */
#include "base/fpenv.h"
#include "harness.h"
#include "kernel/kernel.h"
#include <fenv.h>
#include <float.h>
#include <math.h>
#include <string.h>
#if BB_X86
#include <immintrin.h>
#endif

/* ---- products ---- */

typedef struct product {
    const bb_gemm_family *family;
    const bb_dtype *type;
    size_t tokens, out, in, row_bytes;
    float *x, *w;        /* [tokens][in], [out][in] */
    unsigned char *data; /* w in the type of the family */
} product;

/* Families are told by their portable twin, the only kernel at the scalar level. */
static const bb_gemm_family *family_at(size_t i) {
    for (size_t k = 0; k < bb_kernel_count(); k++)
        if (bb_kernel_at(k)->level == BB_LEVEL_SCALAR && i-- == 0) return bb_kernel_at(k)->family;
    return NULL;
}

static size_t kernels_of(const bb_gemm_family *f) {
    size_t n = 0;
    while (n < sizeof f->kernels / sizeof *f->kernels && f->kernels[n].run) n++;
    return n;
}

/* splitmix64 (Steele, Lea and Flood, OOPSLA 2014): a million numbers in a few milliseconds. */
static uint64_t next(uint64_t *s) {
    uint64_t z = (*s += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}
static double unit(uint64_t *s) { return (double)(next(s) >> 11) * 0x1p-53; }

/* How large numbers are: 2^(exponent .. exponent + spread); blocks of 32 that are zero; pairs that cancel. */
typedef struct sizes {
    double exponent, spread;
    bool zeros, cancel;
} sizes;

static void fill(float *to, size_t n, uint64_t *s, sizes k) {
    for (size_t i = 0; i < n; i++) {
        to[i] = (float)((unit(s) - 0.5) * exp2(k.exponent + (k.spread > 0 ? floor(k.spread * unit(s)) : 0)));
        if (k.zeros && next(s) >> 32 & i / 32 & 1) to[i] = 0;
        if (k.cancel && i % 2) to[i] = -to[i - 1];
    }
}

static bool allowed(const bb_gemm_family *f, size_t in) {
    return in % bb_dtype_find(f->layout->type, NULL)->block == 0;
}

static void encode(product *p) {
    ck_assert_int_eq(bb_quantize_rows(p->type, p->w, p->out, p->in, NULL, p->data), BB_OK);
}

static product make(const bb_gemm_family *f, size_t tokens, size_t out, size_t in) {
    product p = {.family = f, .type = bb_dtype_find(f->layout->type, NULL), .tokens = tokens, .out = out, .in = in};
    uint64_t row;
    ck_assert_int_eq(bb_dtype_row_bytes(p.type, in, &row), BB_OK);
    p.row_bytes = (size_t)row;
    p.x = calloc(tokens * in, sizeof(float));
    p.w = calloc(out * in, sizeof(float));
    p.data = malloc(out * p.row_bytes);
    return p;
}

/* Rows and tokens of every magnitude, whatever the type makes of them. */
static product make_mixed(const bb_gemm_family *f, size_t tokens, size_t out, size_t in, uint64_t seed) {
    static const sizes kinds[] = {{0, 0, false, false},   {-6, 0, false, false}, {0, 12, true, false},
                                  {0, 0, false, true},    {-128, 8, true, true}, {40, 4, false, false},
                                  {-149, 6, false, true}, {-70, 90, true, true}};
    product p = make(f, tokens, out, in);
    for (size_t t = 0; t < tokens; t++) fill(p.x + t * in, in, &seed, kinds[t % 8]);
    for (size_t o = 0; o < out; o++) fill(p.w + o * in, in, &seed, kinds[o % 8]);
    encode(&p);
    return p;
}

static void drop(product *p) {
    free(p->x);
    free(p->w);
    free(p->data);
}

enum { GUARD = 33, GUARD_BYTE = 0xA5 };

/* y [tokens][out] of the first `out` rows, on the boundary of a float and no more, guards around it. free() frees. */
static float *run(const product *p, size_t out, const bb_matmul_opts *o) {
    size_t n = p->tokens * out;
    float *y = malloc((n + 2 * GUARD) * sizeof *y), *result = malloc((n ? n : 1) * sizeof *y);
    bb_packed *packed;
    memset(y, GUARD_BYTE, (n + 2 * GUARD) * sizeof *y);
    ck_assert_int_eq(bb_pack(p->type, p->data, out, p->in, &packed), BB_OK);
    ck_assert_int_eq(bb_matmul_as(packed, p->x, p->tokens, o, y + GUARD), BB_OK);
    unsigned char guard[GUARD * sizeof *y];
    memset(guard, GUARD_BYTE, sizeof guard);
    ck_assert_mem_eq(y, guard, sizeof guard);
    ck_assert_mem_eq(y + GUARD + n, guard, sizeof guard);
    memcpy(result, y + GUARD, n * sizeof *y);
    bb_packed_free(packed);
    free(y);
    return result;
}

static float *run_kernel(const product *p, size_t out, const bb_kernel *k) {
    bb_matmul_opts o = {.kernel = k};
    return run(p, out, &o);
}

/* The payload of a NaN is nobody's promise. */
static bool same(float a, float b) { return (isnan(a) && isnan(b)) || memcmp(&a, &b, sizeof a) == 0; }

static void name(const bb_kernel *k, char *to, size_t size) {
    snprintf(to, size, "%s %s", k->family->name, bb_level_name(k->level));
}

/* got [tokens][out] against the first columns of want [tokens][all] */
static void check_same(const product *p, const bb_kernel *k, size_t out, const float *got, const float *want,
                       size_t all) {
    char what[64];
    name(k, what, sizeof what);
    for (size_t t = 0; t < p->tokens; t++)
        for (size_t o = 0; o < out; o++)
            if (!same(got[t * out + o], want[t * all + o]))
                ck_abort_msg("%s, in %zu, token %zu of %zu, row %zu of %zu: %a, not %a", what, p->in, t, p->tokens, o,
                             out, (double)got[t * out + o], (double)want[t * all + o]);
}

/* ---- the same bits ---- */

/* Every kernel of a product with `rows` rows at once, and the first rows of it, is the twin's of all of them. */
static void check_rows(const product *p, const size_t *rows, size_t n, bool twin_too) {
    const bb_kernel *k = p->family->kernels;
    float *want = run_kernel(p, p->out, k);
    for (size_t i = twin_too ? 0 : 1; i < kernels_of(p->family); i++) {
        if (!bb_level_runs(k[i].level)) continue;
        for (size_t r = 0; r < n; r++) {
            float *got = run_kernel(p, rows[r], &k[i]);
            check_same(p, &k[i], rows[r], got, want, p->out);
            free(got);
        }
    }
    free(want);
}

START_TEST(every_kernel_has_the_bits_of_its_twin) {
    static const size_t ins[] = {1, 17, 33, 300, 545, 32, 96, 256, 768}, tokens[] = {1, 7, 8, 64, 512};
    size_t each[67];
    for (size_t i = 0; i < 67; i++) each[i] = i + 1;
    static const size_t some[] = {1, 5, 31, 32, 33, 64, 67};
    const bb_gemm_family *f = family_at((size_t)_i);
    for (size_t t = 0; t < sizeof tokens / sizeof *tokens; t++)
        for (size_t i = 0; i < sizeof ins / sizeof *ins; i++) {
            if (!allowed(f, ins[i])) continue;
            product p = make_mixed(f, tokens[t], 67, ins[i], 100 * t + i);
            if (tokens[t] <= 8)
                check_rows(&p, each, 67, tokens[t] == 7);
            else
                check_rows(&p, some, sizeof some / sizeof *some, false);
            drop(&p);
        }
    /* more panels and tokens than any kernel takes together */
    product p = make_mixed(f, 130, 600, 1280, 5);
    check_rows(&p, &p.out, 1, false);
    drop(&p);
}
END_TEST

/* Data of any bits: what a damaged file holds. */
START_TEST(any_bits_give_the_same_bits) {
    const bb_gemm_family *f = family_at((size_t)_i);
    uint64_t s = 9;
    for (int round = 0; round < 20; round++) {
        product p = make(f, 5, 40, 512);
        for (size_t i = 0; i < p.out * p.row_bytes; i++) p.data[i] = (unsigned char)next(&s);
        for (size_t i = 0; i < p.tokens * p.in; i++) {
            uint32_t bits = (uint32_t)next(&s);
            memcpy(&p.x[i], &bits, sizeof bits);
            /* one in 512 is infinite or NaN: a token with none is wanted too */
            if (i < p.in && !isfinite(p.x[i])) p.x[i] = 1;
        }
        check_rows(&p, &p.out, 1, false);
        drop(&p);
    }
}
END_TEST

START_TEST(threads_do_not_matter) {
    const bb_gemm_family *f = family_at((size_t)_i);
    product p = make_mixed(f, 70, 201, 1024, 3);
    float *one = run_kernel(&p, p.out, f->kernels);
    bb_acts acts = {0};
    for (size_t k = 0; k < kernels_of(f); k++)
        for (unsigned threads = 1; threads <= 7 && bb_level_runs(f->kernels[k].level);
             threads += threads == 1 ? 1 : 5) {
            bb_matmul_opts o = {.kernel = &f->kernels[k], .acts = &acts};
            ck_assert_int_eq(bb_pool_new(threads, &o.pool), BB_OK);
            float *got = run(&p, p.out, &o);
            check_same(&p, o.kernel, p.out, got, one, p.out);
            bb_pool_free(o.pool);
            free(got);
        }
    bb_acts_clear(&acts);
    free(one);
    drop(&p);
}
END_TEST

static void set_mode(int mode) {
    static const int modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    fesetround(modes[mode % 4]);
#if BB_X86
    if (mode >= 4) _mm_setcsr(_mm_getcsr() | 0x8040); /* subnormals flushed, as -ffast-math programs have it */
#endif
}

START_TEST(the_callers_rounding_does_not_matter) {
    const bb_gemm_family *f = family_at((size_t)_i);
    product p = make_mixed(f, 9, 35, 512, 4);
    float *want = run_kernel(&p, p.out, f->kernels);
    for (size_t k = 0; k < kernels_of(f); k++)
        for (int mode = 1; mode < 8 && bb_level_runs(f->kernels[k].level); mode++) {
            fenv_t saved;
            fegetenv(&saved);
            set_mode(mode);
            float *got = run_kernel(&p, p.out, &f->kernels[k]);
            int rounding = fegetround();
            set_mode(mode % 4);
            ck_assert_int_eq(rounding, fegetround());
            fesetenv(&saved);
            check_same(&p, &f->kernels[k], p.out, got, want, p.out);
            free(got);
        }
    free(want);
    drop(&p);
}
END_TEST

/* ---- the bound ---- */

typedef struct reference {
    float *what, *xhat, *magnitude; /* [out][in], [tokens][in], [out][in] */
} reference;

static reference refer(const product *p) {
    reference r = {malloc(p->out * p->in * sizeof(float)), malloc(p->tokens * p->in * sizeof(float)),
                   malloc(p->out * p->in * sizeof(float))};
    ck_assert_int_eq(bb_dequantize_rows(p->type, p->data, p->out, p->in, r.what), BB_OK);
    ck_assert_int_eq(bb_acts_roundtrip(p->family->layout->act, p->x, p->tokens, p->in, r.xhat), BB_OK);
    ck_assert_int_eq(bb_kernel_magnitudes(p->type, p->data, p->out, p->in, r.magnitude), BB_OK);
    return r;
}

static void forget(reference *r) {
    free(r->what);
    free(r->xhat);
    free(r->magnitude);
}

/* Outputs that were finite, each within its bound of fp64, whose own error (2^-53 for each term) is added. */
static size_t within(const product *p, const bb_kernel *k) {
    reference r = refer(p);
    float *y = run_kernel(p, p->out, k);
    size_t finite = 0;
    char what[64];
    name(k, what, sizeof what);
    for (size_t t = 0; t < p->tokens; t++)
        for (size_t o = 0; o < p->out; o++) {
            double want = 0, mass = 0;
            for (size_t i = 0; i < p->in; i++) {
                double x = (double)r.xhat[t * p->in + i];
                want += (double)r.what[o * p->in + i] * x;
                mass += (double)r.magnitude[o * p->in + i] * fabs(x);
            }
            if (!isfinite(y[t * p->out + o]) || !isfinite(mass)) continue;
            finite++;
            double e = fabs((double)y[t * p->out + o] - want), own = (double)p->in * 0x1p-52 * mass;
            double bound = bb_kernel_bound(k, p->in, mass);
            if (!(e <= bound + own))
                ck_abort_msg("%s, in %zu: %a is %g off, bound %g, mass %g", what, p->in, (double)y[t * p->out + o], e,
                             bound, mass);
        }
    free(y);
    forget(&r);
    return finite;
}

/* A million outputs of each family, by the kernel that is taken where nothing is asked for: the others have its bits.
 * Exponents of weights and activations so that products lie anywhere from far below the smallest subnormal up. */
START_TEST(a_million_outputs_are_within_the_bound) {
    enum { WANTED = 1000000, TOKENS = 96, ROWS = 67 };
    static const double weights[] = {0, -6, -20, -40, -100, -149, 10, 60},
                        acts[] = {0, 0, -30, -110, -149, 20, -60, 40};
    static const double spreads[] = {0, 3, 12, 40};
    const bb_gemm_family *f = family_at((size_t)_i);
    const bb_kernel *k = bb_kernel_find(bb_dtype_find(f->layout->type, NULL), BB_ISA_AUTO);
    size_t block = bb_dtype_find(f->layout->type, NULL)->block, done = 0;
    for (uint64_t n = 0; done < WANTED; n++) {
        ck_assert_msg(n < 400, "%s: only %zu outputs are finite", f->name, done);
        uint64_t s = n;
        size_t in = block * (1 + next(&s) % (block == 1 ? 300 : block <= 64 ? 256 / block : 2));
        product p = make(f, TOKENS, ROWS, in);
        sizes w = {weights[n % 8], spreads[n / 8 % 4], n % 3 == 0, n % 5 == 0}, x = w;
        x.exponent = acts[n / 32 % 8];
        x.spread = spreads[n / 2 % 4];
        fill(p.x, p.tokens * in, &s, x);
        fill(p.w, p.out * in, &s, w);
        encode(&p);
        done += within(&p, k);
        drop(&p);
    }
}
END_TEST

START_TEST(long_rows_are_within_the_bound) {
    const bb_gemm_family *f = family_at((size_t)_i);
    for (int spread = 0; spread <= 12; spread += 6) {
        product p = make(f, 2, 3, 70144);
        uint64_t s = 77;
        fill(p.x, p.tokens * p.in, &s, (sizes){0, spread, false, false});
        fill(p.w, p.out * p.in, &s, (sizes){0, spread, false, false});
        encode(&p);
        for (size_t k = 0; k < kernels_of(f); k++)
            if (bb_level_runs(f->kernels[k].level)) ck_assert_uint_eq(within(&p, &f->kernels[k]), 6);
        drop(&p);
    }
}
END_TEST

/* ---- exact integers ---- */

/* Weights that a type of 4 to 8 bits keeps: codes and scales of the formats (the codebook of iq4_nl is ggml's, the last
 * row the values of e2m1 doubled), times a scale that its super-blocks can hold. */
static const struct lattice {
    int scale, count, values[16];
} lattices[] = {
    {1, 15, {-127, 127, 3, -90, 64, -1, 0, 17, 100, -55, 29, -8, 77, -110, 5}},
    {1, 16, {-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7}},
    {1, 16, {-32, 31, -17, 12, 4, 0, -9, 25, -28, 30, 1, -2, 18, -21, 7, 11}},
    {63, 16, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
    {1, 16, {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}},
    {1, 15, {12, -12, 8, -8, 6, -6, 4, -4, 3, -3, 2, -2, 1, -1, 0}},
};

/* The integer product where what was made of x and w are integers, or a power of two times them, and no sum of fp32
 * can round: then there is but one right answer. */
static bool exact(const product *p, const reference *r, size_t t, size_t o, float *y) {
    int64_t sum = 0, mass = 0;
    for (size_t i = 0; i < p->in; i++) {
        float w = r->what[o * p->in + i], x = r->xhat[t * p->in + i];
        if (fabsf(w) > 4096 || fabsf(x) > 127 || w != rintf(w) || x != rintf(x)) return false;
        sum += (int64_t)w * (int64_t)x;
        mass += llabs((long long)w * (long long)x);
    }
    *y = (float)sum;
    return mass < 1 << 24 || p->family->layout->act == BB_ACT_INT8_TOKEN;
}

static size_t check_exact(const product *p) {
    reference r = refer(p);
    size_t count = 0;
    for (size_t k = 0; k < kernels_of(p->family); k++) {
        const bb_kernel *kernel = &p->family->kernels[k];
        if (!bb_level_runs(kernel->level)) continue;
        float *y = run_kernel(p, p->out, kernel), want;
        for (size_t i = 0; i < p->tokens * p->out; i++) {
            if (!exact(p, &r, i / p->out, i % p->out, &want)) continue;
            count++;
            if (y[i] != want)
                ck_abort_msg("%s %s: %a, not %a", p->family->name, bb_level_name(kernel->level), (double)y[i],
                             (double)want);
        }
        free(y);
    }
    forget(&r);
    return count;
}

/* Row o takes lattice o % 6, its first values first; the last row of each six has nothing but the largest. */
START_TEST(integers_are_exact) {
    enum { TOKENS = 9, ROWS = 72, LATTICES = sizeof lattices / sizeof *lattices };
    const bb_gemm_family *f = family_at((size_t)_i);
    if (f->code_error != 0) return; /* its codes are rounded: there is no right answer, only the bound */
    size_t block = bb_dtype_find(f->layout->type, NULL)->block, count = 0;
    for (size_t in = block < 32 ? 32 : block; in <= 1024; in *= 2) {
        product p = make(f, TOKENS, ROWS, in);
        uint64_t s = in;
        for (size_t i = 0; i < ROWS * in; i++) {
            const struct lattice *l = &lattices[i / in % LATTICES];
            size_t at = i / in / LATTICES == 11 ? 0 : i % 32 < (size_t)l->count ? i % 32 : next(&s) % (size_t)l->count;
            p.w[i] = (float)(l->scale * l->values[at]);
        }
        for (size_t i = 0; i < TOKENS * in; i++) {
            float sign = next(&s) % 2 ? 1 : -1;
            p.x[i] = i / in == 0 ? 127 : i / in == 1 ? -127 : i % 32 == 0 ? 127 * sign : sign * (float)(next(&s) % 128);
        }
        encode(&p);
        count += check_exact(&p);
        drop(&p);
    }
    ck_assert_msg(count >= 100, "%s: only %zu products are exact", f->name, count);
}
END_TEST

/* ---- what is not finite, what is refused, what is counted ---- */

static bool all_finite(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

START_TEST(what_is_not_finite_stays_in_its_token_and_row) {
    enum { TOKENS = 20, ROWS = 40, IN = 512 };
    const bb_gemm_family *f = family_at((size_t)_i);
    product p = make(f, TOKENS, ROWS, IN);
    uint64_t s = 6;
    fill(p.x, TOKENS * IN, &s, (sizes){0, 2, false, false});
    fill(p.w, ROWS * IN, &s, (sizes){0, 2, false, false});
    encode(&p);
    float *clean = run_kernel(&p, ROWS, f->kernels), *decoded = malloc(IN * sizeof(float));
    p.x[3 * IN + 5] = NAN;
    p.x[11 * IN + 511] = INFINITY;
    p.x[19 * IN + 300] = -INFINITY;
    memset(p.data + 7 * p.row_bytes, 0xFF, p.row_bytes); /* NaN as a value or as a scale, in all of the types */
    ck_assert_int_eq(bb_dequantize_rows(p.type, p.data + 7 * p.row_bytes, 1, IN, decoded), BB_OK);
    ck_assert(!all_finite(decoded, IN));
    for (size_t k = 0; k < kernels_of(f); k++) {
        if (!bb_level_runs(f->kernels[k].level)) continue;
        float *y = run_kernel(&p, ROWS, &f->kernels[k]);
        for (size_t i = 0; i < TOKENS * ROWS; i++) {
            size_t t = i / ROWS, o = i % ROWS;
            bool touched = t == 3 || t == 11 || t == 19 || o == 7;
            if (touched ? isfinite(y[i]) : !same(y[i], clean[i]))
                ck_abort_msg("%s: token %zu, row %zu: %a", f->name, t, o, (double)y[i]);
        }
        free(y);
    }
    free(clean);
    free(decoded);
    drop(&p);
}
END_TEST

START_TEST(long_rows_are_refused_with_the_reason) {
    for (size_t i = 0; family_at(i); i++) {
        const bb_layout *l = family_at(i)->layout;
        if (!l->in_max) continue;
        bb_error err;
        bb_packed *packed = NULL;
        char number[32];
        snprintf(number, sizeof number, "%zu", l->in_max);
        ck_assert_int_eq(bb_pack_as(bb_dtype_find(l->type, NULL), "", 1, l->in_max + 1, NULL, &packed, &err),
                         BB_E_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(err.text, number));
        ck_assert_ptr_null(packed);
    }
}
END_TEST

/* The longest row that is taken, with every product at its largest. */
START_TEST(the_longest_row_is_exact) {
    for (size_t i = 0; family_at(i); i++) {
        const bb_gemm_family *f = family_at(i);
        if (!f->layout->in_max || !allowed(f, f->layout->in_max)) continue;
        product p = make(f, 2, 2, f->layout->in_max);
        for (size_t k = 0; k < p.in; k++) {
            p.x[k] = p.w[k] = 127;
            p.x[p.in + k] = p.w[p.in + k] = -127;
        }
        encode(&p);
        ck_assert_uint_ge(check_exact(&p), 4);
        drop(&p);
    }
}
END_TEST

START_TEST(kernels_are_found_by_level) {
    for (size_t i = 0; i < bb_kernel_count(); i++) {
        const bb_kernel *k = bb_kernel_at(i);
        const bb_dtype *t = bb_dtype_find(k->family->layout->type, NULL);
        for (bb_isa isa = BB_ISA_AUTO; isa <= BB_ISA_AVX512; isa++) {
            const bb_kernel *found = bb_kernel_find(t, isa);
            ck_assert_ptr_eq(found->family, k->family);
            ck_assert(bb_level_runs(found->level) && bb_level_isa(found->level) <= bb_isa_choose(isa));
        }
        product p = make_mixed(k->family, 1, 3, 256, i);
        bb_packed *packed;
        float y[3];
        bb_dispatch dispatch = {{0}};
        bb_matmul_opts o = {.kernel = k, .dispatch = &dispatch};
        ck_assert_int_eq(bb_pack(t, p.data, 3, 256, &packed), BB_OK);
        bb_status status = bb_matmul_as(packed, p.x, 1, &o, y);
        ck_assert_int_eq(status, bb_level_runs(k->level) ? BB_OK : BB_E_UNSUPPORTED);
        ck_assert_uint_eq(dispatch.calls[i], status == BB_OK);
        if (status != BB_OK) fprintf(stderr, "# %s %s does not run here\n", k->family->name, bb_level_name(k->level));
        o.kernel = bb_kernel_at((i + 5) % bb_kernel_count());
        if (o.kernel->family != k->family) ck_assert_int_eq(bb_matmul_as(packed, p.x, 1, &o, y), BB_E_UNSUPPORTED);
        bb_packed_free(packed);
        drop(&p);
    }
}
END_TEST

/* Types without a kernel are those of fp32 with what they decode to. */
/* Each of the table has its place among the counts, and another none. */
START_TEST(only_kernels_of_the_table_are_counted) {
    ck_assert_uint_le(bb_kernel_count(), BB_KERNELS_MAX);
    ck_assert_ptr_null(bb_kernel_at(bb_kernel_count()));
    const bb_kernel copy = *bb_kernel_at(0);
    bb_dispatch dispatch = {{0}};
    bb_matmul_opts o = {.kernel = &copy, .dispatch = &dispatch};
    const float x[32] = {1}, w[32] = {1};
    float y = 7;
    bb_packed *packed;
    ck_assert_int_eq(bb_pack(bb_dtype_find("f32", NULL), w, 1, 32, &packed), BB_OK);
    ck_assert_int_eq(bb_matmul_as(packed, x, 1, &o, &y), BB_E_ARG);
    ck_assert(y == 7);
    o.dispatch = NULL;
    ck_assert_int_eq(bb_matmul_as(packed, x, 1, &o, &y), BB_OK);
    ck_assert(y == 1);
    for (size_t i = 0; i < BB_KERNELS_MAX; i++) ck_assert_uint_eq(dispatch.calls[i], 0);
    bb_packed_free(packed);
}
END_TEST

START_TEST(other_types_are_widened) {
    size_t widened = 0;
    const bb_dtype *f32 = bb_dtype_find("f32", NULL);
    for (size_t i = 0; i < bb_dtype_count(); i++) {
        const bb_dtype *t = bb_dtype_at(i);
        uint64_t row;
        if (!bb_kernel_widens(t) || bb_dtype_row_bytes(t, 512, &row) != BB_OK) continue;
        static float w[40 * 512], x[3 * 512], y[3 * 40], want[3 * 40];
        uint64_t s = i;
        unsigned char *data = malloc(40 * row);
        bb_packed *packed;
        fill(w, 40 * 512, &s, (sizes){0, 2, false, false});
        fill(x, 3 * 512, &s, (sizes){0, 2, false, false});
        if (bb_quantize_rows(t, w, 40, 512, NULL, data) == BB_OK) {
            widened++;
            ck_assert_int_eq(bb_pack(t, data, 40, 512, &packed), BB_OK);
            ck_assert_int_eq(bb_matmul(packed, x, 3, 1, BB_ISA_AUTO, y), BB_OK);
            bb_packed_free(packed);
            ck_assert_int_eq(bb_dequantize_rows(t, data, 40, 512, w), BB_OK);
            ck_assert_int_eq(bb_pack(f32, w, 40, 512, &packed), BB_OK);
            ck_assert_int_eq(bb_matmul(packed, x, 3, 1, BB_ISA_SCALAR, want), BB_OK);
            bb_packed_free(packed);
            ck_assert_mem_eq(y, want, sizeof y);
        }
        free(data);
    }
    ck_assert_uint_ge(widened, 5);
}
END_TEST

/* ---- activations ---- */

START_TEST(activations_do_not_depend_on_isa_or_threads) {
    bb_pool *pool;
    ck_assert_int_eq(bb_pool_new(3, &pool), BB_OK);
    for (bb_act kind = BB_ACT_F32; kind <= BB_ACT_INT8_256; kind++)
        for (size_t in = 1; in < 900; in += in < 70 ? 23 : 187) {
            product p = make_mixed(family_at(0), 21, 1, in, in);
            if (in > 40) p.x[in + 40] = NAN;
            bb_acts want = {0}, got = {0};
            ck_assert_int_eq(bb_acts_fill(&want, kind, 8, p.x, p.tokens, in, BB_ISA_SCALAR, NULL), BB_OK);
            for (bb_isa isa = BB_ISA_AUTO; isa <= BB_ISA_AVX512; isa++) {
                ck_assert_int_eq(bb_acts_fill(&got, kind, 8, p.x, p.tokens, in, isa, isa ? pool : NULL), BB_OK);
                size_t codes = p.tokens * want.blocks * BB_ACT_BLOCK;
                size_t width = kind == BB_ACT_F32 ? 4 : kind == BB_ACT_BF16 ? 2 : 1;
                ck_assert_mem_eq(got.values, want.values, codes * width);
                if (kind < BB_ACT_INT8_TOKEN) continue;
                size_t scales = kind == BB_ACT_INT8_TOKEN ? 1 : kind == BB_ACT_INT8_32 ? want.blocks : want.blocks / 8;
                for (size_t i = 0; i < scales * p.tokens; i++)
                    if (!same(got.scales[i], want.scales[i])) ck_abort_msg("scale %zu", i);
                size_t starts = kind == BB_ACT_INT8_256 ? 2 * want.blocks : scales;
                ck_assert_mem_eq(got.starts, want.starts, starts * p.tokens * sizeof *want.starts);
                if (kind == BB_ACT_INT8_256)
                    ck_assert_mem_eq(got.sums, want.sums, want.blocks * p.tokens * sizeof *want.sums);
            }
            bb_acts_clear(&want);
            bb_acts_clear(&got);
            drop(&p);
        }
    bb_pool_free(pool);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("kernel");
    TCase *t = tcase_create("kernel");
    int families = 0;
    while (family_at((size_t)families)) families++;
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_kernel_has_the_bits_of_its_twin, 0, families);
    tcase_add_loop_test(t, any_bits_give_the_same_bits, 0, families);
    tcase_add_loop_test(t, threads_do_not_matter, 0, families);
    tcase_add_loop_test(t, the_callers_rounding_does_not_matter, 0, families);
    tcase_add_loop_test(t, a_million_outputs_are_within_the_bound, 0, families);
    tcase_add_loop_test(t, long_rows_are_within_the_bound, 0, families);
    tcase_add_loop_test(t, integers_are_exact, 0, families);
    tcase_add_loop_test(t, what_is_not_finite_stays_in_its_token_and_row, 0, families);
    tcase_add_test(t, long_rows_are_refused_with_the_reason);
    tcase_add_test(t, the_longest_row_is_exact);
    tcase_add_test(t, kernels_are_found_by_level);
    tcase_add_test(t, only_kernels_of_the_table_are_counted);
    tcase_add_test(t, other_types_are_widened);
    tcase_add_test(t, activations_do_not_depend_on_isa_or_threads);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
