/* SPDX-License-Identifier: GPL-3.0-or-later */
/* name_find.h - from what a user typed to the one row that it means; private to model/. */
#ifndef BB_MODEL_NAME_FIND_H
#define BB_MODEL_NAME_FIND_H
#include "base/fail.h"

/* Index of the name that `text` means among next(ctx, 0), next(ctx, 1), ... (NULL ends, "" is skipped): the same but
 * for case; else the same but for blanks, '-', '_' and '.'; else the same but for one of these between a digit and a
 * letter (rtx4090); else the one that begins with it; else the one that holds it from the start of a word. SIZE_MAX and
 * a BB_E_NAME sentence ("no `what` is called ...", with the nearest names, or those that it could mean) when there is
 * not exactly one. */
size_t bb_name_find(const char *text, const char *(*next)(const void *ctx, size_t i), const void *ctx, const char *what,
                    bb_error *err);
/* The same but for case, for blanks, '-', '_' and '.', and for one of these between a digit and a letter. */
bool bb_name_loosely(const char *name, const char *text);
#endif
