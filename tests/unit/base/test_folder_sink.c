/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_folder_sink.c - output folders that are absent, old or whole, with and without the kernel's exchange. */
#define _GNU_SOURCE /* syscall */
#include "base/folder_sink.h"
#include "base/made_folder.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static bool no_flags; /* as a file system that cannot exchange says it */

/* Takes the place of the C library's. */
int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags) {
    if (!no_flags) return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
    errno = EINVAL;
    return -1;
}

/* Files of one letter belong to such a folder, "n" also to others. */
static bb_folder_entry_kind kind_of(const char *name) {
    return strlen(name) != 1 ? BB_ENTRY_FOREIGN : *name == 'n' ? BB_ENTRY_SIDE : BB_ENTRY_SURE;
}

static void add(bb_folder_sink *f, const char *name, const char *text) {
    bb_sink *s = NULL;
    bb_error err = {0};
    ck_assert_msg(bb_folder_file(f, name, strlen(text), &s, &err) == BB_OK, "%s", err.text);
    ck_assert(bb_sink_write(s, 0, text, strlen(text), NULL) == BB_OK && bb_sink_commit(s, NULL) == BB_OK);
}

static void make_old(void) {
    ck_assert_int_eq(mkdir(in("out"), 0750), 0);
    put(in("out/a"), "old a");
    put(in("out/b"), "old b");
}

START_TEST(old_or_whole) {
    bb_folder_sink *f = NULL;
    bb_error err = {0};
    struct stat st;
    no_flags = _i;
    ck_assert_int_eq(bb_folder_open(in("out/"), 100, false, kind_of, &f, &err), BB_OK);
    add(f, "a", "first");
    ck_assert(stat(in("out"), &st) != 0);
    ck_assert_int_eq(bb_folder_commit(f, &err), BB_OK);
    holds(in("out/a"), "first");
    ck_assert_uint_eq(entries(), 1);
    f = NULL;
    ck_assert(bb_folder_open(in("out"), 0, false, kind_of, &f, &err) == BB_E_EXISTS && !f && *err.hint);
    ck_assert_int_eq(chmod(in("out"), 0750), 0);
    ck_assert_int_eq(bb_folder_open(in("out"), 0, true, kind_of, &f, &err), BB_OK);
    add(f, "b", "second");
    add(f, "c", "third");
    holds(in("out/a"), "first"); /* until the commit */
    ck_assert_int_eq(bb_folder_commit(f, &err), BB_OK);
    holds(in("out/b"), "second");
    holds(in("out/c"), "third");
    ck_assert_uint_eq(entries_of(in("out")), 2);
    ck_assert_uint_eq(entries(), 1);
    ck_assert(stat(in("out"), &st) == 0 && (st.st_mode & 0777) == 0750);
    ck_assert_int_eq(bb_folder_open(in("out"), 0, true, kind_of, &f, &err), BB_OK);
    add(f, "d", "never");
    bb_folder_abandon(f);
    bb_folder_abandon(NULL);
    ck_assert_uint_eq(entries(), 1);
    holds(in("out/b"), "second");
}
END_TEST

