/* SPDX-License-Identifier: GPL-3.0-or-later */
/* c_locale.h - printf and strtod with '.' as the point, whatever the program that uses the library has set. */
#ifndef BB_BASE_C_LOCALE_H
#define BB_BASE_C_LOCALE_H
#include <locale.h>

typedef struct bb_c_locale {
    locale_t c, saved;
} bb_c_locale;

/* Switches this thread alone. glibc and musl hand out their built-in object for "C": nothing is allocated or loaded. */
static inline bb_c_locale bb_c_locale_enter(void) {
    bb_c_locale l = {newlocale(LC_ALL_MASK, "C", (locale_t)0), (locale_t)0};
    if (l.c) l.saved = uselocale(l.c);
    return l;
}
static inline void bb_c_locale_leave(bb_c_locale l) {
    if (!l.c) return;
    uselocale(l.saved);
    freelocale(l.c);
}
#endif
