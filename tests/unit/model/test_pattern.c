/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_pattern.c - patterns against std::regex_search and Python's re.match; names that differ in numbers; time. */
#include "base/source.h"
#include "harness.h"
#include "model/pattern.h"
#include "model/tsv.h"

enum { NAMES_MAX = 16 };

typedef struct table {
    char *text, *at, *names[NAMES_MAX];
    size_t n_names;
} table;

static void open_table(table *t, const char *path) {
    size_t n;
    *t = (table){0};
    ck_assert(bb_source_slurp(path, 1 << 16, &t->text, &n, NULL) == BB_OK);
    t->at = t->text;
    char *head = line(&t->at);
    field(&head);
    while (head && t->n_names < NAMES_MAX) t->names[t->n_names++] = field(&head);
}

/* What the tool takes and this does not is refused with a sentence, never read otherwise: `gaps` of them. */
static void as_the_tool(const char *path, bb_pattern_flavour flavour, size_t gaps) {
    table t;
    size_t refused = 0, lines = 0;
    open_table(&t, path);
    for (char *l = line(&t.at); l; l = line(&t.at), lines++) {
        char *rest = l;
        const char *pattern = field(&rest);
        bb_pattern *p;
        bb_error err;
        if (bb_pattern_new(pattern, flavour, &p, &err) != BB_OK) {
            bool known_gap = strstr(err.text, "not known here") || strstr(err.text, "too many repeats");
            ck_assert_msg(strcmp(rest, "error") == 0 || known_gap, "%s: %s", pattern, err.text);
            refused += strcmp(rest, "error") != 0;
            continue;
        }
        ck_assert_msg(strlen(rest) == t.n_names, "%s is taken", pattern);
        for (size_t i = 0; i < t.n_names; i++)
            ck_assert_msg(bb_pattern_match(p, t.names[i]) == (rest[i] == '1'), "'%s' on '%s'", pattern, t.names[i]);
        bb_pattern_free(p);
    }
    ck_assert_uint_gt(lines, 50);
    ck_assert_uint_eq(refused, gaps);
    free(t.text);
}

/* Lookaheads, back-references, \c, collation, repeats past 1000. */
START_TEST(as_std_regex) { as_the_tool(TEST_DATA("patterns/std_regex.tsv"), BB_PATTERN_LLAMA, 7); }
END_TEST

/* Flags, groups with names or conditions, lookarounds, possessive repeats, octal numbers, more than ASCII, repeats past
 * 1000. */
START_TEST(as_python) { as_the_tool(TEST_DATA("patterns/python_match.tsv"), BB_PATTERN_PYTHON, 25); }
END_TEST

