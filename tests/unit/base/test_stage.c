/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_stage.c - one file written by several processes: whole whatever their order, absent before the last is done. */
#include "base/made_folder.h"
#include "base/stage.h"
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>

enum { PART = 1000 };

static bb_stage *begin_part(uint32_t part, uint32_t parts, bool force) {
    bb_stage *s = NULL;
    bb_error err = {0};
    bb_status status = bb_stage_open(in("out"), (uint64_t)PART * parts, 0xabc, part, parts, force, &s, &err);
    ck_assert_msg(status == BB_OK, "%s", err.text);
    return s;
}

static bb_status write_part(bb_stage *s, uint32_t part) {
    char data[PART];
    memset(data, 'a' + (int)part, sizeof data);
    return bb_stage_write(s, (uint64_t)PART * (part - 1), data, sizeof data, NULL);
}

static bool finish_part(uint32_t part, uint32_t parts, bool force) {
    bool complete = false;
    bb_error err = {0};
    bb_stage *s = begin_part(part, parts, force);
    ck_assert_int_eq(write_part(s, part), BB_OK);
    ck_assert_msg(bb_stage_commit(s, &complete, &err) == BB_OK, "%s", err.text);
    return complete;
}

/* The target is whole, and nothing else is left. */
static void whole(uint32_t parts) {
    char data[PART];
    FILE *f = fopen(in("out"), "rb");
    ck_assert_ptr_nonnull(f);
    for (uint32_t part = 1; part <= parts; part++) {
        ck_assert_uint_eq(fread(data, 1, PART, f), PART);
        for (size_t i = 0; i < PART; i++) ck_assert_int_eq(data[i], 'a' + (int)part);
    }
    ck_assert_int_eq(fgetc(f), EOF);
    fclose(f);
    struct stat st;
    ck_assert(stat(in("out"), &st) == 0 && st.st_nlink == 1);
    ck_assert_uint_eq(entries(), 1);
}

START_TEST(any_order) {
    bb_stage *s = NULL;
    bb_error err = {0};
    ck_assert(!finish_part(3, 3, false));
    ck_assert(access(in("out"), F_OK) != 0);
    ck_assert_int_eq(access(in(".out.0000000000000abc.stage"), F_OK), 0);
    ck_assert_int_eq(access(in(".out.0000000000000abc.3-of-3"), F_OK), 0);
    ck_assert(!finish_part(1, 3, false) && !finish_part(3, 3, false)); /* one of them twice */
    bb_stage_abandon(begin_part(2, 3, false));                         /* a failure, which is run again */
    bb_stage_abandon(NULL);
    ck_assert(access(in("out"), F_OK) != 0);
    ck_assert(finish_part(2, 3, false));
    whole(3);
    ck_assert_int_eq(bb_stage_open(in("out"), 3000, 0xabc, 1, 3, false, &s, &err), BB_E_EXISTS);
    ck_assert(*err.hint && !s);
    ck_assert(finish_part(1, 1, true));
    whole(1);
}
END_TEST

START_TEST(refused) {
    bb_stage *s = NULL;
    bb_error err = {0};
    ck_assert_int_eq(bb_stage_open(in("out"), 1, 1, 0, 3, false, &s, &err), BB_E_ARG);
    ck_assert_int_eq(bb_stage_open(in("out"), 1, 1, 4, 3, false, &s, &err), BB_E_ARG);
    ck_assert_int_eq(bb_stage_open(in("out"), 1, 1, 1, BB_STAGE_PARTS_MAX + 1, false, &s, &err), BB_E_ARG);
    ck_assert_int_eq(bb_stage_open(folder, 1, 1, 1, 3, true, &s, &err), BB_E_WRITE);
    ck_assert_int_eq(bb_stage_open(in("none/out"), 1, 1, 1, 3, false, &s, &err), BB_E_WRITE);
    ck_assert_int_eq(bb_stage_open(in("out"), 1ull << 62, 1, 1, 3, false, &s, &err), BB_E_WRITE);
    ck_assert_uint_eq(entries(), 0);
    s = begin_part(1, 2, false);
    ck_assert_int_eq(bb_stage_write(s, 2 * PART - 1, "xy", 2, &err), BB_E_BUG);
    bb_stage_abandon(s);
    s = NULL;
    ck_assert_int_eq(bb_stage_open(in("out"), PART, 0xabc, 1, 2, false, &s, &err), BB_E_WRITE); /* too long a stage */
    ck_assert_ptr_null(s);
}
END_TEST

