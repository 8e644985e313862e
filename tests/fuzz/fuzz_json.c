/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_json.c - reads the input as JSON, whole and entry by entry, and writes it to read it again. */
#include "base/json.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool ok) {
    if (!ok) abort();
}

static bb_status count(void *ctx, const char *key, const bb_json *value, bb_error *err) {
    (void)err;
    check(key && value);
    ++*(size_t *)ctx;
    return BB_OK;
}

/* Every way to ask a value; at most one of its kinds is true. */
static void ask(const bb_json *v) {
    bool b;
    uint64_t u;
    double d;
    int kinds = bb_json_is_object(v) + bb_json_is_array(v) + bb_json_is_string(v) + bb_json_is_null(v) +
                bb_json_is_bool(v, &b) + bb_json_f64(v, &d);
    check(kinds == 1 && bb_json_is_string(v) == (bb_json_text(v) != NULL));
    if (bb_json_u64(v, &u)) check(bb_json_f64(v, &d) && d >= 0);
    if (bb_json_is_array(v))
        for (size_t i = 0; i < bb_json_size(v); i++) ask(bb_json_at(v, i));
    if (!bb_json_is_object(v)) return;
    size_t members = 0;
    for (bb_json_iter it = bb_json_first(v); it.key; it = bb_json_next(v, it), members++) {
        check(bb_json_get(v, it.key) == it.value);
        ask(it.value);
    }
    check(members == bb_json_size(v));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    const char *text = (const char *)data;
    enum { MOST = 1 << 20 };
    bb_json *v = NULL, *again = NULL;
    bb_error err = {0};
    size_t entries = 0;
    bb_status whole = bb_json_parse(text, n, "fuzz", MOST, false, false, &v, &err);
    check((whole == BB_OK) == (v != NULL) && (whole == BB_OK || *err.text));
    /* the two readers agree on what an object is */
    bb_status each = bb_json_each(text, n, "fuzz", MOST, count, &entries, &err);
    check((each == BB_OK) == (v && bb_json_is_object(v)));
    if (v) {
        if (bb_json_is_object(v)) check(entries == bb_json_size(v));
        ask(v);
        bb_str a, b;
        bb_str_init(&a);
        bb_str_init(&b);
        check(bb_json_write(v, &a) == BB_OK);
        check(bb_json_parse(bb_str_c(&a), a.len, "again", SIZE_MAX, false, false, &again, &err) == BB_OK);
        check(bb_json_write(again, &b) == BB_OK && strcmp(bb_str_c(&a), bb_str_c(&b)) == 0);
        bb_str_clear(&a);
        bb_str_clear(&b);
    }
    bb_json_free(again);
    bb_json_free(v);
    v = NULL;
    /* whatever strict reading takes, the lenient one takes */
    bb_status lenient = bb_json_parse(text, n, "fuzz", MOST, true, true, &v, &err);
    check(lenient == BB_OK || whole != BB_OK);
    bb_json_free(v);
    return 0;
}
