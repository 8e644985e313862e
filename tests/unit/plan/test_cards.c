/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_cards.c - lists of cards into a request and back, and what is no list. */
#include "harness.h"
#include "plan/cards.h"
#include <string.h>

static bb_catalogue *cat;

static void setup(void) { ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, NULL), BB_OK); }
static void teardown(void) { bb_catalogue_free(cat); }

/* What goes in comes out, with the names of the catalogue. */
START_TEST(round_trip) {
    static const struct {
        const char *in, *out;
        size_t n;
    } rows[] = {{"RTX 3090", "RTX 3090", 1},
                {"rtx3090x2", "RTX 3090x2", 2},
                {"RTX 3090 x2", "RTX 3090x2", 2},
                {"RTX 3090, RTX 4090x3", "RTX 3090,RTX 4090x3", 4},
                {"RTX 4090,RTX 4090", "RTX 4090x2", 2}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bb_plan_request r = {.ctx = 1};
        bb_str list;
        bb_str_init(&list);
        ck_assert_int_eq(bb_cards_add(cat, rows[i].in, false, &r, NULL), BB_OK);
        ck_assert_uint_eq(r.n_cards, rows[i].n);
        bb_cards_list(&r, &list);
        ck_assert_str_eq(bb_str_c(&list), rows[i].out);
        bb_str_clear(&list);
    }
}
END_TEST

START_TEST(refused) {
    static const char *const lists[] = {
        "RTX 4090x0",   "RTX 4090x17", "RTX 4090x18446744073709551616", "RTX 4090,,T4", "RTX 4090x16,RTX 4090", ",",
        "no such card", "x2"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        bb_plan_request r = {.ctx = 1};
        ck_assert_int_ne(bb_cards_add(cat, lists[i], false, &r, NULL), BB_OK);
    }
    /* a card of unknown size goes where the size is told */
    bb_plan_request r = {.ctx = 1};
    ck_assert_int_eq(bb_cards_add(cat, "GB10 (DGX Spark)", false, &r, NULL), BB_E_NAME);
    ck_assert_int_eq(bb_cards_add(cat, "GB10 (DGX Spark)", true, &r, NULL), BB_OK);
}
END_TEST

START_TEST(counts) {
    char base[8];
    uint64_t n;
    ck_assert(bb_cards_counted("24GiBx4", base, sizeof base, &n) && n == 4 && strcmp(base, "24GiB") == 0);
    ck_assert(bb_cards_counted("24GiB", base, sizeof base, &n) && n == 1 && strcmp(base, "24GiB") == 0);
    ck_assert(bb_cards_counted("x2", base, sizeof base, &n) && n == 1);
    ck_assert(!bb_cards_counted("a name too long", base, sizeof base, &n));
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("cards");
    TCase *t = tcase_create("cards");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, round_trip);
    tcase_add_test(t, refused);
    tcase_add_test(t, counts);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(make)
