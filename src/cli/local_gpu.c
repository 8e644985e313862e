/* SPDX-License-Identifier: GPL-3.0-or-later */
/* local_gpu.c - reading the driver's folders, and from the driver's name of a card to the catalogue's. */
#include "cli/local_gpu.h"
#include "base/escape.h"
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
    static const char *const brands[] = {"NVIDIA", "GeForce", "Tesla", "Quadro", "GPU", "Generation", NULL};
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

/* ---- folders ---- */

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

bb_status cli_local_gpu(const char *root, const bb_catalogue *cat, const bb_gpu **gpu, size_t *cards, bb_error *err) {
    char first[256] = "", name[128] = "", model[128], shown[160];
    size_t n = 0;
    DIR *d = opendir(root);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.' || !read_model(root, e->d_name, model, sizeof model)) continue;
        n++;
        if (*first && strcmp(e->d_name, first) > 0) continue;
        (void)snprintf(first, sizeof first, "%s", e->d_name);
        (void)snprintf(name, sizeof name, "%s", model);
    }
    if (d) closedir(d);
    if (!n) return bb_fail(err, BB_E_OPEN, "--gpu local: no driver on this machine tells of a card");
    const bb_gpu *g = cli_gpu_of_driver(cat, name);
    if (!g) {
        bb_fail(err, BB_E_NAME, "--gpu local: no row of data gpus is the card of this machine, '%s'",
                bb_escape_buf(name, shown, sizeof shown));
        bb_hint(err, "--gpu NAME or --memory SIZE says what it has");
        return BB_E_NAME;
    }
    *gpu = g;
    *cards = n;
    return BB_OK;
}
