/* SPDX-License-Identifier: GPL-3.0-or-later */
/* study.h - the long jobs that the command line and the screens share: progress and cancel. */
#ifndef BB_STUDY_STUDY_H
#define BB_STUDY_STUDY_H
#include "base/fail.h"
#include <stdatomic.h>

/* Shared between the worker and whoever watches it. The caller owns it; jobs only write. */
typedef struct bb_progress {
    atomic_uint_fast64_t done, total; /* of bytes or repetitions */
    atomic_bool cancel;               /* set by the watcher; jobs stop with BB_E_CANCELLED */
    char what[96];                    /* set before `total`; escaped */
    _Atomic(const char *) now;        /* what is worked on, escaped; lives as long as the job. NULL = what */
} bb_progress;
void bb_progress_init(bb_progress *p);
#endif
