/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json.h - JSON in and out over jansson: bounded depth and size, no duplicate keys, exact integers. */
#ifndef BB_BASE_JSON_H
#define BB_BASE_JSON_H
#include "base/str.h"

typedef struct bb_json bb_json; /* a JSON value (jansson's json_t); owned through bb_json_free on the root only */

enum { BB_JSON_MAX_DEPTH = 64 };

/* ---- in ---- */
/* Parses one value with nothing but blanks after it. Depth (checked before parsing), duplicate keys, invalid UTF-8, a
 * NUL in a string and numbers beyond the range are BB_E_INVALID; n > max_bytes or 2^20 values is BB_E_LIMIT. A BOM is
 * refused unless allow_bom. With allow_nan the words NaN, Infinity and -Infinity (which Python writes) read as null.
 * `name` is used in sentences. */
bb_status bb_json_parse(const char *text, size_t n, const char *name, size_t max_bytes, bool allow_bom, bool allow_nan,
                        bb_json **value, bb_error *err);
/* Walks the entries of a top-level object one at a time without holding all of them: visit gets each key (raw, NUL
 * terminated) and its value, which is freed after the call. Stops at the first status that is not BB_OK. Duplicate
 * top-level keys are BB_E_INVALID. */
typedef bb_status (*bb_json_visit)(void *ctx, const char *key, const bb_json *value, bb_error *err);
bb_status bb_json_each(const char *text, size_t n, const char *name, size_t max_bytes, bb_json_visit visit, void *ctx,
                       bb_error *err);
/* The same, but a member of that name whose value is an object is walked itself: visit gets it without a value (NULL),
 * then inner its entries. Names that stand twice there are the caller's to find. */
bb_status bb_json_each_within(const char *text, size_t n, const char *name, size_t max_bytes, bb_json_visit visit,
                              const char *member, bb_json_visit inner, void *ctx, bb_error *err);
void bb_json_free(bb_json *value);

bool bb_json_is_object(const bb_json *v);
bool bb_json_is_array(const bb_json *v);
bool bb_json_is_string(const bb_json *v);
bool bb_json_is_null(const bb_json *v);
bool bb_json_is_bool(const bb_json *v, bool *b);
const bb_json *bb_json_get(const bb_json *object, const char *key); /* NULL when absent */
size_t bb_json_size(const bb_json *v);                              /* of an array or object */
const bb_json *bb_json_at(const bb_json *array, size_t i);
const char *bb_json_text(const bb_json *v); /* of a string; NULL otherwise */
/* Exact: an integer, or a real without a fraction below 2^53 ("4096.0"). False for anything else, negatives included.
 */
bool bb_json_u64(const bb_json *v, uint64_t *n);
bool bb_json_f64(const bb_json *v, double *d); /* integer or real */
/* True for a number without point and exponent. */
bool bb_json_is_integer(const bb_json *v);
/* The members of an object in the file's order: for (it = bb_json_first(o); it.key; it = bb_json_next(o, it)). */
typedef struct bb_json_iter {
    const char *key;
    const bb_json *value;
    void *at;
} bb_json_iter;
bb_json_iter bb_json_first(const bb_json *object);
bb_json_iter bb_json_next(const bb_json *object, bb_json_iter it);

/* ---- out: build a tree, then write it. Every call returns the new value or NULL when memory ended; NULL parents are
 * accepted and give NULL, so only the last result and bb_json_write need a check. Children belong to their parent. ----
 */
bb_json *bb_json_new_object(void);
bb_json *bb_json_add_object(bb_json *parent, const char *key); /* parent an array: key NULL */
bb_json *bb_json_add_array(bb_json *parent, const char *key);
bool bb_json_add_text(bb_json *parent, const char *key, const char *utf8); /* invalid UTF-8 is escaped first */
bool bb_json_add_u64(bb_json *parent, const char *key, uint64_t v);        /* exact for all 64 bits */
bool bb_json_add_i64(bb_json *parent, const char *key, int64_t v);
bool bb_json_add_f64(bb_json *parent, const char *key, double v); /* 17 digits; NaN null, infinities "inf", "-inf" */
bool bb_json_add_bool(bb_json *parent, const char *key, bool v);
bool bb_json_add_null(bb_json *parent, const char *key);
bool bb_json_add_copy(bb_json *parent, const char *key, const bb_json *value); /* deep copy */
/* False when the value is NULL or a child was lost somewhere below it because memory ended. */
bool bb_json_is_whole(const bb_json *value);
/* BB_E_NOMEM when the value is not whole. Indented by two, keys in insertion order, a newline at the end. */
bb_status bb_json_write(const bb_json *value, bb_str *out);
/* One text in quotes, escaped as JSON wants; utf8 must be valid. For headers whose layout is given. */
void bb_json_write_text(const char *utf8, bb_str *out);
/* bb_json_write as a part of other text: lines after the first are indented, and no newline follows. */
bb_status bb_json_write_within(const bb_json *value, size_t indent, bb_str *out);
#endif