START_TEST(appeared_meanwhile) {
    bb_folder_sink *f = NULL;
    bb_error err = {0};
    no_flags = _i;
    ck_assert_int_eq(bb_folder_open(in("out"), 0, false, kind_of, &f, &err), BB_OK);
    add(f, "a", "new");
    make_old();
    ck_assert_int_eq(bb_folder_commit(f, &err), BB_E_EXISTS);
    holds(in("out/a"), "old a");
    ck_assert_uint_eq(entries(), 1);
    /* with force what appeared must still be a folder of plain files */
    ck_assert_int_eq(bb_folder_open(in("out"), 0, true, kind_of, &f, &err), BB_OK);
    ck_assert_int_eq(mkdir(in("out/sub"), 0700), 0);
    ck_assert_int_eq(bb_folder_commit(f, &err), BB_E_WRITE);
    holds(in("out/b"), "old b");
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

/* A folder with a file that is not ours, or with none that is surely ours, stays; an empty one needs no force. */
START_TEST(not_ours) {
    bb_folder_sink *f = NULL;
    bb_error err = {0};
    no_flags = _i;
    make_old();
    put(in("out/other.gguf"), "kept");
    ck_assert_int_eq(bb_folder_open(in("out"), 0, true, kind_of, &f, &err), BB_E_WRITE);
    ck_assert_msg(strstr(err.text, "holds 'other.gguf', which is no part of a checkpoint") && *err.hint, "%s",
                  err.text);
    ck_assert(unlink(in("out/other.gguf")) == 0 && unlink(in("out/a")) == 0 && unlink(in("out/b")) == 0);
    put(in("out/n"), "side");
    ck_assert_int_eq(bb_folder_open(in("out"), 0, true, kind_of, &f, &err), BB_E_WRITE);
    ck_assert_msg(strstr(err.text, "no weights"), "%s", err.text);
    ck_assert_int_eq(unlink(in("out/n")), 0);
    ck_assert_int_eq(bb_folder_open(in("out"), 0, false, kind_of, &f, &err), BB_OK);
    add(f, "a", "new");
    ck_assert_int_eq(bb_folder_commit(f, &err), BB_OK);
    holds(in("out/a"), "new");
    /* what came meanwhile counts too */
    ck_assert_int_eq(bb_folder_open(in("out"), 0, true, kind_of, &f, &err), BB_OK);
    put(in("out/other.gguf"), "kept");
    ck_assert_int_eq(bb_folder_commit(f, &err), BB_E_WRITE);
    holds(in("out/other.gguf"), "kept");
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

START_TEST(targets) {
    bb_folder_sink *f = NULL;
    bb_error err = {0};
    make_old();
    put(in("precious"), "kept");
    ck_assert_int_eq(symlink("../precious", in("out/link")), 0);
    ck_assert_int_eq(bb_folder_open(in("out"), 0, true, kind_of, &f, &err), BB_E_WRITE);
    ck_assert_msg(strstr(err.text, "holds 'link', which is no plain file"), "%s", err.text);
    ck_assert(unlink(in("out/link")) == 0 && mkdir(in("out/sub"), 0700) == 0);
    ck_assert_int_eq(bb_folder_open(in("out"), 0, true, kind_of, &f, &err), BB_E_WRITE);
    ck_assert(strstr(err.text, "'sub'") && rmdir(in("out/sub")) == 0);
    ck_assert_int_eq(bb_folder_open(in("precious"), 0, true, kind_of, &f, &err), BB_E_WRITE);
    ck_assert_int_eq(bb_folder_open("", 0, true, kind_of, &f, &err), BB_E_WRITE);
    ck_assert_int_eq(bb_folder_open("/", 0, true, kind_of, &f, &err), BB_E_WRITE);
    ck_assert_int_eq(bb_folder_open(in("none/x"), 0, true, kind_of, &f, &err), BB_E_WRITE);
    ck_assert_int_eq(bb_folder_open(in("big"), UINT64_MAX, false, kind_of, &f, &err), BB_E_WRITE);
    ck_assert_msg(strstr(err.text, "needs 16.0") && strstr(err.text, "free"), "%s", err.text);
    ck_assert_uint_eq(entries(), 2);
    /* through a link, which stays one */
    ck_assert_int_eq(symlink("out", in("via")), 0);
    ck_assert_int_eq(bb_folder_open(in("via"), 0, true, kind_of, &f, &err), BB_OK);
    add(f, "a", "new");
    ck_assert_int_eq(bb_folder_commit(f, &err), BB_OK);
    struct stat st;
    ck_assert(lstat(in("via"), &st) == 0 && S_ISLNK(st.st_mode));
    holds(in("out/a"), "new");
    ck_assert_uint_eq(entries(), 3);
    static const char *const names[] = {"", ".", "..", "a/b"};
    bb_sink *s = NULL;
    ck_assert_int_eq(bb_folder_open(in("out"), 0, true, kind_of, &f, &err), BB_OK);
    for (size_t i = 0; i < 4; i++) ck_assert_int_eq(bb_folder_file(f, names[i], 0, &s, &err), BB_E_ARG);
    add(f, "a", "x");
    ck_assert_int_eq(bb_folder_file(f, "a", 0, &s, &err), BB_E_EXISTS);
    ck_assert_msg(strstr(err.text, "/out/a: ") && !strstr(err.text, "/.out"), "%s", err.text); /* not the hidden name */
    bb_folder_abandon(f);
    holds(in("precious"), "kept");
}
END_TEST

static void on_term(int number) {
    bb_sink_emergency();
    _exit(128 + number);
}

/* Killed with one file done and one being written. */
START_TEST(emergency) {
    int ready[2], status;
    char c;
    make_old();
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    ck_assert(child >= 0);
    if (child == 0) {
        bb_folder_sink *f = NULL;
        bb_sink *s = NULL;
        signal(SIGTERM, on_term);
        if (bb_folder_open(in("out"), 10, true, kind_of, &f, NULL) != BB_OK) _exit(1);
        for (int i = 0; i < 40; i++) { /* more than the list of temporaries has room for */
            char name[200];
            int n = snprintf(name, sizeof name, "%0150d", i);
            if (n < 0 || bb_folder_file(f, name, 10, &s, NULL) != BB_OK || bb_sink_commit(s, NULL) != BB_OK) _exit(1);
        }
        if (bb_folder_file(f, "open", 10, &s, NULL) != BB_OK || write(ready[1], "x", 1) != 1) _exit(1);
        for (;;) pause();
    }
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    ck_assert_uint_eq(entries(), 2);
    ck_assert_int_eq(kill(child, SIGTERM), 0);
    ck_assert(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM);
    holds(in("out/a"), "old a");
    holds(in("out/b"), "old b");
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

/* Killed outright at any moment of a replacement: the target has two old files or three new ones. */
START_TEST(killed) {
    for (unsigned round = 0; round < 60; round++) {
        int status;
        if (round == 0) make_old();
        pid_t child = fork();
        ck_assert(child >= 0);
        if (child == 0) {
            static const char *const names[] = {"a", "b", "c"};
            for (;;) {
                bb_folder_sink *f = NULL;
                bb_sink *s = NULL;
                if (bb_folder_open(in("out"), 0, true, kind_of, &f, NULL) != BB_OK) _exit(1);
                for (size_t i = 0; i < 3; i++)
                    if (bb_folder_file(f, names[i], 0, &s, NULL) != BB_OK ||
                        bb_sink_write(s, 0, "new", 3, NULL) != BB_OK || bb_sink_commit(s, NULL) != BB_OK)
                        _exit(1);
                if (bb_folder_commit(f, NULL) != BB_OK) _exit(1);
            }
        }
        wait_microseconds(500 + round * 137);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        ck_assert(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
        size_t n = entries_of(in("out"));
        ck_assert_msg(n == 2 || n == 3, "%zu files", n);
        holds(in("out/a"), n == 2 ? "old a" : "new");
        holds(in("out/b"), n == 2 ? "old b" : "new");
    }
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("folder_sink");
    TCase *t = tcase_create("folder_sink");
    tcase_add_checked_fixture(t, make_folder, remove_folder);
    tcase_add_loop_test(t, old_or_whole, 0, 2);
    tcase_add_loop_test(t, appeared_meanwhile, 0, 2);
    tcase_add_test(t, targets);
    tcase_add_loop_test(t, not_ours, 0, 2);
    tcase_add_test(t, emergency);
    tcase_add_test(t, killed);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
