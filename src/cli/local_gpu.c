/* SPDX-License-Identifier: GPL-3.0-or-later */
/* local_gpu.c - what the drivers tell of their cards, and from a driver's name of a card to the catalogue's. */
#include "cli/local_gpu.h"
#include "base/escape.h"
#include "cli/nvml.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

enum { WORDS = 12, WORD_SIZE = 24 };
typedef struct words {
    size_t n;
    char word[WORDS][WORD_SIZE];
} words;

static bool is_one_of(const char *word, const char *const *list) {
    for (; *list; list++)
        if (bb_name_eq(word, *list)) return true;
    return false;
}

/* One spelling of what the driver and data/gpus.csv write differently: the sockets SXM2 to SXM5 are SXM; of the H100
 * only the SXM card has HBM3 (its PCIe card HBM2e, and the NVL card says NVL). */
static const char *one_spelling(const char *word) {
    static const char *const sxm[] = {"SXM2", "SXM3", "SXM4", "SXM5", "HBM3", NULL};
    return is_one_of(word, sxm) ? "SXM" : word;
}

/* Words of a name: brands, a remark in brackets and "80 GB" written apart left out. */
static words split(const char *name) {
    static const char *const brands[] = {"NVIDIA", "GeForce", "Tesla",    "Quadro",     "GPU",
                                         "AMD",    "Radeon",  "Instinct", "Generation", NULL};
    words w = {0};
    char part[WORD_SIZE];
    size_t n;
    for (const char *p = name; *p && *p != '(' && w.n < WORDS; p += n) {
        p += strspn(p, " -_");
        n = strcspn(p, " -_(");
        if (!n || n >= sizeof part) continue;
        memcpy(part, p, n);
        part[n] = '\0';
        if (!is_one_of(part, brands)) (void)snprintf(w.word[w.n++], WORD_SIZE, "%s", one_spelling(part));
    }
    return w;
}

static bool has(const words *w, const char *word) {
    for (size_t i = 0; i < w->n; i++)
        if (bb_name_eq(w->word[i], word)) return true;
    return false;
}

/* A word that tells of the memory or the socket alone, and does not contradict the card's size. */
static bool is_suffix(const char *word, const bb_gpu *g) {
    static const char *const kinds[] = {"HBM2", "HBM2e", "HBM3e", "SXM", "PCIe", NULL};
    char *end;
    double gb = strtod(word, &end);
    if (end != word && bb_name_eq(end, "GB")) return g->marketed_gb <= 0 || gb == g->marketed_gb;
    return is_one_of(word, kinds);
}

/* Words that a row shares with the driver's name: 0 when it has one that the driver has not, or the driver tells of
 * more than the memory beside it ("Laptop GPU" is another card). */
static size_t shared_words(const words *driver, const bb_gpu *g) {
    words row = split(g->name);
    for (size_t i = 0; i < row.n; i++)
        if (!has(driver, row.word[i])) return 0;
    for (size_t i = 0; i < driver->n; i++)
        if (!has(&row, driver->word[i]) && !is_suffix(driver->word[i], g)) return 0;
    return row.n;
}

const bb_gpu *cli_gpu_of_driver(const bb_catalogue *cat, const char *name) {
    words driver = split(name);
    const bb_gpu *found = NULL;
    size_t best = 0, count = 0;
    for (size_t i = 0; i < bb_catalogue_gpus(cat); i++) {
        const bb_gpu *g = bb_catalogue_gpu(cat, i);
        size_t n = shared_words(&driver, g);
        if (n > best) {
            best = n;
            found = g;
            count = 0;
        }
        count += n && n == best;
    }
    return count == 1 ? found : NULL;
}

/* ---- NVIDIA without its library ---- */

/* The value of the line "Model:" of a card's file `information`; false when there is none. */
static bool read_model(const char *root, const char *folder, char *name, size_t size) {
    char path[512], line[256];
    bool found = false;
    int n = snprintf(path, sizeof path, "%s/%s/information", root, folder);
    FILE *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
    while (f && !found && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "Model", 5) != 0 || !colon) continue;
        line[strcspn(line, "\n")] = '\0';
        (void)snprintf(name, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
        found = true;
    }
    if (f) fclose(f);
    return found;
}

/* A folder of a driver and what it says. */
typedef struct told {
    char folder[64];
    cli_device card;
} told;

static int by_folder(const void *a, const void *b) {
    return strcmp(((const told *)a)->folder, ((const told *)b)->folder);
}

/* Adds a card in the order of their folders; one more than can be planned is only counted. */
static void add_told(told *list, size_t *n, const char *folder, const cli_device *card) {
    if (*n < BB_PLAN_CARDS) {
        (void)snprintf(list[*n].folder, sizeof list[*n].folder, "%.63s", folder);
        list[*n].card = *card;
        qsort(list, *n + 1, sizeof *list, by_folder);
    }
    ++*n;
}

