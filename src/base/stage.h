/* SPDX-License-Identifier: GPL-3.0-or-later */
/* stage.h - one output file whose parts come from several processes, in any order, at any time, from any machine. */
#ifndef BB_BASE_STAGE_H
#define BB_BASE_STAGE_H
#include "base/fail.h"

/* Each process writes its own byte ranges of a hidden file ".NAME.<identity>.stage" beside the target. A part that is
 * done leaves the mark ".NAME.<identity>.I-of-N", a hard link to that file: so a mark never counts for another file
 * that came to stand under the same name. The process that finds all marks gives the file its name. The target is
 * absent, old or complete; a part that failed is run again, which the others need not be. Of a long NAME the hidden
 * names have the first 200 bytes, and the rest in the identity. */
typedef struct bb_stage bb_stage;

enum { BB_STAGE_PARTS_MAX = 10000 };

/* identity: a hash of all that decides the content, so that parts of different jobs never meet. part counts from 1. An
 * existing target is BB_E_EXISTS unless force. No space for size: BB_E_WRITE, saying what is needed and free. */
bb_status bb_stage_open(const char *path, uint64_t size, uint64_t identity, uint32_t part, uint32_t parts, bool force,
                        bb_stage **stage, bb_error *err);
/* n bytes at offset, within size; any order, any thread. */
bb_status bb_stage_write(bb_stage *stage, uint64_t offset, const void *data, size_t n, bb_error *err);
/* fsync, the mark, and with the last one the target; *complete tells whether it is there now. Frees the stage in every
 * case. */
bb_status bb_stage_commit(bb_stage *stage, bool *complete, bb_error *err);
/* Leaves what was written for another try, without the mark; NULL is allowed. */
void bb_stage_abandon(bb_stage *stage);
#endif
