/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_stores.c - where other programs keep models, as their variables say; names and paths of the hub and of Ollama.
 */
#include "harness.h"
#include "model/hub.h"
#include "model/ollama.h"
#include <fcntl.h>
#include <string.h>

static char root[] = "/tmp/bb_test_stores_XXXXXX";

static const char *of(const bb_stores *s, bb_store_kind kind) {
    for (size_t i = 0; i < s->n; i++)
        if (s->at[i].kind == kind) return s->at[i].path;
    return "";
}

START_TEST(places) {
    bb_stores s;
    bb_stores_init(&s, &(bb_stores_places){0});
    ck_assert_str_eq(of(&s, BB_STORE_HUB), "");
    ck_assert_str_eq(of(&s, BB_STORE_LM_STUDIO), "");
    ck_assert_str_eq(of(&s, BB_STORE_OLLAMA), "/usr/share/ollama/.ollama/models");
    bb_stores_init(&s, &(bb_stores_places){.home = "/h"});
    ck_assert_str_eq(s.home, "/h");
    ck_assert_str_eq(of(&s, BB_STORE_HUB), "/h/.cache/huggingface/hub");
    ck_assert_str_eq(of(&s, BB_STORE_OLLAMA), "/h/.ollama/models");
    ck_assert_str_eq(of(&s, BB_STORE_LM_STUDIO), "/h/.lmstudio/models");
    ck_assert_uint_eq(s.n, 5);
    bb_stores_init(&s, &(bb_stores_places){.home = "/h", .xdg_cache_home = "/x"});
    ck_assert_str_eq(of(&s, BB_STORE_HUB), "/x/huggingface/hub");
    bb_stores_init(&s, &(bb_stores_places){.home = "/h", .xdg_cache_home = "relative", .hf_home = ""});
    ck_assert_str_eq(of(&s, BB_STORE_HUB), "/h/.cache/huggingface/hub");
    bb_stores_init(&s, &(bb_stores_places){.home = "/h", .xdg_cache_home = "/x", .hf_home = "/f"});
    ck_assert_str_eq(of(&s, BB_STORE_HUB), "/f/hub");
    bb_stores_init(&s, &(bb_stores_places){.home = "/h", .hf_home = "/f", .hf_hub_cache = "~/c"});
    ck_assert_str_eq(of(&s, BB_STORE_HUB), "/h/c");
    bb_stores_init(&s, &(bb_stores_places){.home = "relative", .ollama_models = "/o"});
    ck_assert_str_eq(s.home, "");
    ck_assert_str_eq(of(&s, BB_STORE_OLLAMA), "/o");
    ck_assert_uint_eq(s.n, 1);
    char longer[BB_PATH_SIZE + 8];
    memset(longer, 'a', sizeof longer - 1);
    longer[0] = '/';
    longer[sizeof longer - 1] = 0;
    bb_stores_init(&s, &(bb_stores_places){.home = longer, .hf_home = longer, .ollama_models = longer});
    ck_assert_uint_eq(s.n, 0);
}
END_TEST