START_TEST(permissions) {
    struct stat st;
    put(in("out"), "old");
    ck_assert_int_eq(chmod(in("out"), 0604), 0);
    ck_assert(!finish_part(1, 2, true));
    holds(in("out"), "old");
    ck_assert(finish_part(2, 2, true));
    whole(2);
    ck_assert(stat(in("out"), &st) == 0 && (st.st_mode & 0777) == 0604);
}
END_TEST

START_TEST(appeared_meanwhile) {
    bool complete = true;
    bb_error err = {0};
    bb_stage *s = begin_part(1, 1, false);
    ck_assert_int_eq(write_part(s, 1), BB_OK);
    put(in("out"), "somebody else's");
    ck_assert_int_eq(bb_stage_commit(s, &complete, &err), BB_E_EXISTS);
    ck_assert(complete); /* untouched */
    holds(in("out"), "somebody else's");
    ck_assert_int_eq(unlink(in("out")), 0);
    ck_assert(finish_part(1, 1, false)); /* what was done is not lost */
    whole(1);
}
END_TEST

/* Somebody tidied up the stage but not the marks, or while a part was written: never a file with holes. */
START_TEST(stage_removed) {
    bool complete = false;
    bb_error err = {0};
    ck_assert(!finish_part(1, 2, false));
    ck_assert_int_eq(unlink(in(".out.0000000000000abc.stage")), 0);
    ck_assert(!finish_part(2, 2, false));
    ck_assert(access(in("out"), F_OK) != 0);
    bb_stage *s = begin_part(1, 2, false);
    ck_assert(write_part(s, 1) == BB_OK && unlink(in(".out.0000000000000abc.stage")) == 0);
    ck_assert_int_eq(bb_stage_commit(s, &complete, &err), BB_E_WRITE);
    ck_assert_msg(strstr(err.text, "removed or replaced"), "%s", err.text);
    s = begin_part(1, 2, false);
    bb_stage *other;
    ck_assert(write_part(s, 1) == BB_OK && unlink(in(".out.0000000000000abc.stage")) == 0);
    other = begin_part(2, 2, false);
    ck_assert_int_eq(bb_stage_commit(s, &complete, &err), BB_E_WRITE);
    ck_assert(write_part(other, 2) == BB_OK && bb_stage_commit(other, &complete, &err) == BB_OK && !complete);
    ck_assert(finish_part(1, 2, false));
    whole(2);
}
END_TEST

/* Killed between the last two steps: the target is there, and so is the stage, as the same file. */
START_TEST(leftover) {
    bb_stage *s = NULL;
    bb_error err = {0};
    ck_assert(!finish_part(1, 2, false));
    ck_assert_int_eq(link(in(".out.0000000000000abc.1-of-2"), in("out")), 0);
    ck_assert_int_eq(bb_stage_open(in("out"), 2 * PART, 0xabc, 2, 2, false, &s, &err), BB_E_EXISTS);
    ck_assert(!finish_part(2, 2, true));
    char byte[2] = {0};
    FILE *f = fopen(in("out"), "rb");
    ck_assert(f && fseek(f, PART, SEEK_SET) == 0 && fread(byte, 1, 1, f) == 1 && byte[0] == 0); /* was not written to */
    fclose(f);
    ck_assert(finish_part(1, 2, true));
    whole(2);
}
END_TEST

/* Names that the file system just takes, alike in all that the hidden names show of them. */
START_TEST(long_names) {
    char name[2][NAME_MAX + 1];
    bb_stage *s = NULL;
    bb_error err = {0};
    bool complete = false;
    for (size_t k = 0; k < 2; k++) {
        memset(name[k], 'n', NAME_MAX);
        name[k][NAME_MAX - 5] = 0; /* 250 */
        name[k][NAME_MAX - 6] = (char)('a' + k);
    }
    for (uint32_t part = 1; part <= 2; part++)
        for (size_t k = 0; k < 2; k++) {
            bb_status status = bb_stage_open(in(name[k]), 2 * PART, 0xabc, part, 2, false, &s, &err);
            ck_assert_msg(status == BB_OK && write_part(s, part) == BB_OK, "%s", err.text);
            ck_assert_msg(bb_stage_commit(s, &complete, &err) == BB_OK, "%s", err.text);
            ck_assert(complete == (part == 2));
            ck_assert(part == 1 || access(in(name[k]), F_OK) == 0);
        }
    ck_assert_uint_eq(entries(), 2);
    /* the longest mark */
    name[0][NAME_MAX - 6] = 'c';
    ck_assert_int_eq(bb_stage_open(in(name[0]), PART, 0xabc, BB_STAGE_PARTS_MAX, BB_STAGE_PARTS_MAX, false, &s, &err),
                     BB_OK);
    ck_assert_msg(bb_stage_commit(s, &complete, &err) == BB_OK && !complete, "%s", err.text);
}
END_TEST

