/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cmd_doctor.c - bitbudget doctor: what this program found around itself. */
#include "base/escape.h"
#include "base/pool.h"
#include "cli/commands.h"
#include "kernel/kernel.h"
#include "report/report.h"
#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void row(bb_table *t, const char *what, const char *value) {
    char safe[256];
    bb_table_row(t);
    bb_cell_text(t, what);
    bb_cell_text(t, bb_escape_buf(value, safe, sizeof safe));
}

/* The value of a line of /proc/cpuinfo, "" when there is none. */
static void cpuinfo(const char *key, char *out, size_t size) {
    char line[8192];
    FILE *f = fopen("/proc/cpuinfo", "re");
    out[0] = '\0';
    while (f && fgets(line, sizeof line, f)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, key, strlen(key)) != 0 || !colon) continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(out, size, "%s", colon + 1 + strspn(colon + 1, " "));
        break;
    }
    if (f) fclose(f);
}

static void features(bb_table *t) {
    static const char *const wanted[] = {"avx2",    "fma",      "f16c",        "avx_vnni",
                                         "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16"};
    char flags[8192], found[160] = "";
    cpuinfo("flags", flags, sizeof flags);
    size_t at = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        size_t n = strlen(wanted[i]);
        for (const char *p = flags; (p = strstr(p, wanted[i])); p += n)
            if ((p == flags || p[-1] == ' ') && (p[n] == ' ' || !p[n])) {
                at += (size_t)snprintf(found + at, sizeof found - at, "%s%s", at ? " " : "", wanted[i]);
                break;
            }
    }
    row(t, "processor features", at ? found : "none of those that kernels could use");
}

/* Which kernels products run on: "avx512 of f32; avx512_vnni of q8_0, q4_0". */
static void kernels(bb_table *t, bb_isa isa) {
    bb_str text;
    bb_str_init(&text);
    for (int level = BB_LEVELS - 1; level >= 0; level--) {
        size_t n = 0;
        for (size_t i = 0; i < bb_kernel_count(); i++) {
            const char *type = bb_kernel_at(i)->family->layout->type;
            const bb_kernel *k = bb_kernel_find(bb_dtype_find(type, NULL), isa);
            if (k != bb_kernel_at(i) || (int)k->level != level) continue;
            if (n++ == 0) bb_str_addf(&text, "%s%s of ", text.len ? "; " : "", bb_level_name(k->level));
            bb_str_addf(&text, "%s%s", n > 1 ? ", " : "", type);
        }
    }
    row(t, "kernels", bb_str_c(&text));
    bb_str_clear(&text);
}

/* Where other programs keep models, and how many are there. */
static void stores(bb_table *t, const bb_stores *s) {
    for (size_t i = 0; i < s->n; i++) {
        bb_names names = {0};
        bb_error why = {0};
        bb_str text;
        bb_str_init(&text);
        if (bb_store_list(&s->at[i], &names, &why) == BB_OK) {
            bb_escape(&text, s->at[i].path, strlen(s->at[i].path), 0);
            bb_str_addf(&text, ": %s%zu model%s", names.more ? "more than " : "", names.n, names.n == 1 ? "" : "s");
        } else
            bb_str_add(&text, why.text);
        row(t, bb_store_name(s->at[i].kind), bb_str_c(&text));
        bb_str_clear(&text);
        bb_names_clear(&names);
    }
}

static bb_status run(cli_call *call, bb_error *err) {
    bb_table *t = bb_table_new("bitbudget.doctor/1");
    char text[640];
    bb_catalogue *cat = NULL;
    bb_error why = {0};
    bb_isa isa = BB_ISA_AUTO;
    bb_status status = cli_get_isa(&call->args, &isa, err);
    if (status != BB_OK) {
        bb_table_free(t);
        return status;
    }
    bb_table_column(t, "what", "WHAT", BB_COL_LEFT);
    bb_table_column(t, "value", "FOUND", BB_COL_LEFT);
    row(t, "version", BB_VERSION);
    row(t, "compiler", __VERSION__);
    cpuinfo("model name", text, sizeof text);
    row(t, "processor", *text ? text : "unknown");
    snprintf(text, sizeof text, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
    row(t, "processors", text);
    features(t);
    kernels(t, isa);
    const char *term = getenv("TERM");
    row(t, "terminal",
        isatty(STDOUT_FILENO) ? term && *term ? term : "TERM is not set" : "standard output is no terminal");
    row(t, "characters", nl_langinfo(CODESET));
    const char *no_color = getenv("NO_COLOR");
    row(t, "NO_COLOR", no_color && *no_color ? "set" : "not set");
    row(t, "demo model", bb_data_path("demo.gguf", text, sizeof text, &why) == BB_OK ? text : why.text);
    if (bb_catalogue_load(call->args.value[OPT_MODELS], call->args.value[OPT_GPUS], &cat, &why) == BB_OK) {
        snprintf(text, sizeof text, "%zu models, %zu GPUs, %zu overheads", bb_catalogue_models(cat),
                 bb_catalogue_gpus(cat), bb_catalogue_overheads(cat));
        row(t, "catalogue", text);
    } else
        row(t, "catalogue", why.text);
    bb_catalogue_free(cat);
    stores(t, &call->stores);
    return cli_output_table(&call->out, t, false, err);
}

const cli_command cli_doctor = {
    .name = "doctor",
    .words = "",
    .summary = "versions, processor, terminal, data files found",
    .min_words = 0,
    .max_words = 0,
    .run = run,
};
