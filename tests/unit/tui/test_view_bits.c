/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_view_bits.c - the Bits screen without a terminal: what `w` writes is what the command of `:` writes, limits are
 * exact in their format, and the sentence says what happened. */
#include "harness.h"
#include "tui/bits.h"
#include <string.h>

static const bb_view *const view = &bb_view_bits;
static bb_app *app;
static bb_bits *bits;

static void setup(void) {
    void *state = NULL;
    app = calloc(1, sizeof *app);
    ck_assert_int_eq(view->open(app, NULL, &state, NULL), BB_OK);
    bits = state;
    app->state[BB_SCREEN_BITS] = state;
}
static void teardown(void) {
    view->close(bits);
    bb_chooser_clear(&app->chooser);
    free(app);
}

static void act(bb_action action) { ck_assert(view->act(app, bits, action)); }
static bool enter(int field, const char *text) {
    bb_error err = {.status = BB_OK};
    return view->accept(app, bits, field, text, &err);
}
static void mark(const char *format) { view->recall(app, bits, "format", format); }
static const bb_encoding *row(void) { return &bits->rows[bits->marked]; }

/* Runs the command that the screen names and compares. */
static void same_as_command(const char *what) {
    const char *bin = getenv("BB_BIN");
    bb_str command, csv;
    char *made = NULL;
    size_t n = 0;
    bb_error err;
    bb_str_init(&command);
    bb_str_init(&csv);
    bb_str_addf(&command, "%s ", bin ? bin : "build/bitbudget");
    view->command(bits, &command);
    bb_str_add(&command, " --csv 2>&1");
    bb_table *t = view->table(bits, &err);
    ck_assert_int_eq(bb_table_to_str(t, BB_TABLE_CSV, &csv), BB_OK);
    bb_table_free(t);
    FILE *pipe = popen(bb_str_c(&command), "r");
    ck_assert_ptr_nonnull(pipe);
    made = calloc(1, 1 << 16);
    n = fread(made, 1, (1 << 16) - 1, pipe);
    ck_assert_msg(pclose(pipe) == 0 && n == csv.len && memcmp(made, csv.data, n) == 0, "%s: %s\n%s\nbut\n%s", what,
                  bb_str_c(&command), made, bb_str_c(&csv));
    free(made);
    bb_str_clear(&command);
    bb_str_clear(&csv);
}

START_TEST(command_gives_the_screen) {
    same_as_command("start");
    mark("fp32");
    act(BB_ACT_FLIP);
    same_as_command("a flipped bit");
    act(BB_ACT_MORE);
    act(BB_ACT_ROUND);
    same_as_command("the next value, another rounding");
    act(BB_ACT_NEGATE);
    same_as_command("its negative");
    mark("int8");
    act(BB_ACT_ZERO);
    bits->bit = 7;
    act(BB_ACT_FLIP);
    ck_assert_uint_eq(row()->code, 0x80);
    same_as_command("the least code of int8");
    ck_assert(enter(BB_BITS_ABSMAX, "3"));
    ck_assert_uint_eq(row()->code, 0x80);
    same_as_command("the same with another scale");
    act(BB_ACT_NEGATE);
    same_as_command("what has no negative code");
    mark("bf16");
    act(BB_ACT_NAN);
    same_as_command("a NaN");
    act(BB_ACT_FLIP);
    same_as_command("another NaN");
    act(BB_ACT_NEGATE);
    act(BB_ACT_OVERFLOW);
    same_as_command("its negative, another overflow");
    mark("e4m3fnuz");
    ck_assert(enter(BB_BITS_VALUE, "#0"));
    act(BB_ACT_NEGATE);
    same_as_command("zero where there is one only");
    ck_assert(enter(BB_BITS_VALUE, "-1/3"));
    same_as_command("a negative fraction");
    ck_assert(enter(BB_BITS_SHOWN, "usual"));
    same_as_command("the usual formats");
}
END_TEST

START_TEST(limits_are_exact) {
    static const char *const limits[] = {"max", "-max", "min", "tiny", "-tiny", "eps"};
    for (size_t i = 0; i < bb_format_count(); i++)
        for (size_t k = 0; k < sizeof limits / sizeof *limits; k++) {
            mark(bb_format_at(i)->name);
            if (!enter(BB_BITS_VALUE, limits[k])) continue; /* it has none */
            if (bb_format_at(i)->kind == BB_KIND_E8M0 && limits[k][0] == '-') continue;
            ck_assert_msg(row()->flags == 0 && row()->error == 0, "%s of %s", limits[k], bb_format_at(i)->name);
        }
    mark("bf16");
    ck_assert(enter(BB_BITS_VALUE, "max"));
    ck_assert_uint_eq(row()->code, 0x7F7F);
}
END_TEST

