/* SPDX-License-Identifier: GPL-3.0-or-later */
/* checked.h - sums and products of sizes that say when they pass the type's range. */
#ifndef BB_BASE_CHECKED_H
#define BB_BASE_CHECKED_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True and *r set when the exact result fits; false and *r untouched when not. */
static inline bool bb_add_u64(uint64_t a, uint64_t b, uint64_t *r) {
    uint64_t t;
    if (__builtin_add_overflow(a, b, &t)) return false;
    *r = t;
    return true;
}
static inline bool bb_mul_u64(uint64_t a, uint64_t b, uint64_t *r) {
    uint64_t t;
    if (__builtin_mul_overflow(a, b, &t)) return false;
    *r = t;
    return true;
}
static inline bool bb_add_size(size_t a, size_t b, size_t *r) {
    size_t t;
    if (__builtin_add_overflow(a, b, &t)) return false;
    *r = t;
    return true;
}
static inline bool bb_mul_size(size_t a, size_t b, size_t *r) {
    size_t t;
    if (__builtin_mul_overflow(a, b, &t)) return false;
    *r = t;
    return true;
}
/* Next multiple of align (a power of two) at or above a. */
static inline bool bb_align_u64(uint64_t a, uint64_t align, uint64_t *r) {
    uint64_t t;
    if (__builtin_add_overflow(a, align - 1, &t)) return false;
    *r = t & ~(align - 1);
    return true;
}
#endif
