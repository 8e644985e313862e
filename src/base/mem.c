/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mem.c - allocation whose sizes cannot wrap. */
#define _DEFAULT_SOURCE /* madvise */
#include "base/mem.h"
#include "base/checked.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *bb_alloc(size_t n, size_t size) {
    size_t bytes;
    if (!bb_mul_size(n, size, &bytes)) return NULL;
    return calloc(1, bytes ? bytes : 1);
}

void *bb_alloc_aligned(size_t n, size_t size) {
    enum { LINE = 64, HUGE_PAGE = 2 << 20, HUGE_FROM = 4 << 20 };
    size_t bytes;
    void *p = NULL;
    if (!bb_mul_size(n, size, &bytes)) return NULL;
    /* whole huge pages: what is left over would come in small ones, which are read a third slower */
    if (bytes >= HUGE_FROM && !bb_add_size(bytes, HUGE_PAGE - bytes % HUGE_PAGE, &bytes)) return NULL;
    if (posix_memalign(&p, bytes >= HUGE_FROM ? HUGE_PAGE : LINE, bytes ? bytes : 1) != 0) return NULL;
#ifdef MADV_HUGEPAGE
    if (bytes >= HUGE_FROM) (void)madvise(p, bytes, MADV_HUGEPAGE); /* a hint: slower without */
#endif
    return p;
}

void *bb_realloc(void *p, size_t n, size_t size) {
    size_t bytes;
    if (!bb_mul_size(n, size, &bytes)) return NULL;
    return realloc(p, bytes ? bytes : 1);
}

bool bb_grow(void **array, size_t len, size_t *cap, size_t size) {
    if (len < *cap) return true;
    size_t want;
    if (!bb_mul_size(*cap ? *cap : 8, *cap ? 2 : 1, &want)) return false;
    void *p;
    memcpy(&p, array, sizeof p); /* the pointer's real type is the caller's */
    p = bb_realloc(p, want, size);
    if (!p) return false;
    memcpy(array, &p, sizeof p);
    *cap = want;
    return true;
}

char *bb_strndup(const char *s, size_t n) {
    size_t size;
    if (!bb_add_size(n, 1, &size)) return NULL;
    char *copy = malloc(size);
    if (!copy) return NULL;
    if (n) memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

char *bb_strdup(const char *s) { return bb_strndup(s, strlen(s)); }
