/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_keymap.c - one meaning for a key on a screen; every action has a key; help and hints come from the table. */
#include "harness.h"
#include "tui/keymap.h"
#include <string.h>

START_TEST(one_meaning_each) {
    for (int s = 0; s < BB_SCREENS; s++)
        for (size_t i = 0; i < bb_binding_count(); i++) {
            const bb_binding *a = bb_binding_at(i);
            if (!a->help[s]) continue;
            for (size_t k = 0; k < BB_BINDING_KEYS; k++)
                if (a->keys[k])
                    ck_assert_msg(bb_keymap_find((bb_screen)s, a->keys[k]) == a->action,
                                  "screen %d: key %d of '%s' does something else", s, a->keys[k], a->shown);
        }
}
END_TEST

START_TEST(every_action_has_a_key) {
    for (int action = BB_ACT_NONE + 1; action < BB_ACTIONS; action++) {
        bool found = false;
        for (size_t i = 0; i < bb_binding_count(); i++)
            if ((int)bb_binding_at(i)->action == action) found = bb_binding_at(i)->keys[0] != 0;
        ck_assert_msg(found, "action %d has no key", action);
    }
}
END_TEST

START_TEST(rulings) {
    /* design.md: g and G everywhere, p for GPUs, a for NaN; tui.md: ?, Esc, q everywhere. */
    for (int s = 0; s < BB_SCREENS; s++) {
        ck_assert_int_eq(bb_keymap_find((bb_screen)s, 'g'), BB_ACT_FIRST);
        ck_assert_int_eq(bb_keymap_find((bb_screen)s, 'G'), BB_ACT_LAST);
        ck_assert_int_eq(bb_keymap_find((bb_screen)s, '?'), BB_ACT_HELP);
        ck_assert_int_eq(bb_keymap_find((bb_screen)s, 'q'), BB_ACT_QUIT);
        ck_assert_int_eq(bb_keymap_find((bb_screen)s, BB_KEY_ESC), BB_ACT_BACK);
    }
    ck_assert_int_eq(bb_keymap_find(BB_SCREEN_PLAN, 'p'), BB_ACT_GPUS);
    ck_assert_int_eq(bb_keymap_find(BB_SCREEN_BITS, 'a'), BB_ACT_NAN);
    ck_assert_int_eq(bb_keymap_find(BB_SCREEN_BITS, 't'), BB_ACT_FORMATS);
    ck_assert_int_eq(bb_keymap_find(BB_SCREEN_KERNELS, 'a'), BB_ACT_ALL);
    ck_assert_int_eq(bb_keymap_find(BB_SCREEN_QUANTIZE, 'h'), BB_ACT_HISTOGRAM); /* Left elsewhere */
    ck_assert_int_eq(bb_keymap_find(BB_SCREEN_QUANTIZE, 'n'), BB_ACT_NEXT_MATCH);
    ck_assert_int_eq(bb_keymap_find(BB_SCREEN_QUANTIZE, 'N'), BB_ACT_PREV_MATCH);
    ck_assert_int_eq(bb_keymap_find(BB_SCREEN_PLAN, '3'), BB_ACT_SCREEN_3);
    ck_assert_int_eq((int)(BB_ACT_SCREEN_4 - BB_ACT_SCREEN_1), (int)BB_SCREEN_KERNELS);
    ck_assert_int_eq(bb_keymap_find(BB_SCREEN_PLAN, 'a'), BB_ACT_NONE);
    ck_assert_int_eq(bb_keymap_find(BB_SCREEN_BITS, BB_KEY_OTHER), BB_ACT_NONE);
    ck_assert_int_eq(bb_keymap_find(BB_SCREEN_BITS, 0), BB_ACT_NONE);
}
END_TEST

START_TEST(hints_fit) {
    for (int s = 0; s < BB_SCREENS; s++)
        for (size_t width = 0; width <= 200; width++) {
            bb_str out;
            bb_str_init(&out);
            bb_keymap_hints((bb_screen)s, width, &out);
            ck_assert_uint_le(out.len, width);
            if (width >= 6) ck_assert_str_eq(bb_str_c(&out) + out.len - 6, "q quit");
            if (width >= 160) /* room for all of them */
                for (size_t i = 0; i < bb_binding_count(); i++)
                    if (bb_binding_at(i)->hint[s])
                        ck_assert_ptr_nonnull(strstr(bb_str_c(&out), bb_binding_at(i)->hint[s]));
            bb_str_clear(&out);
        }
}
END_TEST

START_TEST(help_tells_every_key) {
    static const size_t widths[] = {54, 74, 114};
    for (int s = 0; s < BB_SCREENS; s++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            bb_str out;
            bb_str_init(&out);
            bb_keymap_help((bb_screen)s, widths[w], &out);
            for (size_t i = 0; i < bb_binding_count(); i++) {
                const bb_binding *b = bb_binding_at(i);
                if (!b->help[s]) continue;
                char text[80];
                (void)snprintf(text, sizeof text, "  %-10s %s", b->shown, b->help[s]);
                ck_assert_msg(strstr(bb_str_c(&out), text) != NULL, "screen %d width %zu: no '%s'", s, widths[w], text);
            }
            for (const char *line = bb_str_c(&out); *line;) {
                size_t n = strcspn(line, "\n");
                ck_assert_uint_le(n, widths[w]);
                line += n + (line[n] == '\n');
            }
            bb_str_clear(&out);
        }
}
END_TEST

static Suite *make(void) {
    Suite *s = suite_create("keymap");
    TCase *t = tcase_create("keymap");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, one_meaning_each);
    tcase_add_test(t, every_action_has_a_key);
    tcase_add_test(t, rulings);
    tcase_add_test(t, hints_fit);
    tcase_add_test(t, help_tells_every_key);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(make)
