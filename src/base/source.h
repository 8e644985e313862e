/* SPDX-License-Identifier: GPL-3.0-or-later */
/* source.h - reading user files by pread: only regular files, and a cursor that knows what is left. */
#ifndef BB_BASE_SOURCE_H
#define BB_BASE_SOURCE_H
#include "base/fail.h"

typedef struct bb_source bb_source; /* an open regular file; owns the descriptor and its path */

/* Opens without blocking. Directories, FIFOs, devices, sockets and symlink loops are BB_E_OPEN with a sentence that
 * names what it is. */
bb_status bb_source_open(const char *path, bb_source **src, bb_error *err);
void bb_source_close(bb_source *src);
uint64_t bb_source_size(const bb_source *src);    /* when it was opened */
const char *bb_source_path(const bb_source *src); /* escaped, for sentences */
const char *bb_source_name(const bb_source *src); /* as the system takes it */
/* Whether that path, symbolic links followed, leads to the same file. */
bool bb_source_is_at(const bb_source *src, const char *path);
/* Size and time of the last change are still those of the opening: what was read then and later belongs together.
 * BB_E_TRUNCATED when the file is shorter now, BB_E_READ for any other change. */
bb_status bb_source_unchanged(const bb_source *src, bb_error *err);
/* Exactly n bytes at offset; short files are BB_E_TRUNCATED, EINTR and short reads are retried. */
bb_status bb_source_read(const bb_source *src, uint64_t offset, void *buf, size_t n, bb_error *err);
/* The whole file when it has at most max bytes (BB_E_LIMIT otherwise), NUL-terminated, to be freed by the caller. */
bb_status bb_source_slurp(const char *path, size_t max, char **text, size_t *n, bb_error *err);

/* A window over [pos, end) of a source, ending with the file at the latest, with a small read-ahead buffer. Every get
 * checks what is left first; a failed cursor stays failed and returns zeros, so that a run of gets needs one check of
 * bb_cursor_ok. */
typedef struct bb_cursor {
    const bb_source *src;
    uint64_t pos, end; /* absolute */
    bb_status status;
    uint64_t buf_pos;
    size_t buf_len;
    unsigned char buf[65536];
} bb_cursor;

void bb_cursor_init(bb_cursor *c, const bb_source *src, uint64_t pos, uint64_t end);
bool bb_cursor_ok(const bb_cursor *c);
uint64_t bb_cursor_left(const bb_cursor *c);
uint8_t bb_cursor_u8(bb_cursor *c);
uint16_t bb_cursor_u16(bb_cursor *c); /* little endian */
uint32_t bb_cursor_u32(bb_cursor *c);
uint64_t bb_cursor_u64(bb_cursor *c);
bool bb_cursor_bytes(bb_cursor *c, void *out, size_t n);
bool bb_cursor_skip(bb_cursor *c, uint64_t n);
#endif
