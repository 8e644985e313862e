/* SPDX-License-Identifier: GPL-3.0-or-later */
/* json.c - JSON in and out over jansson; the only user of it. */
#include "base/json.h"
#include "base/c_locale.h"
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

/* jansson's integers are signed 64-bit. One from 2^63 to 2^64 - 1 is kept as a string that begins with NUL, which no
 * text of a file or of a caller can: \u0000 is refused on the way in, and C strings end there. */
static const char big_escape[] = "\"\\u0000";

static bool is_big(const json_t *v) {
    return json_is_string(v) && json_string_length(v) > 0 && !json_string_value(v)[0];
}
static const char *big_digits(const json_t *v) { return json_string_value(v) + 1; }

/* ---- in: a scan of our own before jansson sees the text ---- */

/* Most values of one tree: jansson needs up to 300 bytes for "{}", so that a small file could take all memory. */
enum { MAX_VALUES = 1 << 20 };

typedef struct scan {
    const char *p, *end, *start;
    const char *name; /* escaped */
    bb_error *err;
    char shown[256];
} scan;

static size_t line_of(const scan *s, const char *at) {
    size_t line = 1;
    for (const char *q = s->start; q < at; q++) line += *q == '\n';
    return line;
}

static bb_status bad(const scan *s, const char *at, const char *what) {
    return bb_fail(s->err, BB_E_INVALID, "%s: line %zu: %s", s->name, line_of(s, at), what);
}

static bb_status no_memory(const scan *s) { return bb_fail(s->err, BB_E_NOMEM, "%s: out of memory", s->name); }

static void blanks(scan *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) s->p++;
}

/* Past the string that starts at p. */
static bb_status skip_string(scan *s) {
    const char *from = s->p;
    for (s->p++; s->p < s->end; s->p++) {
        if (*s->p == '"') {
            s->p++;
            return BB_OK;
        }
        if (*s->p != '\\') continue;
        if (s->end - s->p >= 6 && memcmp(s->p, "\\u0000", 6) == 0) return bad(s, s->p, "a NUL in a string");
        s->p++;
    }
    s->p = s->end;
    return bad(s, from, "a string does not end");
}

/* Length of the digits of a number from 2^63 to 2^64 - 1 at p; 0 for any other. */
static size_t big_integer(const scan *s) {
    char digits[24];
    size_t n = 0;
    while (s->p + n < s->end && s->p[n] >= '0' && s->p[n] <= '9') n++;
    if (n < 19 || n > 20 || (s->p + n < s->end && (s->p[n] == '.' || s->p[n] == 'e' || s->p[n] == 'E'))) return 0;
    memcpy(digits, s->p, n);
    digits[n] = 0;
    uint64_t v;
    return digits[0] != '0' && bb_parse_u64(digits, &v) && v > INT64_MAX ? n : 0;
}

/* Length of a word that Python writes for a number that JSON has not; 0 for anything else. */
static size_t nan_word(const scan *s) {
    static const char *const words[] = {"-Infinity", "Infinity", "NaN"};
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        size_t len = strlen(words[w]);
        if ((size_t)(s->end - s->p) >= len && memcmp(s->p, words[w], len) == 0) return len;
    }
    return 0;
}

/* What jansson gets instead of the text: pieces of it, with words and numbers replaced. Empty while nothing was. */
typedef struct substitute {
    bb_str text;
    const char *done; /* copied up to here */
    bool allow_nan;
} substitute;

/* Past a number or word of the scan, replacing it where jansson could not read it. */
static void scalar(scan *s, substitute *r) {
    size_t len = 0;
    bool digit = *s->p >= '0' && *s->p <= '9';
    if (digit && (len = big_integer(s)) > 0) {
        bb_str_addn(&r->text, r->done, (size_t)(s->p - r->done));
        bb_str_add(&r->text, big_escape);
        bb_str_addn(&r->text, s->p, len);
        bb_str_add(&r->text, "\"");
        r->done = s->p + len;
    } else if (r->allow_nan && (len = nan_word(s)) > 0) {
        bb_str_addn(&r->text, r->done, (size_t)(s->p - r->done));
        bb_str_add(&r->text, "null");
        r->done = s->p + len;
    }
    s->p += len ? len : 1;
    /* the rest of it, whatever it is: jansson judges */
    while (s->p < s->end && !strchr(",:]}[{\" \t\n\r", *s->p)) s->p++;
}

