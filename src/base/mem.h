/* SPDX-License-Identifier: GPL-3.0-or-later */
/* mem.h - allocation whose sizes cannot wrap; NULL means out of memory, never an abort. */
#ifndef BB_BASE_MEM_H
#define BB_BASE_MEM_H
#include <stddef.h>

/* n * size zeroed bytes; n or size of 0 gives a pointer that may be freed. NULL when the product wraps or memory ends.
 */
void *bb_alloc(size_t n, size_t size);
/* n * size bytes on a boundary of 64, not cleared; from 4 MiB on in huge pages where the system gives them. free()
 * frees it. */
void *bb_alloc_aligned(size_t n, size_t size);
/* Grows or shrinks; the old block stays valid on NULL. New bytes are not cleared. */
void *bb_realloc(void *p, size_t n, size_t size);
/* Makes room for one more element in a growing array: doubles *cap when len == *cap. False when memory ends. */
_Bool bb_grow(void **array, size_t len, size_t *cap, size_t size);
/* Copy of n bytes, with a NUL after them. */
char *bb_strndup(const char *s, size_t n);
char *bb_strdup(const char *s);
#endif