static int run_parts(uint32_t parts, bool force, bool twice) {
    int go[2], finished = 0;
    char c;
    ck_assert_int_eq(pipe(go), 0);
    pid_t children[16];
    size_t n = 0;
    for (uint32_t i = 0; i < parts * (twice ? 2 : 1); i++) {
        pid_t child = fork();
        ck_assert(child >= 0);
        if (child == 0) {
            uint32_t part = i % parts + 1;
            bool complete = false;
            bb_stage *s = NULL;
            close(go[1]);
            if (bb_stage_open(in("out"), (uint64_t)PART * parts, 0xabc, part, parts, force, &s, NULL) != BB_OK)
                _exit(3);
            if (write_part(s, part) != BB_OK || read(go[0], &c, 1) != 0) _exit(4); /* all at once */
            _exit(bb_stage_commit(s, &complete, NULL) != BB_OK ? 5 : complete ? 1 : 0);
        }
        children[n++] = child;
    }
    wait_microseconds(2000);
    close(go[0]);
    close(go[1]);
    for (size_t i = 0; i < n; i++) {
        int status;
        ck_assert(waitpid(children[i], &status, 0) == children[i] && WIFEXITED(status));
        int code = WEXITSTATUS(status);
        /* the second of two that run one part may come when all is done */
        ck_assert_msg(code <= 1 || (code == 3 && twice && !force), "a part exits with %d", code);
        finished += code == 1;
    }
    return finished;
}

START_TEST(at_once) {
    for (int round = 0; round < 100; round++) {
        ck_assert_int_ge(run_parts(4, false, false), 1);
        whole(4);
        ck_assert_int_eq(unlink(in("out")), 0);
    }
}
END_TEST

START_TEST(at_once_over_old) {
    put(in("out"), "old");
    for (int round = 0; round < 100; round++) {
        ck_assert_int_ge(run_parts(4, true, false), 1);
        whole(4);
    }
}
END_TEST

START_TEST(each_twice) {
    for (int round = 0; round < 60; round++) {
        ck_assert_int_ge(run_parts(3, false, true), 1);
        whole(3);
        ck_assert_int_eq(unlink(in("out")), 0);
    }
}
END_TEST

/* Parts that are killed at any moment and run again until one says that all is done. */
START_TEST(killed) {
    bool done = false;
    for (unsigned round = 0; round < 500 && !done; round++) {
        uint32_t part = round % 3 + 1;
        int status;
        pid_t child = fork();
        ck_assert(child >= 0);
        if (child == 0) {
            bool complete = false;
            bb_stage *s = NULL;
            bb_status st = bb_stage_open(in("out"), PART * 3, 0xabc, part, 3, false, &s, NULL);
            if (st == BB_E_EXISTS) _exit(1);
            if (st != BB_OK || write_part(s, part) != BB_OK || bb_stage_commit(s, &complete, NULL) != BB_OK) _exit(2);
            _exit(complete ? 1 : 0);
        }
        wait_microseconds(100 + round % 50 * 20);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status)) continue;
        ck_assert_int_ne(WEXITSTATUS(status), 2);
        done = WEXITSTATUS(status) == 1;
        if (!done) ck_assert(access(in("out"), F_OK) != 0);
    }
    if (!done)
        for (uint32_t part = 1; part <= 3; part++) done = finish_part(part, 3, true);
    ck_assert(done);
    struct stat st;
    ck_assert(stat(in("out"), &st) == 0 && st.st_size == PART * 3);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("stage");
    TCase *t = tcase_create("stage");
    tcase_add_checked_fixture(t, make_folder, remove_folder);
    tcase_add_test(t, any_order);
    tcase_add_test(t, refused);
    tcase_add_test(t, permissions);
    tcase_add_test(t, appeared_meanwhile);
    tcase_add_test(t, stage_removed);
    tcase_add_test(t, leftover);
    tcase_add_test(t, long_names);
    tcase_add_test(t, at_once);
    tcase_add_test(t, at_once_over_old);
    tcase_add_test(t, each_twice);
    tcase_add_test(t, killed);
    tcase_set_timeout(t, 120);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