/* Past one value, looking at brackets, strings and numbers only; jansson judges the rest. level is how deep it lies. */
static bb_status skip_value(scan *s, size_t level, substitute *r) {
    const char *from = s->p;
    size_t depth = 0, values = 0;
    bb_status status;
    while (s->p < s->end) {
        char c = *s->p;
        bool open = c == '{' || c == '[', close = c == '}' || c == ']';
        if (c == '"') {
            if ((status = skip_string(s)) != BB_OK) return status;
        } else if (open && ++depth + level > BB_JSON_MAX_DEPTH)
            return bad(s, s->p, "nested deeper than 64 levels");
        else if (close && depth-- == 0)
            return BB_OK;
        else if (open || close || c == ',' || c == ':' || c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            if (depth == 0 && !close) return BB_OK;
            s->p++;
        } else
            scalar(s, r);
        if ((open || c == ',') && ++values > MAX_VALUES)
            return bb_fail(s->err, BB_E_LIMIT, "%s: line %zu: a value holds more than %d others", s->name,
                           line_of(s, from), MAX_VALUES);
        if (depth == 0) return BB_OK;
    }
    return depth ? bad(s, from, "a bracket does not close") : BB_OK;
}

static bb_status check_text(scan *s, const char *text, size_t n, const char *name, size_t max_bytes, bool allow_bom,
                            bb_error *err) {
    *s = (scan){.p = text, .end = text + n, .start = text, .err = err};
    s->name = bb_escape_buf(name, s->shown, sizeof s->shown);
    if (n > max_bytes)
        return bb_fail(err, BB_E_LIMIT, "%s: %zu bytes of JSON, at most %zu are read", s->name, n, max_bytes);
    if (n >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        if (!allow_bom)
            return bb_fail(err, BB_E_INVALID, "%s: begins with a byte order mark, which this JSON must not", s->name);
        s->p += 3;
    }
    const char *nul = n ? memchr(text, 0, n) : NULL;
    if (nul) return bad(s, nul, "a NUL byte");
    blanks(s);
    return BB_OK;
}

/* A string that stands for itself, which most names of tensors are, needs no parser. NULL for any other text. */
static json_t *plain_string(const char *from, const char *to) {
    size_t n = (size_t)(to - from);
    if (n < 2 || *from != '"' || to[-1] != '"') return NULL;
    for (const char *p = from + 1; p < to - 1; p++)
        if ((unsigned char)*p < 0x20 || *p == '\\' || *p == '"') return NULL;
    return bb_utf8_valid(from + 1, n - 2) ? json_stringn_nocheck(from + 1, n - 2) : NULL;
}

/* Whether a token is longer than what jansson's lexer holds without growing (strbuffer.c: 16 bytes). */
static bool has_long_token(const char *p, const char *end) {
    enum { SHORT = 12 };
    bool in_string = false;
    for (size_t run = 0; p < end; p++) {
        if (in_string && *p == '\\') {
            p++;
            run++;
        } else if (*p == '"')
            in_string = !in_string;
        run = in_string || !strchr(" \t\r\n,:[]{}", *p) ? run + 1 : 0;
        if (run > SHORT) return true;
    }
    return false;
}

static json_t *load_text(const char *text, size_t n, json_error_t *e) {
    bb_c_locale l = bb_c_locale_enter();
    json_t *v = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, e);
    bb_c_locale_leave(l);
    return v;
}

/* The value at [from, to) by jansson, from r where the scan has replaced something. jansson 2.14 does not look whether
 * its lexer's buffer could grow: where memory ends it drops a character or calls the token invalid. Hence a second try,
 * and of long tokens two that must agree. */
static bb_status load(const scan *s, const char *from, const char *to, substitute *r, json_t **out) {
    if ((*out = plain_string(from, to))) return BB_OK;
    json_error_t e;
    const char *text = from;
    size_t n = (size_t)(to - from);
    if (r && r->text.failed) return no_memory(s);
    if (r && r->text.len) {
        bb_str_addn(&r->text, r->done, (size_t)(to - r->done));
        if (r->text.failed) return no_memory(s);
        text = r->text.data;
        n = r->text.len;
    }
    json_t *v = load_text(text, n, &e);
    if (!v || has_long_token(text, text + n)) {
        json_t *again = load_text(text, n, &e);
        bool differ = v && !(again && json_equal(v, again));
        json_decref(v);
        v = again;
        if (differ) {
            json_decref(v);
            return no_memory(s);
        }
    }
    if (!v) {
        /* jansson has no words for most of the places where memory can end */
        void *some = bb_alloc(n, 1);
        free(some);
        if (!some || !e.text[0] || json_error_code(&e) == json_error_out_of_memory) return no_memory(s);
        char what[200];
        return bb_fail(s->err, BB_E_INVALID, "%s: line %zu: %s", s->name,
                       line_of(s, from) + (e.line > 1 ? (size_t)e.line - 1 : 0),
                       bb_escape_buf(e.text, what, sizeof what));
    }
    *out = v;
    return BB_OK;
}

