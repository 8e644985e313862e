/* SPDX-License-Identifier: GPL-3.0-or-later */
/* catalogue.h - the tables of data/: models, cards, overheads; shipped rows and the user's own. */
#ifndef BB_MODEL_CATALOGUE_H
#define BB_MODEL_CATALOGUE_H
#include "base/csv.h"
#include "model/arch.h"

typedef struct bb_gpu {
    char name[64];
    char vendor[24];
    uint64_t usable_bytes;     /* memory that a program can get; 0 = unknown */
    bb_evidence usable_status; /* measured, or assumed (0.985 of the driver's total, or of the marketed size) */
    double marketed_gb, driver_mib, bandwidth_gbs, fp16_tflops, int8_tops; /* 0 = nobody published it */
    char source[128];
} bb_gpu;

typedef struct bb_overhead { /* what no buffer contains: a driver's context, workspaces, fragmentation, a margin */
    char name[96];           /* "llama.cpp driver context" */
    char engine[16];
    char part[24]; /* "context": what its line of a plan is called, overhead:context */
    char card[64]; /* the one that a measured row is of; "" = every card */
    uint64_t logs; /* that a measured row stands for */
    uint64_t low_bytes, typical_bytes, high_bytes;
    bb_evidence status;
    char source[96];
} bb_overhead;

/* From so many logs of a card on, their spread is taken for the card's; below, the shipped rows' is kept around it.
 * Assumed. */
enum { BB_OVERHEAD_LOGS = 3 };
/* Whether a row is of a card: its name, to which a driver adds a brand and the catalogue a size ("NVIDIA GeForce RTX
 * 3080", "RTX 3080 10GB"). */
bool bb_overhead_is_of(const bb_overhead *o, const char *card);

typedef struct bb_catalogue bb_catalogue; /* owns its rows */

/* The compiled-in tables plus the user's files (NULL = none). A user's row replaces a shipped one of the same name. */
bb_status bb_catalogue_load(const char *models_path, const char *gpus_path, bb_catalogue **cat, bb_error *err);
/* The tables alone: the same checks, but no row is kept (there are 0 models, cards and overheads), so that a long table
 * of the user's costs little more than its text. */
bb_status bb_catalogue_tables(const char *models_path, const char *gpus_path, bb_catalogue **cat, bb_error *err);
#define BB_OVERHEAD_MEASURED "measured" /* the part that stands for all of an engine */
/* Rows of the user's file of overheads: one without a card takes the place of the shipped row of its engine and part,
 * or of all rows of its engine; one of a card stands beside them. A file that is not there changes nothing. */
bb_status bb_catalogue_add_overheads(bb_catalogue *cat, const char *path, bb_error *err);
void bb_catalogue_free(bb_catalogue *cat);
size_t bb_catalogue_models(const bb_catalogue *cat);
const bb_arch *bb_catalogue_model(const bb_catalogue *cat, size_t i);
/* Parameters that the row of this name says, which its shape need not have; 0 = no such row. */
uint64_t bb_catalogue_params(const bb_catalogue *cat, const char *name);
size_t bb_catalogue_gpus(const bb_catalogue *cat);
const bb_gpu *bb_catalogue_gpu(const bb_catalogue *cat, size_t i);
size_t bb_catalogue_overheads(const bb_catalogue *cat);
const bb_overhead *bb_catalogue_overhead(const bb_catalogue *cat, size_t i);
/* By name, or a prefix that only one row has (bb_name_like). NULL: err offers the nearest. */
const bb_gpu *bb_gpu_find(const bb_catalogue *cat, const char *name, bb_error *err);
const bb_arch *bb_catalogue_find(const bb_catalogue *cat, const char *name, bb_error *err);
/* The parsed CSV of a table ("models", "gpus", "overheads"), every column kept, for `data`: the user's own table where
 * one was given, else the shipped one. Owned by the catalogue; NULL for another name. */
const bb_csv *bb_catalogue_csv(const bb_catalogue *cat, const char *table);
/* What a row of the table "models" or "gpus" says. */
bb_status bb_catalogue_row_model(const bb_catalogue *cat, size_t row, bb_arch *model);
bb_status bb_catalogue_row_gpu(const bb_catalogue *cat, size_t row, bb_gpu *gpu);
#endif
