/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json.c - JSON in and out over jansson; the only user of it. */
#include "base/json.h"
#include "base/escape.h"
#include "base/mem.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* bb_json is never defined: it stands for jansson's json_t, whose name stays in this file. */
static json_t *j(const bb_json *v) { return (json_t *)(uintptr_t)v; }
static bb_json *b(json_t *v) { return (bb_json *)v; }

/* ---- in: a scan of our own before jansson sees the text ---- */

typedef struct scan {
    const char *p, *end, *start;
    const char *name;
    bb_error *err;
} scan;

static bb_status bad(const scan *s, const char *at, const char *what) {
    size_t line = 1;
    for (const char *q = s->start; q < at; q++) line += *q == '\n';
    return bb_fail(s->err, BB_E_INVALID, "%s: line %zu: %s", s->name, line, what);
}

static void blanks(scan *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) s->p++;
}

/* Past the string that starts at p; false when it does not end. */
static bool skip_string(scan *s) {
    for (s->p++; s->p < s->end; s->p++) {
        if (*s->p == '\\')
            s->p++;
        else if (*s->p == '"') {
            s->p++;
            return true;
        }
    }
    s->p = s->end;
    return false;
}

/* Past one value, looking only at brackets and strings; jansson judges the rest. */
static bb_status skip_value(scan *s) {
    const char *from = s->p;
    size_t depth = 0;
    while (s->p < s->end) {
        char c = *s->p;
        if (c == '"') {
            if (!skip_string(s)) return bad(s, from, "a string does not end");
            if (depth == 0) return BB_OK;
            continue;
        }
        if (c == '{' || c == '[') {
            if (++depth > BB_JSON_MAX_DEPTH) return bad(s, s->p, "nested deeper than 64 levels");
        } else if (c == '}' || c == ']') {
            if (depth == 0) return BB_OK;
            if (--depth == 0) {
                s->p++;
                return BB_OK;
            }
        } else if (depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r'))
            return BB_OK;
        s->p++;
    }
    return depth ? bad(s, from, "a bracket does not close") : BB_OK;
}

/* Python writes NaN and infinities as bare words: null takes their place. */
static bool without_nan(const char *text, size_t n, bb_str *out) {
    static const char *const words[] = {"-Infinity", "Infinity", "NaN"};
    bool in = false;
    size_t done = 0;
    for (size_t i = 0; i < n; i++) {
        if (in && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in = !in;
        else if (!in && (text[i] == '-' || text[i] == 'I' || text[i] == 'N')) {
            for (size_t w = 0; w < 3; w++) {
                size_t len = strlen(words[w]);
                if (n - i < len || memcmp(text + i, words[w], len) != 0) continue;
                bb_str_addn(out, text + done, i - done);
                bb_str_add(out, "null");
                done = i + len;
                i = done - 1;
                break;
            }
        }
    }
    bb_str_addn(out, text + done, n - done);
    return !out->failed;
}

static bb_status check_text(scan *s, const char *text, size_t n, const char *name, size_t max_bytes, bool allow_bom,
                            bb_error *err) {
    if (n > max_bytes)
        return bb_fail(err, BB_E_LIMIT, "%s: %zu bytes of JSON, at most %zu are read", name, n, max_bytes);
    *s = (scan){text, text + n, text, name, err};
    if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        if (!allow_bom)
            return bb_fail(err, BB_E_INVALID, "%s: begins with a byte order mark, which this JSON must not", name);
        s->p += 3;
    }
    blanks(s);
    return BB_OK;
}

/* One value of [text, text + n) by jansson. */
static bb_status load(const scan *s, const char *text, size_t n, json_t **out) {
    json_error_t e;
    json_t *v = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (!v) {
        char what[200];
        bb_escape_buf(e.text, what, sizeof what);
        if (json_error_code(&e) == json_error_out_of_memory) return bb_fail(s->err, BB_E_NOMEM, "out of memory");
        const char *at = e.position > 0 && (size_t)e.position <= n ? text + e.position - 1 : text;
        /* text may be a copy: only positions inside the original have a line of their own */
        return bad(s, at >= s->start && at <= s->end ? at : s->start, what);
    }
    *out = v;
    return BB_OK;
}

bb_status bb_json_parse(const char *text, size_t n, const char *name, size_t max_bytes, bool allow_bom, bool allow_nan,
                        bb_json **value, bb_error *err) {
    scan s;
    bb_str copy;
    bb_str_init(&copy);
    bb_status status = check_text(&s, text, n, name, max_bytes, allow_bom, err);
    if (status != BB_OK) return status;
    const char *from = s.p;
    if ((status = skip_value(&s)) != BB_OK) return status;
    size_t length = (size_t)(s.end - from);
    if (allow_nan) {
        if (!without_nan(from, length, &copy)) {
            bb_str_clear(&copy);
            return bb_fail(err, BB_E_NOMEM, "out of memory");
        }
        from = bb_str_c(&copy);
        length = copy.len;
    }
    json_t *v = NULL;
    status = load(&s, from, length, &v);
    bb_str_clear(&copy);
    if (status == BB_OK) *value = b(v);
    return status;
}

bb_status bb_json_each(const char *text, size_t n, const char *name, size_t max_bytes,
                       bb_status (*visit)(void *ctx, const char *key, const bb_json *value, bb_error *err), void *ctx,
                       bb_error *err) {
    scan s;
    bb_status status = check_text(&s, text, n, name, max_bytes, false, err);
    if (status != BB_OK) return status;
    if (s.p == s.end || *s.p != '{') return bad(&s, s.p, "expected an object");
    s.p++;
    json_t *seen = json_object();
    if (!seen) return bb_fail(err, BB_E_NOMEM, "out of memory");
    blanks(&s);
    bool first = true;
    while (status == BB_OK) {
        blanks(&s);
        if (s.p < s.end && *s.p == '}' && first) break;
        if (s.p == s.end || *s.p != '"') {
            status = bad(&s, s.p, "expected a name in quotes");
            break;
        }
        const char *k = s.p;
        if (!skip_string(&s)) {
            status = bad(&s, k, "a string does not end");
            break;
        }
        json_t *key = NULL, *v = NULL;
        status = load(&s, k, (size_t)(s.p - k), &key);
        blanks(&s);
        if (status == BB_OK && (s.p == s.end || *s.p != ':')) status = bad(&s, s.p, "expected ':'");
        if (status == BB_OK) {
            s.p++;
            blanks(&s);
            const char *from = s.p;
            status = skip_value(&s);
            if (status == BB_OK) status = load(&s, from, (size_t)(s.p - from), &v);
        }
        if (status == BB_OK && json_object_get(seen, json_string_value(key)))
            status = bad(&s, k, "the same name twice");
        if (status == BB_OK && json_object_set_new(seen, json_string_value(key), json_null()) != 0)
            status = bb_fail(err, BB_E_NOMEM, "out of memory");
        if (status == BB_OK) status = visit(ctx, json_string_value(key), b(v), err);
        json_decref(key);
        json_decref(v);
        if (status != BB_OK) break;
        first = false;
        blanks(&s);
        if (s.p < s.end && *s.p == ',') {
            s.p++;
            continue;
        }
        if (s.p == s.end || *s.p != '}') status = bad(&s, s.p, "expected ',' or '}'");
        break;
    }
    json_decref(seen);
    if (status != BB_OK) return status;
    s.p++;
    blanks(&s);
    return s.p == s.end ? BB_OK : bad(&s, s.p, "text after the end of the object");
}

void bb_json_free(bb_json *value) { json_decref(j(value)); }

bool bb_json_is_object(const bb_json *v) { return json_is_object(j(v)); }
bool bb_json_is_array(const bb_json *v) { return json_is_array(j(v)); }
bool bb_json_is_string(const bb_json *v) { return json_is_string(j(v)); }
bool bb_json_is_null(const bb_json *v) { return json_is_null(j(v)); }

bool bb_json_is_bool(const bb_json *v, bool *value) {
    if (!json_is_boolean(j(v))) return false;
    *value = json_is_true(j(v));
    return true;
}

const bb_json *bb_json_get(const bb_json *object, const char *key) { return b(json_object_get(j(object), key)); }

size_t bb_json_size(const bb_json *v) { return json_is_object(j(v)) ? json_object_size(j(v)) : json_array_size(j(v)); }

const bb_json *bb_json_at(const bb_json *array, size_t i) { return b(json_array_get(j(array), i)); }

const char *bb_json_text(const bb_json *v) { return json_string_value(j(v)); }

bool bb_json_u64(const bb_json *v, uint64_t *n) {
    if (json_is_integer(j(v))) {
        json_int_t i = json_integer_value(j(v));
        if (i < 0) return false;
        *n = (uint64_t)i;
        return true;
    }
    if (!json_is_real(j(v))) return false;
    double d = json_real_value(j(v));
    if (!(d >= 0 && d <= 0x1p53) || d != floor(d)) return false;
    *n = (uint64_t)d;
    return true;
}

bool bb_json_f64(const bb_json *v, double *d) {
    if (!json_is_number(j(v))) return false;
    *d = json_number_value(j(v));
    return true;
}

bool bb_json_is_integer(const bb_json *v) { return json_is_integer(j(v)); }

static bb_json_iter member(void *at) {
    if (!at) return (bb_json_iter){0};
    return (bb_json_iter){json_object_iter_key(at), b(json_object_iter_value(at)), at};
}

bb_json_iter bb_json_first(const bb_json *object) { return member(json_object_iter(j(object))); }
bb_json_iter bb_json_next(const bb_json *object, bb_json_iter it) {
    return member(json_object_iter_next(j(object), it.at));
}

/* ---- out ---- */

/* jansson's integers are signed: one above 2^63 - 1 is kept as a text that begins with a byte no text begins with. */
static const char big_mark = '\x01';

/* Adds v (owned) under key or at the end; the reference of the parent keeps it alive. */
static json_t *put(bb_json *parent, const char *key, json_t *v) {
    if (!parent || !v) {
        json_decref(v);
        return NULL;
    }
    int rc = json_is_array(j(parent)) ? json_array_append_new(j(parent), v) : json_object_set_new(j(parent), key, v);
    return rc == 0 ? v : NULL;
}

bb_json *bb_json_new_object(void) { return b(json_object()); }
bb_json *bb_json_add_object(bb_json *parent, const char *key) { return b(put(parent, key, json_object())); }
bb_json *bb_json_add_array(bb_json *parent, const char *key) { return b(put(parent, key, json_array())); }

bool bb_json_add_text(bb_json *parent, const char *key, const char *utf8) {
    json_t *v = *utf8 == big_mark ? NULL : json_string(utf8);
    if (!v) { /* not UTF-8, or it would be taken for a big number */
        bb_str s;
        bb_str_init(&s);
        bb_escape(&s, utf8, strlen(utf8), 0);
        if (!s.failed) v = json_string(bb_str_c(&s));
        bb_str_clear(&s);
    }
    return put(parent, key, v);
}

bool bb_json_add_u64(bb_json *parent, const char *key, uint64_t v) {
    if (v <= INT64_MAX) return put(parent, key, json_integer((json_int_t)v));
    char text[24];
    snprintf(text, sizeof text, "%c%llu", big_mark, (unsigned long long)v);
    return put(parent, key, json_string(text));
}

bool bb_json_add_f64(bb_json *parent, const char *key, double v) {
    if (isnan(v)) return put(parent, key, json_null());
    if (isinf(v)) return put(parent, key, json_string(v < 0 ? "-inf" : "inf"));
    return put(parent, key, json_real(v));
}

bool bb_json_add_bool(bb_json *parent, const char *key, bool v) { return put(parent, key, json_boolean(v)); }
bool bb_json_add_null(bb_json *parent, const char *key) { return put(parent, key, json_null()); }
bool bb_json_add_copy(bb_json *parent, const char *key, const bb_json *value) {
    return put(parent, key, json_deep_copy(j(value)));
}

static void write_value(const json_t *v, size_t indent, bb_str *out);

static void write_text(const char *text, bb_str *out) {
    json_t *v = json_string(text);
    char *s = v ? json_dumps(v, JSON_ENCODE_ANY) : NULL;
    if (s)
        bb_str_add(out, s);
    else
        out->failed = true;
    free(s);
    json_decref(v);
}

static void new_line(size_t indent, bb_str *out) {
    bb_str_add(out, "\n");
    bb_str_addc(out, ' ', indent);
}

static void write_members(const json_t *v, size_t indent, bb_str *out) {
    json_t *object = (json_t *)(uintptr_t)v;
    bool first = true;
    for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
        if (!first) bb_str_add(out, ",");
        first = false;
        new_line(indent + 2, out);
        write_text(json_object_iter_key(it), out);
        bb_str_add(out, ": ");
        write_value(json_object_iter_value(it), indent + 2, out);
    }
    if (!first) new_line(indent, out);
}