/* The value at s->p, which goes past it. */
static bb_status read_value(scan *s, size_t level, bool allow_nan, bool last, json_t **out) {
    const char *from = s->p;
    substitute r = {.done = from, .allow_nan = allow_nan};
    bb_str_init(&r.text);
    bb_status status = skip_value(s, level, &r);
    if (status == BB_OK && last) {
        blanks(s);
        if (s->p < s->end) status = bad(s, s->p, "text after the end of the value");
    }
    if (status == BB_OK) status = load(s, from, s->p, &r, out);
    bb_str_clear(&r.text);
    return status;
}

bb_status bb_json_parse(const char *text, size_t n, const char *name, size_t max_bytes, bool allow_bom, bool allow_nan,
                        bb_json **value, bb_error *err) {
    scan s;
    json_t *v = NULL;
    bb_status status = check_text(&s, text, n, name, max_bytes, allow_bom, err);
    if (status == BB_OK && s.p == s.end) status = bad(&s, s.p, "no value, only blanks");
    if (status == BB_OK) status = read_value(&s, 0, allow_nan, true, &v);
    if (status == BB_OK) *value = b(v);
    return status;
}

/* A walk through the entries of an object. */
typedef struct walk {
    scan *s;
    bb_json_visit visit;
    void *ctx;
    size_t level;       /* of the entries' values */
    json_t *seen;       /* the names so far, or NULL: nobody asks */
    const char *member; /* the one whose entries inner gets, or NULL */
    bb_json_visit inner;
} walk;

static bb_status walk_object(const walk *w);

static bb_status visit_value(const walk *w, const char *key) {
    scan *s = w->s;
    bb_status status;
    if (w->member && s->p < s->end && *s->p == '{' && strcmp(key, w->member) == 0) {
        if ((status = w->visit(w->ctx, key, NULL, s->err)) != BB_OK) return status;
        return walk_object(&(walk){.s = s, .visit = w->inner, .ctx = w->ctx, .level = w->level + 1});
    }
    json_t *v = NULL;
    status = read_value(s, w->level, false, false, &v);
    if (status == BB_OK) status = w->visit(w->ctx, key, b(v), s->err);
    json_decref(v);
    return status;
}

/* One entry and the blanks after it. */
static bb_status visit_entry(const walk *w) {
    scan *s = w->s;
    const char *from = s->p;
    if (from == s->end || *from != '"') return bad(s, from, "expected a name in quotes");
    json_t *key = NULL;
    bb_status status = skip_string(s);
    if (status == BB_OK) status = load(s, from, s->p, NULL, &key);
    if (status != BB_OK) return status;
    blanks(s);
    if (s->p == s->end || *s->p != ':') status = bad(s, s->p, "expected ':'");
    if (status == BB_OK && w->seen && json_object_get(w->seen, json_string_value(key))) {
        char shown[80];
        bb_escape_buf(json_string_value(key), shown, sizeof shown);
        status =
            bb_fail(s->err, BB_E_INVALID, "%s: line %zu: the name '%s' stands twice", s->name, line_of(s, from), shown);
    }
    if (status == BB_OK && w->seen && json_object_set_new(w->seen, json_string_value(key), json_null()) != 0)
        status = no_memory(s);
    if (status == BB_OK) {
        s->p++;
        blanks(s);
        status = visit_value(w, json_string_value(key));
    }
    json_decref(key);
    blanks(s);
    return status;
}

/* The object at p, which goes past it. */
static bb_status walk_object(const walk *w) {
    scan *s = w->s;
    bb_status status = BB_OK;
    s->p++;
    blanks(s);
    bool more = !(s->p < s->end && *s->p == '}');
    while (more && status == BB_OK) {
        if ((status = visit_entry(w)) != BB_OK) return status;
        more = s->p < s->end && *s->p == ',';
        if (more) {
            s->p++;
            blanks(s);
        } else if (s->p == s->end || *s->p != '}')
            status = bad(s, s->p, "expected ',' or '}'");
    }
    if (status == BB_OK) s->p++;
    return status;
}

