/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cursor.c - reading little-endian fields one after the other, never past the end. */
#include "base/source.h"
#include <string.h>

void bb_cursor_init(bb_cursor *c, const bb_source *src, uint64_t pos, uint64_t end) {
    c->src = src;
    c->pos = pos;
    /* what lies past the file is not left, whatever the caller thinks */
    c->end = end < bb_source_size(src) ? end : bb_source_size(src);
    c->status = BB_OK;
    c->buf_pos = 0;
    c->buf_len = 0;
}

bool bb_cursor_ok(const bb_cursor *c) { return c->status == BB_OK; }
uint64_t bb_cursor_left(const bb_cursor *c) { return c->status == BB_OK && c->pos < c->end ? c->end - c->pos : 0; }

bool bb_cursor_bytes(bb_cursor *c, void *out, size_t n) {
    unsigned char *p = out;
    if (n > bb_cursor_left(c)) {
        if (c->status == BB_OK) c->status = BB_E_TRUNCATED;
        memset(out, 0, n);
        return false;
    }
    while (n > 0) {
        uint64_t into = c->pos - c->buf_pos;
        if (c->pos >= c->buf_pos && into < c->buf_len) {
            size_t some = c->buf_len - (size_t)into;
            if (some > n) some = n;
            memcpy(p, c->buf + into, some);
            p += some;
            n -= some;
            c->pos += some;
            continue;
        }
        if (n >= sizeof c->buf) { /* large pieces go straight to their place */
            bb_status direct = bb_source_read(c->src, c->pos, p, n, NULL);
            if (direct != BB_OK) {
                c->status = direct;
                memset(p, 0, n);
                return false;
            }
            c->pos += n;
            return true;
        }
        size_t want = c->end - c->pos < sizeof c->buf ? (size_t)(c->end - c->pos) : sizeof c->buf;
        bb_status status = bb_source_read(c->src, c->pos, c->buf, want, NULL);
        if (status != BB_OK) {
            c->status = status;
            c->buf_len = 0;
            memset(p, 0, n);
            return false;
        }
        c->buf_pos = c->pos;
        c->buf_len = want;
    }
    return true;
}

bool bb_cursor_skip(bb_cursor *c, uint64_t n) {
    if (n > bb_cursor_left(c)) {
        if (c->status == BB_OK) c->status = BB_E_TRUNCATED;
        return false;
    }
    c->pos += n;
    return true;
}

uint8_t bb_cursor_u8(bb_cursor *c) {
    uint8_t v;
    bb_cursor_bytes(c, &v, 1);
    return v;
}

uint16_t bb_cursor_u16(bb_cursor *c) {
    unsigned char b[2];
    bb_cursor_bytes(c, b, 2);
    return (uint16_t)(b[0] | b[1] << 8);
}

uint32_t bb_cursor_u32(bb_cursor *c) {
    unsigned char b[4];
    bb_cursor_bytes(c, b, 4);
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

uint64_t bb_cursor_u64(bb_cursor *c) {
    uint64_t low = bb_cursor_u32(c);
    return low | (uint64_t)bb_cursor_u32(c) << 32;
}
