/* SPDX-License-Identifier: GPL-3.0-or-later */
/* expression.c - reading and matching the small expressions of quantization configs. */
#include "model/expression.h"
#include <stddef.h>
#include <string.h>

bool bb_expression_readable(const char *expression) {
    for (const char *p = expression; *p; p++) {
        bool escaped = *p == '\\' && p[1] && strchr(".-_", p[1]);
        bool any = *p == '.' && p[1] == '*' && !(p[2] && strchr("?+*{", p[2]));
        if (escaped || any)
            p++;
        else if (strchr("\\()[]{}|*+?", *p) || (*p == '$' && p[1]) || (*p == '^' && p != expression))
            return false;
    }
    return true;
}

bool bb_expression_match(const char *expression, const char *text) {
    const char *p = expression, *star = NULL, *from = NULL; /* the last ".*" and where its rest was tried */
    if (*p == '^') p++;
    for (;;) {
        bool any = p[0] == '.' && p[1] == '*', escaped = p[0] == '\\' && p[1];
        char c = escaped ? p[1] : p[0];
        if (any) {
            star = p += 2;
            from = text;
        } else if (!c || (c == '$' && !escaped && !p[1] && !*text)) {
            return true;
        } else if (*text && (c == *text || (c == '.' && !escaped))) {
            p += escaped ? 2 : 1;
            text++;
        } else if (star && *from) {
            p = star;
            text = ++from;
        } else {
            return false;
        }
    }
}

bool bb_expression_uniform(const char *expression) {
    for (const char *p = expression; *p; p++) {
        if ((*p >= '0' && *p <= '9') || (*p == '.' && p[1] != '*')) return false;
        if (*p == '\\' && p[1]) p++;
    }
    return true;
}