static void write_value(const json_t *v, size_t indent, bb_str *out) {
    char buf[32];
    const char *text;
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        bb_str_add(out, "{");
        write_members(v, indent, out);
        bb_str_add(out, "}");
        break;
    case JSON_ARRAY:
        bb_str_add(out, "[");
        for (size_t i = 0; i < json_array_size(v); i++) {
            if (i) bb_str_add(out, ",");
            new_line(indent + 2, out);
            write_value(json_array_get(v, i), indent + 2, out);
        }
        if (json_array_size(v)) new_line(indent, out);
        bb_str_add(out, "]");
        break;
    case JSON_STRING:
        text = json_string_value(v);
        if (*text == big_mark)
            bb_str_add(out, text + 1);
        else
            write_text(text, out);
        break;
    case JSON_INTEGER:
        bb_str_addf(out, "%lld", (long long)json_integer_value(v));
        break;
    case JSON_REAL:
        bb_str_add(out, bb_f64_17(json_real_value(v), buf));
        if (!strpbrk(buf, ".e")) bb_str_add(out, ".0");
        break;
    case JSON_TRUE:
        bb_str_add(out, "true");
        break;
    case JSON_FALSE:
        bb_str_add(out, "false");
        break;
    case JSON_NULL:
        bb_str_add(out, "null");
        break;
    }
}

bb_status bb_json_write(const bb_json *value, bb_str *out) {
    if (!value) return BB_E_NOMEM;
    write_value(j(value), 0, out);
    bb_str_add(out, "\n");
    return out->failed ? BB_E_NOMEM : BB_OK;
}