START_TEST(sentences) {
    char text[256];
    mark("fp64");
    ck_assert(enter(BB_BITS_VALUE, "5e-324"));
    bb_bits_sentence(bits, text, sizeof text);
    ck_assert_msg(strstr(text, "exactly") == NULL, "%s", text);
    mark("fp32");
    ck_assert(enter(BB_BITS_VALUE, "-1e39"));
    bb_bits_sentence(bits, text, sizeof text);
    ck_assert_msg(strstr(text, "beyond -3.40") != NULL && strstr(text, "the least of fp32") != NULL, "%s", text);
    ck_assert(enter(BB_BITS_VALUE, "0.5"));
    bb_bits_sentence(bits, text, sizeof text);
    ck_assert_str_eq(text, "The value is exactly one of fp32.");
}
END_TEST

START_TEST(formats_in_and_out) {
    size_t all = bits->n;
    ck_assert(enter(BB_BITS_SHOWN, "fp64"));
    ck_assert_uint_eq(bits->n, all - 1);
    ck_assert_str_eq(bits->formats[bits->marked]->name, "bf16");
    ck_assert_int_eq(app->mode, BB_MODE_CHOOSE); /* for the next one */
    ck_assert(enter(BB_BITS_SHOWN, "fp64"));
    ck_assert_uint_eq(bits->n, all);
    ck_assert(enter(BB_BITS_SHOWN, "usual"));
    ck_assert_uint_eq(bits->n, 9);
    for (size_t left = 9; left > 1; left--) ck_assert(enter(BB_BITS_SHOWN, bits->formats[left - 1]->name));
    ck_assert(!enter(BB_BITS_SHOWN, bits->formats[0]->name)); /* not the last */
    bb_str lines;
    bb_str_init(&lines);
    view->remember(bits, &lines);
    ck_assert_ptr_nonnull(strstr(bb_str_c(&lines), "formats fp64\n"));
    bb_str_clear(&lines);
    view->recall(app, bits, "formats", "bf16,nonsense,fp16");
    ck_assert_uint_eq(bits->n, 2);
    ck_assert(enter(BB_BITS_SHOWN, "all"));
    ck_assert_uint_eq(bits->n, all);
}
END_TEST

START_TEST(a_code_is_remembered) {
    bb_str lines;
    bb_str_init(&lines);
    mark("fp32");
    ck_assert(enter(BB_BITS_VALUE, "0.1"));
    act(BB_ACT_MORE);
    uint64_t code = row()->code;
    view->remember(bits, &lines);
    ck_assert(strstr(bb_str_c(&lines), "formats") == NULL && strstr(bb_str_c(&lines), "format fp32\n") != NULL);
    ck_assert(enter(BB_BITS_VALUE, "7"));
    static const char *const keys[] = {"value", "code"};
    for (size_t i = 0; i < 2; i++) {
        char part[16], text[64];
        (void)snprintf(part, sizeof part, "%s ", keys[i]);
        const char *at = strstr(bb_str_c(&lines), part);
        ck_assert_ptr_nonnull(at);
        at += strlen(part);
        (void)snprintf(text, sizeof text, "%.*s", (int)strcspn(at, "\n"), at);
        view->recall(app, bits, keys[i], text);
    }
    ck_assert(row()->code == code && row()->error == 0 && row()->flags == 0);
    view->recall(app, bits, "code", "fp32");
    view->recall(app, bits, "code", "int4 FF");
    ck_assert_uint_eq(row()->code, code);
    bb_str_clear(&lines);
}
END_TEST

START_TEST(e_edits_the_field_it_stands_on) {
    act(BB_ACT_NEXT_FIELD);
    act(BB_ACT_EDIT);
    ck_assert(app->mode == BB_MODE_CHOOSE && app->field == BB_BITS_ROUND);
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("view_bits");
    TCase *t = tcase_create("view_bits");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, command_gives_the_screen);
    tcase_add_test(t, limits_are_exact);
    tcase_add_test(t, sentences);
    tcase_add_test(t, formats_in_and_out);
    tcase_add_test(t, a_code_is_remembered);
    tcase_add_test(t, e_edits_the_field_it_stands_on);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(make)