static void read_proc(const char *root, told *list, size_t *n) {
    DIR *d = opendir(root);
    for (struct dirent *e; d && (e = readdir(d));) {
        cli_device card = {0};
        if (e->d_name[0] != '.' && read_model(root, e->d_name, card.name, sizeof card.name))
            add_told(list, n, e->d_name, &card);
    }
    if (d) closedir(d);
}

/* ---- AMD ---- */

/* First line of a file of a card's folder; false when there is none. */
static bool read_line(const char *root, const char *folder, const char *file, char *line, size_t size) {
    char path[512];
    int n = snprintf(path, sizeof path, "%s/%s/device/%s", root, folder, file);
    FILE *f = n > 0 && (size_t)n < sizeof path ? fopen(path, "re") : NULL;
    bool read = f && fgets(line, (int)size, f);
    if (f) fclose(f);
    if (read) line[strcspn(line, "\n")] = '\0';
    return read;
}

/* Files of the driver amdgpu (kernel documentation, "GPU Memory Info"); other drivers have none of them. Graphics that
 * share the host's memory tell of the part that the firmware sets aside, which is small: they are no card. */
static bool read_amdgpu(const char *root, const char *folder, cli_device *card) {
    static const uint64_t set_aside = UINT64_C(1) << 30;
    char line[96], id[16];
    uint64_t total, used;
    if (!read_line(root, folder, "mem_info_vram_total", line, sizeof line) || !bb_parse_u64(line, &total)) return false;
    if (!read_line(root, folder, "mem_info_vram_used", line, sizeof line) || !bb_parse_u64(line, &used)) return false;
    if (total < set_aside) return false;
    if (!read_line(root, folder, "product_name", card->name, sizeof card->name) || !*card->name)
        (void)snprintf(card->name, sizeof card->name, "AMD card %s",
                       read_line(root, folder, "device", id, sizeof id) ? id : "");
    card->total_bytes = total;
    card->free_bytes = used < total ? total - used : 0;
    return true;
}

static void read_drm(const char *root, told *list, size_t *n) {
    DIR *d = opendir(root);
    for (struct dirent *e; d && (e = readdir(d));) {
        cli_device card = {0};
        if (strncmp(e->d_name, "card", 4) != 0 || strchr(e->d_name, '-')) continue; /* card0-DP-1 is a plug */
        if (read_amdgpu(root, e->d_name, &card)) add_told(list, n, e->d_name, &card);
    }
    if (d) closedir(d);
}

/* ---- cards ---- */

const cli_local_places cli_local_machine = {CLI_NVML_LIBRARY, "/proc/driver/nvidia/gpus", "/sys/class/drm"};

static bb_status to_card(const bb_catalogue *cat, const cli_device *from, bb_plan_card *card, bb_error *err) {
    const bb_gpu *g = cli_gpu_of_driver(cat, from->name);
    char shown[128];
    bb_escape_buf(from->name, shown, sizeof shown);
    *card = (bb_plan_card){0};
    if (g) bb_plan_card_of(g, card);
    if (!g) (void)snprintf(card->name, sizeof card->name, "%.63s", shown);
    if (from->total_bytes) {
        /* of a card without any free memory the limit would read as unknown */
        card->limit_bytes = from->free_bytes ? from->free_bytes : 1;
        card->driver_bytes = from->total_bytes;
        card->limit_status = BB_MEASURED;
    } else if (!g) {
        bb_fail(err, BB_E_NAME, "--gpu local: no row of data gpus is the card of this machine, '%s'", shown);
        bb_hint(err, "--gpu NAME or --memory SIZE says what it has");
        return BB_E_NAME;
    }
    return BB_OK;
}

bb_status cli_local_cards(const cli_local_places *at, const bb_catalogue *cat, bb_plan_card *cards, size_t *n,
                          bb_error *err) {
    cli_device asked[BB_PLAN_CARDS];
    told list[BB_PLAN_CARDS + 1] = {0};
    bb_plan_card made[BB_PLAN_CARDS];
    size_t found = 0;
    if (cli_nvml_cards(at->nvml, asked, BB_PLAN_CARDS, &found, NULL) == BB_OK)
        for (size_t i = 0; i < found && i < BB_PLAN_CARDS; i++) list[i].card = asked[i];
    else
        read_proc(at->proc, list, &found);
    if (!found) read_drm(at->drm, list, &found);
    if (!found) {
        bb_fail(err, BB_E_OPEN, "--gpu local: no driver on this machine tells of a card, NVIDIA's (%s) or AMD's (%s)",
                at->nvml, at->drm);
        bb_hint(err, "--gpu NAME or --memory SIZE says what to plan for, --gpu none plans the host");
        return BB_E_OPEN;
    }
    if (found > BB_PLAN_CARDS)
        return bb_fail(err, BB_E_ARG, "--gpu local: %zu cards: at most %d are planned", found, BB_PLAN_CARDS);
    for (size_t i = 0; i < found; i++) {
        bb_status s = to_card(cat, &list[i].card, &made[i], err);
        if (s) return s;
    }
    memcpy(cards, made, found * sizeof *made);
    *n = found;
    return BB_OK;
}