START_TEST(uniform) {
    static const struct {
        const char *pattern;
        bool uniform;
    } cases[] = {
        {"lm_head", true},
        {".*gate$", true},
        {".*\\.(q|k)_proj", true},
        {"model\\.layers\\.\\d+\\.mlp", true},
        {"model\\.layers\\.[0-9]+\\.mlp\\.experts\\.[^.]+\\.w[a-z]", true},
        {"model\\.layers\\.\\d\\d*\\.mlp", true},
        {".*\\.(?:\\d+)\\.gate\\b", true},
        {"model\\.layers\\.[^.]*\\.mlp", true},
        {".*\\D$", true},
        {"(\\w|\\.)*", true},
        {"[^0]", false},
        {".*\\.w1", false},
        {"model\\.layers\\.\\d\\.", false},     /* 10 has one more than 9 */
        {"model\\.layers\\.\\d\\d+\\.", false}, /* and here one too few */
        {"model\\.layers\\.\\d{1,3}\\.", false},
        {"model\\.layers\\.[0-8]+\\.", false},
        {"model\\.layers.[a-z]", false},
        {"model\\.layers\\.(\\d\\d)*\\.", false},
        {"model\\.layers\\.\\d\\b", false},
        {"model\\.layers\\.\\d\\B", false},
        {"model\\.layers\\.\\d$", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bb_pattern *p;
        ck_assert(bb_pattern_new(cases[i].pattern, BB_PATTERN_PYTHON, &p, NULL) == BB_OK);
        ck_assert_msg(bb_pattern_uniform(p) == cases[i].uniform, "%s", cases[i].pattern);
        bb_pattern_free(p);
    }
}
END_TEST

/* Each number of a name in place of the others, as long ones too. */
static void renumber(const char *name, unsigned to, char *out, size_t size) {
    size_t n = 0;
    while (*name && n + 4 < size)
        if (*name >= '0' && *name <= '9') {
            n += (size_t)snprintf(out + n, size - n, "%u", to);
            name += strspn(name, "0123456789");
        } else
            out[n++] = *name++;
    out[n] = '\0';
}

/* No pattern of the tables that is told uniform tells numbers apart. */
START_TEST(uniform_holds) {
    static const char *const paths[] = {TEST_DATA("patterns/std_regex.tsv"), TEST_DATA("patterns/python_match.tsv")};
    size_t n_uniform = 0;
    for (size_t k = 0; k < 2; k++) {
        table t;
        open_table(&t, paths[k]);
        for (char *l = line(&t.at); l; l = line(&t.at)) {
            char *rest = l, name[128];
            const char *pattern = field(&rest);
            bb_pattern *p;
            if (bb_pattern_new(pattern, k ? BB_PATTERN_PYTHON : BB_PATTERN_LLAMA, &p, NULL) != BB_OK) continue;
            n_uniform += bb_pattern_uniform(p);
            for (size_t i = 0; bb_pattern_uniform(p) && i < t.n_names; i++)
                for (unsigned to = 0; to < 120; to++) {
                    renumber(t.names[i], to, name, sizeof name);
                    ck_assert_msg(bb_pattern_match(p, name) == bb_pattern_match(p, t.names[i]), "'%s' on '%s', '%s'",
                                  pattern, name, t.names[i]);
                }
            bb_pattern_free(p);
        }
        free(t.text);
    }
    ck_assert_uint_gt(n_uniform, 50);
}
END_TEST

/* Patterns on which a matcher that goes back and tries again would not end, and those that hold much in few bytes. */
START_TEST(never_slow) {
    bb_pattern *p;
    char name[4096];
    for (int k = 0; k < 2; k++) {
        bb_pattern_flavour flavour = k ? BB_PATTERN_PYTHON : BB_PATTERN_LLAMA;
        memset(name, 'a', sizeof name - 1);
        name[sizeof name - 1] = '\0';
        ck_assert(bb_pattern_new("^((a|a)*)*(a|aa)+$b", flavour, &p, NULL) == BB_OK);
        ck_assert(!bb_pattern_match(p, name));
        bb_pattern_free(p);
        memset(name, '(', 999);
        name[999] = '\0';
        ck_assert_int_eq(bb_pattern_new(name, flavour, &p, NULL), BB_E_ARG);
        memset(name, 'a', 1001);
        name[1001] = '\0';
        ck_assert_int_eq(bb_pattern_new(name, flavour, &p, NULL), BB_E_LIMIT);
        ck_assert_int_eq(bb_pattern_new("((a{100}){100}){100}", flavour, &p, NULL), BB_E_LIMIT);
        ck_assert(bb_pattern_new("(a{1000}){0}(a{1000}){0}(a{1000}){0}", flavour, &p, NULL) == BB_OK);
        ck_assert_uint_ge(bb_pattern_cost(p), 3000); /* what was written and dropped took its time */
        ck_assert_uint_lt(bb_pattern_steps(p), 10);
        bb_pattern_free(p);
        for (size_t i = 0; i < 332; i++) memcpy(name + 3 * i, i % 2 ? ".*)" : "(.*", 4);
        ck_assert_int_eq(bb_pattern_new(name, flavour, &p, NULL), BB_OK);
        ck_assert(bb_pattern_match(p, "a"));
        ck_assert(!bb_pattern_uniform(p)); /* too many ways to be sure */
        bb_pattern_free(p);
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("pattern");
    TCase *t = tcase_create("pattern");
    tcase_add_test(t, as_std_regex);
    tcase_add_test(t, as_python);
    tcase_add_test(t, uniform);
    tcase_add_test(t, uniform_holds);
    tcase_add_test(t, never_slow);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
