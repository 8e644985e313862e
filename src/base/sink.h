/* SPDX-License-Identifier: GPL-3.0-or-later */
/* sink.h - output files that are absent, old or complete: a temporary beside the target, synced, then renamed. */
#ifndef BB_BASE_SINK_H
#define BB_BASE_SINK_H
#include "base/source.h"

typedef struct bb_sink bb_sink; /* an output in progress; owns its temporary until commit or abandon */

/* Starts `path` with `size` bytes reserved (0 = not known yet); the file then has at least that many. An existing
 * target is BB_E_EXISTS unless force; a target that is not a regular file is BB_E_WRITE. No space for size: BB_E_WRITE,
 * saying what is needed and what is free. */
bb_status bb_sink_open(const char *path, uint64_t size, bool force, bb_sink **sink, bb_error *err);
/* BB_E_EXISTS for an output that is there and not to be replaced: bb_sink_open says so too, this before long work. */
bb_status bb_sink_probe(const char *path, bool force, bb_error *err);
/* n bytes at offset; any order, any thread. */
bb_status bb_sink_write(bb_sink *sink, uint64_t offset, const void *data, size_t n, bb_error *err);
/* Brings what was written to the disk: of several outputs that belong together, each before the first gets its name. */
bb_status bb_sink_sync(bb_sink *sink, bb_error *err);
/* fsync, rename over the target, fsync of the folder; frees the sink in every case and removes the temporary on
 * failure. */
bb_status bb_sink_commit(bb_sink *sink, bb_error *err);
void bb_sink_abandon(bb_sink *sink); /* removes the temporary; NULL is allowed */
/* BB_E_ARG when `path`, in whatever spelling, is the file that src reads, or a folder that has it in it: an output must
 * not replace what it is made from. */
bb_status bb_sink_refuse_source(const char *path, const bb_source *src, bb_error *err);
/* The same for an input that was read and closed: two names of one file. */
bb_status bb_sink_refuse_name(const char *path, const char *input, bb_error *err);
/* Removes the temporaries of every open sink and folder of this process; only calls that are safe in a signal handler.
 */
void bb_sink_emergency(void);
#endif
