/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_local_gpu.c - what made-up drivers tell of their cards: a library, the folders of two kernels' drivers, names.
 */
#include "cli/local_gpu.h"
#include "cli/nvml.h"
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
        {"AMD Instinct MI210", "MI210"},
        {"AMD Radeon RX 7900 XTX", "RX 7900 XTX"},
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

static bb_plan_card cards[BB_PLAN_CARDS];
static size_t n;
static bb_error err;
/* no library and no AMD card, unless a test says otherwise */
static cli_local_places places = {"/nonexistent/libnvidia-ml.so.1", "/nonexistent/gpus", "/nonexistent/drm"};

START_TEST(folders) {
    cli_local_places at = places;
    ck_assert_int_eq(cli_local_cards(&at, cat, cards, &n, &err), BB_E_OPEN);
    ck_assert_ptr_nonnull(strstr(err.text, "no driver on this machine tells of a card"));
    at.proc = root;
    ck_assert_int_eq(cli_local_cards(&at, cat, cards, &n, &err), BB_E_OPEN);
    add_card("0000:00:1f.0", NULL); /* tells nothing */
    ck_assert_int_eq(cli_local_cards(&at, cat, cards, &n, &err), BB_E_OPEN);
    add_card("0000:c4:00.0", "NVIDIA GeForce RTX 4090");
    ck_assert_int_eq(cli_local_cards(&at, cat, cards, &n, &err), BB_OK);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(cards[0].name, "RTX 4090");
    /* nobody says what is free: the catalogue's limit holds */
    ck_assert_uint_eq(cards[0].limit_bytes, bb_gpu_find(cat, "RTX 4090", NULL)->usable_bytes);
    add_card("0000:03:00.0", "NVIDIA H100 80GB HBM3");
    ck_assert_int_eq(cli_local_cards(&at, cat, cards, &n, &err), BB_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(cards[0].name, "H100 SXM");
    ck_assert_str_eq(cards[1].name, "RTX 4090");
    add_card("0000:01:00.0", "NVIDIA of tomorrow");
    n = 7;
    ck_assert_int_eq(cli_local_cards(&at, cat, cards, &n, &err), BB_E_NAME);
    ck_assert_ptr_nonnull(strstr(err.text, "NVIDIA of tomorrow"));
    ck_assert_uint_eq(n, 7);
}
END_TEST

/* A library with NVML's calls; index 2 is a card that fell off its bus. */
static const char fake_nvml[] =
    "#include <string.h>\n"
    "int nvmlInit_v2(void) { return INIT; }\n"
    "int nvmlShutdown(void) { return 0; }\n"
    "int nvmlDeviceGetCount_v2(unsigned *n) { *n = 3; return 0; }\n"
    "int nvmlDeviceGetHandleByIndex_v2(unsigned i, void **d) { static char at[3]; *d = at + i; return i == 2 ? 15 : 0; "
    "}\n"
    "static unsigned which(void *d) { void *first; nvmlDeviceGetHandleByIndex_v2(0, &first); return (char *)d - (char "
    "*)first; }\n"
    "int nvmlDeviceGetName(void *d, char *name, unsigned n) { strncpy(name, which(d) ? \"NVIDIA of tomorrow\" : "
    "\"NVIDIA GeForce RTX 3090\", n); return 0; }\n"
    "int nvmlDeviceGetMemoryInfo(void *d, unsigned long long *m) { m[0] = 24576ull << 20; m[1] = (which(d) ? 1000ull : "
    "20000ull) << 20; m[2] = m[0] - m[1]; return 0; }\n";

static const char *build(const char *init) {
    static char path[128];
    char command[320], source[128];
    snprintf(source, sizeof source, "%s/nvml.c", root);
    snprintf(path, sizeof path, "%s/libnvml%s.so", root, init);
    FILE *f = fopen(source, "w");
    ck_assert_ptr_nonnull(f);
    fputs(fake_nvml, f);
    fclose(f);
    snprintf(command, sizeof command, "cc -shared -fPIC -DINIT=%s -o %s %s", init, path, source);
    ck_assert_int_eq(system(command), 0);
    return path;
}

START_TEST(nvml) {
    cli_local_places at = places;
    at.nvml = build("0");
    at.proc = root;
    add_card("0000:01:00.0", "NVIDIA T4"); /* not read where the library answers */
    ck_assert_msg(cli_local_cards(&at, cat, cards, &n, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(cards[0].name, "RTX 3090");
    ck_assert_uint_eq(cards[0].limit_bytes, UINT64_C(20000) << 20); /* free, not what the card has */
    ck_assert_uint_eq(cards[0].driver_bytes, UINT64_C(24576) << 20);
    ck_assert_int_eq(cards[0].limit_status, BB_MEASURED);
    ck_assert(cards[0].bandwidth_gbs > 0);
    /* the catalogue does not know it: its memory is known all the same */
    ck_assert_str_eq(cards[1].name, "NVIDIA of tomorrow");
    ck_assert_uint_eq(cards[1].limit_bytes, UINT64_C(1000) << 20);
    ck_assert(cards[1].bandwidth_gbs == 0);
    at.nvml = build("9"); /* NVML_ERROR_DRIVER_NOT_LOADED */
    ck_assert_int_eq(cli_local_cards(&at, cat, cards, &n, &err), BB_OK);
    ck_assert_uint_eq(n, 1);
    ck_assert_str_eq(cards[0].name, "T4");
}
END_TEST

START_TEST(wrong_library) {
    cli_device list[2];
    n = 7;
    ck_assert_int_eq(cli_nvml_cards("/nonexistent.so", list, 2, &n, &err), BB_E_OPEN);
    ck_assert_int_eq(cli_nvml_cards("libc.so.6", list, 2, &n, &err), BB_E_READ);
    ck_assert_int_eq(cli_nvml_cards(build("9"), list, 2, &n, &err), BB_E_READ);
    ck_assert_uint_eq(n, 7);
    /* one place for two cards: both are counted */
    ck_assert_int_eq(cli_nvml_cards(build("0"), list, 1, &n, &err), BB_OK);
    ck_assert_uint_eq(n, 2);
}
END_TEST

/* A card of /sys/class/drm; NULL: the driver has no such file. */
static void add_drm(const char *folder, const char *total, const char *used, const char *product) {
    const char *const files[][2] = {
        {"mem_info_vram_total", total}, {"mem_info_vram_used", used}, {"product_name", product}, {"device", "0x744c"}};
    char path[160];
    snprintf(path, sizeof path, "%s/%s", root, folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/%s/device", root, folder);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    for (size_t i = 0; i < 4; i++) {
        if (!files[i][1]) continue;
        snprintf(path, sizeof path, "%s/%s/device/%s", root, folder, files[i][0]);
        FILE *f = fopen(path, "w");
        ck_assert_ptr_nonnull(f);
        fprintf(f, "%s\n", files[i][1]);
        fclose(f);
    }
}

START_TEST(amd) {
    cli_local_places at = places;
    at.drm = root;
    add_drm("card0", NULL, NULL, NULL);              /* another driver's */
    add_drm("card0-DP-1", "25753026560", "0", NULL); /* a plug */
    add_drm("card1", "536870912", "1000", NULL);     /* graphics of a processor */
    add_drm("card2", "a lot", "0", NULL);
    ck_assert_int_eq(cli_local_cards(&at, cat, cards, &n, &err), BB_E_OPEN);
    add_drm("card4", "25753026560", "753026560", "");
    add_drm("card3", "68702699520", "2699520", "AMD Instinct MI210");
    ck_assert_msg(cli_local_cards(&at, cat, cards, &n, &err) == BB_OK, "%s", err.text);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(cards[0].name, "MI210");
    ck_assert_uint_eq(cards[0].limit_bytes, UINT64_C(68700000000));
    ck_assert_uint_eq(cards[0].driver_bytes, UINT64_C(68702699520));
    ck_assert_int_eq(cards[0].limit_status, BB_MEASURED);
    ck_assert_str_eq(cards[1].name, "AMD card 0x744c");
    ck_assert_uint_eq(cards[1].limit_bytes, UINT64_C(25000000000));
}
END_TEST

static Suite *suite(void) {
    Suite *s = suite_create("local_gpu");
    TCase *t = tcase_create("local_gpu");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, names);
    tcase_add_test(t, folders);
    tcase_add_test(t, nvml);
    tcase_add_test(t, wrong_library);
    tcase_add_test(t, amd);
    suite_add_tcase(s, t);
    return s;
}

TEST_MAIN(suite)
