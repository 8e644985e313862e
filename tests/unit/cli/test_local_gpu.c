/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_local_gpu.c - a driver's folders are named by PCI addresses; its names of cards are not the catalogue's. */
#include "cli/local_gpu.h"
#include "harness.h"
#include <string.h>
#include <sys/stat.h>

static bb_catalogue *cat;
static char root[64];

static void setup(void) {
    ck_assert_int_eq(bb_catalogue_load(NULL, NULL, &cat, NULL), BB_OK);
    strcpy(root, "/tmp/bb_gpus_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}
static void teardown(void) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", root);
    ck_assert_int_eq(system(command), 0);
    bb_catalogue_free(cat);
}

static void add_card(const char *address, const char *model) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", root, address);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    strcat(path, "/information");
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    if (model) fprintf(f, "Model: \t\t %s\nIRQ:   \t\t 47\nBus Type: \t PCIe\n", model);
    fclose(f);
}

START_TEST(names) {
    static const char *const want[][2] = {
        {"NVIDIA H100 80GB HBM3", "H100 SXM"},
        {"NVIDIA H100 PCIe", "H100 PCIe"},
        {"NVIDIA H100 NVL", "H100 NVL"},
        {"NVIDIA H200", "H200"},
        {"NVIDIA A100-SXM4-80GB", "A100 80GB SXM"},
        {"NVIDIA A100-PCIE-40GB", "A100 40GB PCIe"},
        {"NVIDIA A100 80GB PCIe", "A100 80GB PCIe"},
        {"Tesla V100-SXM2-32GB", "V100 32GB SXM2"},
        {"Tesla T4", "T4"},
        {"NVIDIA GeForce RTX 4090", "RTX 4090"},
        {"NVIDIA RTX A6000", "RTX A6000"},
        {"NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"},
        {"NVIDIA L40S", "L40S"},
        {"NVIDIA A10G", "A10G"},
        {"NVIDIA GeForce RTX 4090 Laptop GPU", NULL}, /* another card: 16 GB */
        {"NVIDIA GeForce RTX 4080 Laptop GPU", "RTX 4080 Laptop"},
        {"NVIDIA H100 96GB HBM3", NULL}, /* another size */
        {"Radeon", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const bb_gpu *g = cli_gpu_of_driver(cat, want[i][0]);
        if (want[i][1])
            ck_assert_msg(g && strcmp(g->name, want[i][1]) == 0, "%s: %s", want[i][0], g ? g->name : "none");
        else
            ck_assert_msg(!g, "%s: %s", want[i][0], g ? g->name : "");
    }
}
END_TEST

START_TEST(folders) {
    const bb_gpu *g = NULL;
    size_t cards = 0;
    bb_error err = {0};
    ck_assert_int_eq(cli_local_gpu("/nonexistent/gpus", cat, &g, &cards, &err), BB_E_OPEN);
    ck_assert_int_eq(cli_local_gpu(root, cat, &g, &cards, &err), BB_E_OPEN);
    add_card("0000:00:1f.0", NULL); /* tells nothing */
    ck_assert_int_eq(cli_local_gpu(root, cat, &g, &cards, &err), BB_E_OPEN);
    add_card("0000:c4:00.0", "NVIDIA GeForce RTX 4090");
    ck_assert_int_eq(cli_local_gpu(root, cat, &g, &cards, &err), BB_OK);
    ck_assert_str_eq(g->name, "RTX 4090");
    ck_assert_uint_eq(cards, 1);
    add_card("0000:03:00.0", "NVIDIA H100 80GB HBM3");
    ck_assert_int_eq(cli_local_gpu(root, cat, &g, &cards, &err), BB_OK);
    ck_assert_str_eq(g->name, "H100 SXM");
    ck_assert_uint_eq(cards, 2);
    add_card("0000:01:00.0", "NVIDIA of tomorrow");
    ck_assert_int_eq(cli_local_gpu(root, cat, &g, &cards, &err), BB_E_NAME);
    ck_assert_ptr_nonnull(strstr(err.text, "NVIDIA of tomorrow"));
    ck_assert_str_eq(g->name, "H100 SXM");
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("local_gpu");
    TCase *t = tcase_create("local_gpu");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, names);
    tcase_add_test(t, folders);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
