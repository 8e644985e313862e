/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_sink.c - files in and out: what may be opened, what is left of a file, and outputs that are absent, old or
 * whole.
 */
#include "base/made_folder.h"
#include "base/sink.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char path_a[80], path_b[80];

static void begin(void) {
    make_folder();
    snprintf(path_a, sizeof path_a, "%s/a", folder);
    snprintf(path_b, sizeof path_b, "%s/b", folder);
}

START_TEST(old_or_whole) {
    bb_sink *s = NULL;
    bb_error err = {0};
    put(path_a, "old");
    ck_assert_int_eq(bb_sink_open(path_a, 0, false, &s, &err), BB_E_EXISTS);
    ck_assert(!s && *err.hint);
    ck_assert_int_eq(bb_sink_open(path_a, 0, true, &s, &err), BB_OK);
    ck_assert(bb_sink_write(s, 4, "later", 5, &err) == BB_OK && bb_sink_write(s, 0, "soon", 4, &err) == BB_OK);
    holds(path_a, "old"); /* until the commit */
    ck_assert_uint_eq(entries(), 2);
    ck_assert_int_eq(bb_sink_commit(s, &err), BB_OK);
    holds(path_a, "soonlater");
    ck_assert_uint_eq(entries(), 1);
    ck_assert_int_eq(bb_sink_open(path_b, 100, false, &s, &err), BB_OK);
    bb_sink_abandon(s);
    bb_sink_abandon(NULL);
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

START_TEST(reserved) {
    bb_sink *s = NULL;
    bb_error err = {0};
    struct stat st;
    ck_assert_int_eq(bb_sink_open(path_a, 12345, false, &s, &err), BB_OK);
    ck_assert_int_eq(bb_sink_commit(s, &err), BB_OK);
    ck_assert(stat(path_a, &st) == 0 && st.st_size == 12345);
    /* more than any disk: said at once, and nothing stays behind */
    ck_assert_int_eq(bb_sink_open(path_b, 1ull << 62, false, &s, &err), BB_E_WRITE);
    ck_assert_msg(strstr(err.text, "4.00 EiB") && !strstr(err.text, "only 0 B"), "%s", err.text);
    ck_assert_int_eq(bb_sink_open(path_b, UINT64_MAX, false, &s, &err), BB_E_WRITE);
    ck_assert_uint_eq(entries(), 1);
    ck_assert_int_eq(bb_sink_open(path_b, 0, false, &s, &err), BB_OK);
    ck_assert_int_eq(bb_sink_write(s, UINT64_MAX, "x", 1, &err), BB_E_WRITE);
    bb_sink_abandon(s);
}
END_TEST

START_TEST(permissions) {
    bb_sink *s = NULL;
    struct stat st;
    umask(027);
    ck_assert(bb_sink_open(path_a, 0, false, &s, NULL) == BB_OK && bb_sink_commit(s, NULL) == BB_OK);
    ck_assert(stat(path_a, &st) == 0 && (st.st_mode & 0777) == 0640);
    ck_assert_int_eq(chmod(path_a, 0604), 0);
    ck_assert(bb_sink_open(path_a, 0, true, &s, NULL) == BB_OK && bb_sink_commit(s, NULL) == BB_OK);
    ck_assert(stat(path_a, &st) == 0 && (st.st_mode & 0777) == 0604);
}
END_TEST

START_TEST(targets) {
    bb_sink *s = NULL;
    bb_error err = {0};
    char link_path[80], slash[90];
    struct stat st;
    put(path_a, "old");
    snprintf(link_path, sizeof link_path, "%s/link", folder);
    ck_assert_int_eq(symlink("a", link_path), 0);
    ck_assert_int_eq(bb_sink_open(link_path, 0, true, &s, &err), BB_OK);
    ck_assert(bb_sink_write(s, 0, "new", 3, &err) == BB_OK && bb_sink_commit(s, &err) == BB_OK);
    holds(path_a, "new"); /* the file itself, and the link is still one */
    ck_assert(lstat(link_path, &st) == 0 && S_ISLNK(st.st_mode));
    ck_assert_int_eq(unlink(path_a), 0);
    ck_assert_int_eq(bb_sink_open(link_path, 0, true, &s, &err), BB_E_WRITE);
    ck_assert(strstr(err.text, "symbolic link"));
    snprintf(slash, sizeof slash, "%s/none/", folder);
    ck_assert(bb_sink_open(folder, 0, true, &s, &err) == BB_E_WRITE && strstr(err.text, "directory"));
    ck_assert_int_eq(bb_sink_open(slash, 0, true, &s, &err), BB_E_WRITE);
    ck_assert_int_eq(bb_sink_open("", 0, true, &s, &err), BB_E_WRITE);
    ck_assert_int_eq(bb_sink_open("/dev/null", 0, true, &s, &err), BB_E_WRITE);
    ck_assert_int_eq(mkfifo(path_b, 0600), 0);
    ck_assert_int_eq(bb_sink_open(path_b, 0, true, &s, &err), BB_E_WRITE);
    snprintf(slash, sizeof slash, "%s/none/x", folder);
    ck_assert(bb_sink_open(slash, 0, true, &s, &err) == BB_E_WRITE && strstr(err.text, "No such file"));
    /* a name as long as the system allows leaves no room for a longer temporary */
    char name[256 + 80];
    int head = snprintf(name, sizeof name, "%s/", folder);
    memset(name + head, 'n', 255);
    name[head + 255] = 0;
    ck_assert(bb_sink_open(name, 0, false, &s, &err) == BB_OK && bb_sink_commit(s, &err) == BB_OK);
    ck_assert(stat(name, &st) == 0);
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert(bb_sink_open("bare", 0, false, &s, &err) == BB_OK && bb_sink_commit(s, &err) == BB_OK);
    ck_assert(stat("bare", &st) == 0);
}
END_TEST

START_TEST(appeared_meanwhile) {
    bb_sink *s = NULL;
    bb_error err = {0};
    ck_assert_int_eq(bb_sink_open(path_a, 0, false, &s, &err), BB_OK);
    put(path_a, "somebody else's");
    ck_assert_int_eq(bb_sink_commit(s, &err), BB_E_EXISTS);
    holds(path_a, "somebody else's");
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

static void on_term(int number) {
    bb_sink_emergency();
    _exit(128 + number);
}

/* As the parts of a split are: many at once, of which a signal leaves none, and the old file stays. */
START_TEST(emergency_of_many) {
    enum { MANY = 50 };
    int ready[2];
    put(path_a, "old");
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    ck_assert(child >= 0);
    if (child == 0) {
        bb_sink *s[MANY] = {NULL};
        signal(SIGTERM, on_term);
        if (bb_sink_open(path_a, 0, true, &s[0], NULL) != BB_OK) _exit(1);
        for (int i = 1; i < MANY; i++) {
            char name[16];
            snprintf(name, sizeof name, "part%d", i);
            if (bb_sink_open(in(name), 1, false, &s[i], NULL) != BB_OK) _exit(1);
        }
        for (int i = 20; i < MANY; i += 2) bb_sink_abandon(s[i]);
        if (write(ready[1], "x", 1) != 1) _exit(1);
        for (;;) pause();
    }
    char c;
    int status;
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    ck_assert_uint_eq(entries(), 1 + MANY - 15);
    ck_assert_int_eq(kill(child, SIGTERM), 0);
    ck_assert(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM);
    holds(path_a, "old");
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

/* Killed while it writes: the temporaries go, the old file stays. */
START_TEST(emergency) {
    put(path_a, "old");
    int ready[2];
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    ck_assert(child >= 0);
    if (child == 0) {
        bb_sink *a = NULL, *b = NULL, *done = NULL;
        char path_c[90];
        snprintf(path_c, sizeof path_c, "%s/c", folder);
        signal(SIGTERM, on_term);
        if (bb_sink_open(path_a, 0, true, &a, NULL) != BB_OK || bb_sink_open(path_b, 10, false, &b, NULL) != BB_OK ||
            bb_sink_open(path_c, 0, false, &done, NULL) != BB_OK || bb_sink_commit(done, NULL) != BB_OK ||
            write(ready[1], "x", 1) != 1)
            _exit(1);
        for (;;) pause();
    }
    char c;
    int status;
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    ck_assert_uint_eq(entries(), 4); /* a, c and two temporaries */
    ck_assert_int_eq(kill(child, SIGTERM), 0);
    ck_assert(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGTERM);
    holds(path_a, "old");
    ck_assert_uint_eq(entries(), 2);
}
END_TEST

/* A write that fails (here: past the largest file allowed) leaves the old file. */
START_TEST(full) {
    struct rlimit limit = {1000, 1000};
    bb_sink *s = NULL;
    bb_error err = {0};
    put(path_a, "old");
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0); /* of this test's own process */
    ck_assert_int_eq(bb_sink_open(path_a, 0, true, &s, &err), BB_OK);
    ck_assert_int_eq(bb_sink_write(s, 999, "xy", 2, &err), BB_E_WRITE); /* one byte fits, the next does not */
    bb_sink_abandon(s);
    ck_assert_int_eq(bb_sink_open(path_a, 2000, true, &s, &err), BB_E_WRITE);
    holds(path_a, "old");
    ck_assert_uint_eq(entries(), 1);
}
END_TEST

START_TEST(regular_files_only) {
    static const char *const said[] = {"directory", "FIFO", "device", "device", "No such file", "symbolic links"};
    char loop[90];
    snprintf(loop, sizeof loop, "%s/loop", folder);
    ck_assert(mkfifo(path_a, 0600) == 0 && symlink("loop", loop) == 0);
    const char *const paths[] = {folder, path_a, "/dev/zero", "/dev/null", path_b, loop};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        bb_source *s = NULL;
        bb_error err = {0};
        ck_assert_int_eq(bb_source_open(paths[i], &s, &err), BB_E_OPEN);
        ck_assert_msg(!s && strstr(err.text, said[i]), "%s", err.text);
    }
    bb_error err = {0};
    char *text = NULL;
    size_t n;
    put(path_b, "0123456789");
    ck_assert(bb_source_slurp(path_b, 9, &text, &n, &err) == BB_E_LIMIT && !text);
    ck_assert(bb_source_slurp(path_b, 10, &text, &n, &err) == BB_OK && n == 10);
    free(text);
    ck_assert_int_eq(bb_source_slurp("/tmp/\033[2J", 9, &text, &n, &err), BB_E_OPEN);
    ck_assert(!strchr(err.text, '\033'));
}
END_TEST

START_TEST(cursor) {
    enum { SIZE = 200000 };
    unsigned char *data = malloc(SIZE), *got = malloc(SIZE);
    ck_assert(data && got);
    for (size_t i = 0; i < SIZE; i++) data[i] = (unsigned char)(i * 7 + i / 251);
    bb_sink *sink = NULL;
    ck_assert(bb_sink_open(path_a, SIZE, false, &sink, NULL) == BB_OK &&
              bb_sink_write(sink, 0, data, SIZE, NULL) == BB_OK && bb_sink_commit(sink, NULL) == BB_OK);
    bb_source *src = NULL;
    ck_assert(bb_source_open(path_a, &src, NULL) == BB_OK && bb_source_size(src) == SIZE);
    static bb_cursor c;
    bb_cursor_init(&c, src, 0, UINT64_MAX); /* ends with the file */
    ck_assert_uint_eq(bb_cursor_left(&c), SIZE);
    /* pieces that straddle the buffer's end in every way */
    size_t at = 0;
    for (size_t n = 1; at + n <= SIZE; n += 997) {
        ck_assert(bb_cursor_bytes(&c, got, n) && memcmp(got, data + at, n) == 0);
        at += n;
        ck_assert_uint_eq(bb_cursor_left(&c), SIZE - at);
    }
    ck_assert(bb_cursor_skip(&c, SIZE - at - 15));
    const unsigned char *p = data + SIZE - 15;
    ck_assert_uint_eq(bb_cursor_u64(&c), (uint64_t)p[0] | (uint64_t)p[1] << 8 | (uint64_t)p[2] << 16 |
                                             (uint64_t)p[3] << 24 | (uint64_t)p[4] << 32 | (uint64_t)p[5] << 40 |
                                             (uint64_t)p[6] << 48 | (uint64_t)p[7] << 56);
    ck_assert_uint_eq(bb_cursor_u32(&c), p[8] | p[9] << 8 | p[10] << 16 | (uint32_t)p[11] << 24);
    ck_assert_uint_eq(bb_cursor_u16(&c), p[12] | p[13] << 8);
    ck_assert(bb_cursor_ok(&c) && bb_cursor_left(&c) == 1);
    ck_assert(bb_cursor_u16(&c) == 0 && !bb_cursor_ok(&c) && c.status == BB_E_TRUNCATED); /* one byte is not two */
    ck_assert(bb_cursor_u8(&c) == 0 && bb_cursor_left(&c) == 0);                          /* and it stays failed */
    bb_cursor_init(&c, src, 10, 14);
    ck_assert(!bb_cursor_skip(&c, 5) && c.status == BB_E_TRUNCATED);
    bb_cursor_init(&c, src, SIZE + 5, UINT64_MAX);
    ck_assert(bb_cursor_left(&c) == 0 && !bb_cursor_skip(&c, 1));
    /* the file shrinks under us: an error, no signal */
    bb_error err = {0};
    ck_assert_int_eq(truncate(path_a, 100), 0);
    ck_assert_int_eq(bb_source_read(src, 50, got, 100, &err), BB_E_TRUNCATED);
    ck_assert_msg(strstr(err.text, "ends at 100"), "%s", err.text);
    bb_cursor_init(&c, src, 0, SIZE);
    ck_assert(!bb_cursor_bytes(&c, got, SIZE) && c.status == BB_E_TRUNCATED);
    bb_source_close(src);
    bb_source_close(NULL);
    free(data);
    free(got);
}
END_TEST

START_TEST(output_is_input) {
    bb_source *src = NULL;
    bb_error err = {0};
    char spelled[200];
    put(path_a, "input");
    put(path_b, "other");
    ck_assert_int_eq(bb_source_open(path_a, &src, NULL), BB_OK);
    ck_assert(symlink("a", in("link")) == 0 && link(path_a, in("hard")) == 0 && symlink(".", in("loop")) == 0);
    snprintf(spelled, sizeof spelled, "%s/../%s/./loop/link", folder, strrchr(folder, '/') + 1);
    const char *const same[] = {path_a, spelled, in("link"), in("hard")};
    for (size_t i = 0; i < 4; i++) ck_assert_int_eq(bb_sink_refuse_source(same[i], src, &err), BB_E_ARG);
    for (size_t i = 0; i < 4; i++) ck_assert_int_eq(bb_sink_refuse_name(same[i], same[3 - i], &err), BB_E_ARG);
    ck_assert_int_eq(bb_sink_refuse_name(path_b, same[0], &err), BB_OK);
    ck_assert_int_eq(bb_sink_refuse_name(in("none"), in("none"), &err), BB_OK);
    ck_assert_msg(strstr(err.text, "/hard is the input itself"), "%s", err.text);
    /* a folder that would be replaced with the input in it */
    ck_assert_int_eq(bb_sink_refuse_source(folder, src, &err), BB_E_ARG);
    ck_assert_int_eq(bb_sink_refuse_source(path_b, src, &err), BB_OK);
    ck_assert_int_eq(bb_sink_refuse_source(in("none"), src, &err), BB_OK);
    ck_assert_int_eq(bb_sink_refuse_source("/proc/self", src, &err), BB_OK);
    bb_source_close(src);
}
END_TEST

START_TEST(input_changes) {
    bb_source *src = NULL;
    bb_error err = {0};
    struct timespec times[2] = {{1, 5}, {1, 5}};
    put(path_a, "input");
    ck_assert_int_eq(utimensat(AT_FDCWD, path_a, times, 0), 0);
    ck_assert_int_eq(bb_source_open(path_a, &src, NULL), BB_OK);
    ck_assert_int_eq(bb_source_unchanged(src, &err), BB_OK);
    ck_assert_int_eq(chmod(path_a, 0600), 0); /* and being linked, renamed or removed change no content */
    ck_assert(link(path_a, path_b) == 0 && unlink(path_a) == 0);
    ck_assert_int_eq(bb_source_unchanged(src, &err), BB_OK);
    times[1].tv_nsec = 6; /* written to within the same second */
    ck_assert_int_eq(utimensat(AT_FDCWD, path_b, times, 0), 0);
    ck_assert_int_eq(bb_source_unchanged(src, &err), BB_E_READ);
    ck_assert_msg(strstr(err.text, "changed while it was read"), "%s", err.text);
    ck_assert_int_eq(truncate(path_b, 2), 0);
    ck_assert_int_eq(bb_source_unchanged(src, &err), BB_E_TRUNCATED);
    ck_assert_msg(strstr(err.text, "from 5 to 2 bytes"), "%s", err.text);
    ck_assert_int_eq(truncate(path_b, 9), 0);
    ck_assert_int_eq(bb_source_unchanged(src, &err), BB_E_READ);
    bb_source_close(src);
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("sink");
    TCase *t = tcase_create("sink");
    tcase_add_checked_fixture(t, begin, remove_folder);
    tcase_add_test(t, old_or_whole);
    tcase_add_test(t, reserved);
    tcase_add_test(t, permissions);
    tcase_add_test(t, targets);
    tcase_add_test(t, appeared_meanwhile);
    tcase_add_test(t, emergency);
    tcase_add_test(t, emergency_of_many);
    tcase_add_test(t, full);
    tcase_add_test(t, regular_files_only);
    tcase_add_test(t, cursor);
    tcase_add_test(t, output_is_input);
    tcase_add_test(t, input_changes);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    return s;
}
TEST_MAIN(suite)