START_TEST(names) {
    static const char *const inside[] = {"a", "a/b", "..a/b.", "a.b/..."};
    static const char *const outside[] = {"", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "../a"};
    for (size_t i = 0; i < sizeof inside / sizeof *inside; i++)
        ck_assert_msg(bb_path_inside(inside[i]), "%s", inside[i]);
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++)
        ck_assert_msg(!bb_path_inside(outside[i]), "%s", outside[i]);
    char t[96];
    ck_assert(bb_hub_is_repo("/x/models--org--name/", t, sizeof t));
    ck_assert_str_eq(t, "org/name");
    ck_assert(bb_hub_is_repo("models--org--na--me", t, sizeof t));
    ck_assert_str_eq(t, "org/na--me");
    ck_assert(bb_hub_is_repo("models--gpt2", t, sizeof t));
    ck_assert_str_eq(t, "gpt2");
    ck_assert(!bb_hub_is_repo("datasets--org--name", t, sizeof t));
    ck_assert(!bb_hub_is_repo("models--", t, sizeof t));
    ck_assert(bb_hub_is_snapshot("/x/models--org--name/snapshots/abc//", t, sizeof t));
    ck_assert_str_eq(t, "org/name");
    ck_assert(!bb_hub_is_snapshot("/x/models--org--name/refs/abc", t, sizeof t));
    ck_assert(!bb_hub_is_snapshot("snapshots/abc", t, sizeof t));
    ck_assert(!bb_hub_is_snapshot("abc", t, sizeof t));
    ck_assert(!bb_hub_is_snapshot("/", t, sizeof t));
    static const char *const ollama[] = {"a:b", "u/a:b", "h.io/u/a:b", "ollama:a", "ollama:../x"};
    static const char *const others[] = {"a", "u/a", "a:", ":b", "../a:b", "a/b/c/d:e", "a b:c", "/a:b", "./a:b"};
    for (size_t i = 0; i < sizeof ollama / sizeof *ollama; i++)
        ck_assert_msg(bb_ollama_is_name(ollama[i]), "%s", ollama[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        ck_assert_msg(!bb_ollama_is_name(others[i]), "%s", others[i]);
}
END_TEST

static void touch(const char *name) {
    char path[BB_PATH_SIZE];
    ck_assert(bb_path_join(root, name, path));
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    ck_assert_int_ge(fd, 0);
    close(fd);
}

START_TEST(sets) {
    bb_folder *f = NULL;
    bb_error err;
    char text[64];
    ck_assert_ptr_nonnull(mkdtemp(root));
    touch("x-00002-of-00003.gguf");
    touch("x-00001-of-00003.gguf");
    touch("x-00004-of-00003.gguf"); /* beyond its own number of parts: a name like any other */
    touch("x-00000-of-00003.gguf");
    touch("00001-of-00002.gguf");
    touch("mmproj-x.gguf");
    touch("imatrix.gguf");
    touch("training_args.bin");
    touch("model-00001-of-00002.safetensors");
    ck_assert_msg(bb_folder_look(root, &f, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(f->entries, 9);
    ck_assert_uint_eq(f->gguf.n, 4);
    ck_assert_str_eq(f->gguf.at[2].name, "x-00001-of-00003.gguf");
    ck_assert_uint_eq(f->gguf.at[2].parts, 3);
    ck_assert_uint_eq(f->gguf.at[2].present, 2);
    ck_assert_uint_eq(f->gguf.at[0].parts, 1);
    ck_assert_str_eq(f->projector, "mmproj-x.gguf");
    ck_assert_str_eq(f->pickled, "");
    ck_assert_uint_eq(f->safetensors.n, 1);
    ck_assert(!f->config && !f->weights && !f->index);
    bb_sets_text(&f->gguf, text, sizeof text);
    ck_assert_str_eq(text, "00001-of-00002.gguf, x-00000-of-00003.gguf and others");
    free(f);
    for (int i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "a%03d.gguf", (i * 37) % 200);
        touch(name);
    }
    ck_assert_int_eq(bb_folder_look(root, &f, &err), BB_OK);
    ck_assert_uint_eq(f->gguf.n, BB_SETS_MAX);
    ck_assert(f->gguf.more);
    ck_assert_str_eq(f->gguf.at[0].name, "00001-of-00002.gguf");
    ck_assert_str_eq(f->gguf.at[BB_SETS_MAX - 1].name, "a062.gguf");
    free(f);
    f = NULL;
    ck_assert_int_eq(bb_folder_look("/nonexistent", &f, &err), BB_E_OPEN);
    ck_assert_ptr_null(f);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", root);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

static Suite *make_suite(void) {
    Suite *s = suite_create("stores");
    TCase *t = tcase_create("stores");
    tcase_add_test(t, places);
    tcase_add_test(t, names);
    tcase_add_test(t, sets);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(make_suite)