bb_status bb_json_each_within(const char *text, size_t n, const char *name, size_t max_bytes, bb_json_visit visit,
                              const char *member, bb_json_visit inner, void *ctx, bb_error *err) {
    scan s;
    bb_status status = check_text(&s, text, n, name, max_bytes, false, err);
    if (status != BB_OK) return status;
    if (s.p == s.end || *s.p != '{') return bad(&s, s.p, "expected an object");
    walk w = {.s = &s, .visit = visit, .ctx = ctx, .level = 1, .member = member, .inner = inner};
    if (!(w.seen = json_object())) return no_memory(&s);
    status = walk_object(&w);
    json_decref(w.seen);
    if (status != BB_OK) return status;
    blanks(&s);
    return s.p == s.end ? BB_OK : bad(&s, s.p, "text after the end of the object");
}

bb_status bb_json_each(const char *text, size_t n, const char *name, size_t max_bytes, bb_json_visit visit, void *ctx,
                       bb_error *err) {
    return bb_json_each_within(text, n, name, max_bytes, visit, NULL, NULL, ctx, err);
}

bool bb_json_is_whole(const bb_json *value) {
    json_t *v = j(value);
    if (!v) return false;
    if (!json_is_object(v) && !json_is_array(v)) return true;
    if (v->refcount > 1) return false; /* see put */
    for (void *it = json_object_iter(v); it; it = json_object_iter_next(v, it))
        if (!bb_json_is_whole(b(json_object_iter_value(it)))) return false;
    for (size_t i = 0; i < json_array_size(v); i++)
        if (!bb_json_is_whole(b(json_array_get(v, i)))) return false;
    return true;
}

/* Takes back the references that put left as marks. */
static void unmark(json_t *v) {
    if (!json_is_object(v) && !json_is_array(v)) return;
    v->refcount = 1;
    for (void *it = json_object_iter(v); it; it = json_object_iter_next(v, it)) unmark(json_object_iter_value(it));
    for (size_t i = 0; i < json_array_size(v); i++) unmark(json_array_get(v, i));
}

void bb_json_free(bb_json *value) {
    unmark(j(value));
    json_decref(j(value));
}

bool bb_json_is_object(const bb_json *v) { return json_is_object(j(v)); }
bool bb_json_is_array(const bb_json *v) { return json_is_array(j(v)); }
bool bb_json_is_string(const bb_json *v) { return json_is_string(j(v)) && !is_big(j(v)); }
bool bb_json_is_null(const bb_json *v) { return json_is_null(j(v)); }

bool bb_json_is_bool(const bb_json *v, bool *value) {
    if (!json_is_boolean(j(v))) return false;
    *value = json_is_true(j(v));
    return true;
}

const bb_json *bb_json_get(const bb_json *object, const char *key) { return b(json_object_get(j(object), key)); }

size_t bb_json_size(const bb_json *v) { return json_is_object(j(v)) ? json_object_size(j(v)) : json_array_size(j(v)); }

const bb_json *bb_json_at(const bb_json *array, size_t i) { return b(json_array_get(j(array), i)); }

const char *bb_json_text(const bb_json *v) { return bb_json_is_string(v) ? json_string_value(j(v)) : NULL; }

bool bb_json_u64(const bb_json *v, uint64_t *n) {
    if (json_is_integer(j(v))) {
        json_int_t i = json_integer_value(j(v));
        if (i < 0) return false;
        *n = (uint64_t)i;
        return true;
    }
    if (is_big(j(v))) return bb_parse_u64(big_digits(j(v)), n);
    if (!json_is_real(j(v))) return false;
    double d = json_real_value(j(v));
    if (!(d >= 0 && d < 0x1p53) || d != floor(d)) return false;
    *n = (uint64_t)d;
    return true;
}

bool bb_json_f64(const bb_json *v, double *d) {
    if (is_big(j(v))) return bb_parse_f64(big_digits(j(v)), d);
    if (!json_is_number(j(v))) return false;
    *d = json_number_value(j(v));
    return true;
}

bool bb_json_is_integer(const bb_json *v) { return json_is_integer(j(v)) || is_big(j(v)); }

