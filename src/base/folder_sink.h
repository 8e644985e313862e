/* SPDX-License-Identifier: GPL-3.0-or-later */
/* folder_sink.h - output folders that are absent, old or complete: a hidden one beside the target, then renamed. */
#ifndef BB_BASE_FOLDER_SINK_H
#define BB_BASE_FOLDER_SINK_H
#include "base/sink.h"

typedef struct bb_folder_sink bb_folder_sink; /* a folder in progress; owns its temporary until commit or abandon */

/* What a name in a folder that is there says of it. */
typedef enum bb_folder_entry_kind {
    BB_ENTRY_FOREIGN, /* nothing that is ever written into such a folder */
    BB_ENTRY_SIDE,    /* may stand in it, and elsewhere */
    BB_ENTRY_SURE,    /* only such a folder has it */
} bb_folder_entry_kind;
typedef bb_folder_entry_kind bb_folder_entry_fn(const char *name);

/* Starts the folder `path`, which will hold files of `size` bytes together (0 = not known yet). An empty folder that is
 * there is filled; another is BB_E_EXISTS unless force, and even then BB_E_WRITE when anything in it is not a plain
 * file or is foreign, or nothing is sure: only files of such folders are ever removed. No space for size: BB_E_WRITE,
 * saying what is needed and what is free. */
bb_status bb_folder_open(const char *path, uint64_t size, bool force, bb_folder_entry_fn *kind_of,
                         bb_folder_sink **folder, bb_error *err);
/* A file in it, to be written, then committed or abandoned before the folder is. The name has no '/'. */
bb_status bb_folder_file(bb_folder_sink *folder, const char *name, uint64_t size, bb_sink **sink, bb_error *err);
/* Renames it over the target; the old one, exchanged in one step where the system can, is removed after that. Frees the
 * folder in every case and removes the temporary on failure. */
bb_status bb_folder_commit(bb_folder_sink *folder, bb_error *err);
void bb_folder_abandon(bb_folder_sink *folder); /* removes the temporary; NULL is allowed */
#endif
