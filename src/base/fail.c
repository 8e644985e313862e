/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fail.c - filling a bb_error with one sentence; texts and exit statuses of the status numbers. */
#include "base/fail.h"
#include "base/c_locale.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *bb_version(void) { return BB_VERSION; }

const char *bb_status_text(bb_status status) {
    switch (status) {
#define BB_STATUS_TEXT(name, number, code, text)                                                                       \
    case BB_##name:                                                                                                    \
        return text;
        BB_STATUS_LIST(BB_STATUS_TEXT)
#undef BB_STATUS_TEXT
    }
    return "unknown status";
}

int bb_status_exit(bb_status status) {
    switch (status) {
#define BB_STATUS_EXIT(name, number, code, text)                                                                       \
    case BB_##name:                                                                                                    \
        return code;
        BB_STATUS_LIST(BB_STATUS_EXIT)
#undef BB_STATUS_EXIT
    }
    return 70;
}

/* A text that vsnprintf cut may end inside a UTF-8 sequence: drop its incomplete tail. */
static void cut_at_character(char *s) {
    size_t n = strlen(s), start = n;
    while (start > 0 && n - start < 4 && ((unsigned char)s[start - 1] & 0xC0) == 0x80) start--;
    if (start == 0) return;
    unsigned char lead = (unsigned char)s[start - 1];
    size_t need = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    if (n - (start - 1) < need) s[start - 1] = 0;
}

/* Through a buffer of its own, because an argument may be the old text of the same error. */
static void format(char *out, size_t size, const char *fmt, va_list args) BB_PRINTF(3, 0);
static void format(char *out, size_t size, const char *fmt, va_list args) {
    char text[sizeof((bb_error *)0)->text];
    bb_c_locale l = bb_c_locale_enter();
    int n = vsnprintf(text, size, fmt, args);
    bb_c_locale_leave(l);
    if (n < 0) text[0] = 0;
    if (n >= 0 && (size_t)n >= size) cut_at_character(text);
    memcpy(out, text, strlen(text) + 1);
}

void bb_fail_text(bb_error *err, bb_status status, const char *fmt, ...) {
    if (!err) return;
    va_list args;
    va_start(args, fmt);
    format(err->text, sizeof err->text, fmt, args);
    va_end(args);
    err->status = status;
    err->hint[0] = 0;
}

void bb_hint(bb_error *err, const char *fmt, ...) {
    if (!err) return;
    va_list args;
    va_start(args, fmt);
    format(err->hint, sizeof err->hint, fmt, args);
    va_end(args);
}