static bb_json_iter member(void *at) {
    if (!at) return (bb_json_iter){0};
    return (bb_json_iter){json_object_iter_key(at), b(json_object_iter_value(at)), at};
}

bb_json_iter bb_json_first(const bb_json *object) { return member(json_object_iter(j(object))); }
bb_json_iter bb_json_next(const bb_json *object, bb_json_iter it) {
    return member(json_object_iter_next(j(object), it.at));
}

/* ---- out ---- */

/* UTF-8 as it is, anything else escaped. False when memory ended. */
static bool clean(const char *text, bb_str *out) {
    size_t n = strlen(text);
    bb_str_init(out);
    if (bb_utf8_valid(text, n))
        bb_str_addn(out, text, n);
    else
        bb_escape(out, text, n, 0);
    return !out->failed;
}

/* Adds v (owned) under key or at the end; the reference of the parent keeps it alive. A child that is lost for want of
 * memory leaves its mark, an extra reference to the parent, so that bb_json_write does not pass over it. */
static json_t *put(bb_json *parent, const char *key, json_t *v) {
    if (!parent) {
        json_decref(v);
        return NULL;
    }
    int rc = -1;
    if (v && json_is_array(j(parent)))
        rc = json_array_append_new(j(parent), v);
    else if (v) {
        bb_str name;
        if (clean(key, &name))
            rc = json_object_set_new(j(parent), bb_str_c(&name), v);
        else
            json_decref(v);
        bb_str_clear(&name);
    }
    if (rc == 0) return v;
    json_incref(j(parent));
    return NULL;
}

bb_json *bb_json_new_object(void) { return b(json_object()); }
bb_json *bb_json_add_object(bb_json *parent, const char *key) { return b(put(parent, key, json_object())); }
bb_json *bb_json_add_array(bb_json *parent, const char *key) { return b(put(parent, key, json_array())); }

bool bb_json_add_text(bb_json *parent, const char *key, const char *utf8) {
    bb_str s;
    json_t *v = clean(utf8, &s) ? json_string(bb_str_c(&s)) : NULL;
    bb_str_clear(&s);
    return put(parent, key, v);
}

bool bb_json_add_u64(bb_json *parent, const char *key, uint64_t v) {
    if (v <= INT64_MAX) return put(parent, key, json_integer((json_int_t)v));
    char text[24];
    int n = snprintf(text + 1, sizeof text - 1, "%llu", (unsigned long long)v);
    text[0] = 0;
    return put(parent, key, json_stringn(text, (size_t)n + 1));
}

bool bb_json_add_i64(bb_json *parent, const char *key, int64_t v) { return put(parent, key, json_integer(v)); }

bool bb_json_add_f64(bb_json *parent, const char *key, double v) {
    if (isnan(v)) return put(parent, key, json_null());
    if (isinf(v)) return put(parent, key, json_string(v < 0 ? "-inf" : "inf"));
    return put(parent, key, json_real(v));
}

bool bb_json_add_bool(bb_json *parent, const char *key, bool v) { return put(parent, key, json_boolean(v)); }
bool bb_json_add_null(bb_json *parent, const char *key) { return put(parent, key, json_null()); }
bool bb_json_add_copy(bb_json *parent, const char *key, const bb_json *value) {
    return put(parent, key, bb_json_is_whole(value) ? json_deep_copy(j(value)) : NULL);
}

static void write_value(const json_t *v, size_t indent, bb_str *out);

void bb_json_write_text(const char *text, bb_str *out) {
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
        bb_json_write_text(json_object_iter_key(it), out);
        bb_str_add(out, ": ");
        write_value(json_object_iter_value(it), indent + 2, out);
    }
    if (!first) new_line(indent, out);
}

static void write_value(const json_t *v, size_t indent, bb_str *out) {
    char buf[32];
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
        if (is_big(v))
            bb_str_add(out, big_digits(v));
        else
            bb_json_write_text(json_string_value(v), out);
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

bb_status bb_json_write_within(const bb_json *value, size_t indent, bb_str *out) {
    if (!bb_json_is_whole(value)) return BB_E_NOMEM;
    write_value(j(value), indent, out);
    return out->failed ? BB_E_NOMEM : BB_OK;
}

bb_status bb_json_write(const bb_json *value, bb_str *out) {
    bb_status status = bb_json_write_within(value, 0, out);
    if (status != BB_OK) return status;
    bb_str_add(out, "\n");
    return out->failed ? BB_E_NOMEM : BB_OK;
}
