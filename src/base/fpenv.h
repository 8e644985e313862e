/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fpenv.h - the floating-point environment that results are defined in, and the caller's back afterwards. */
#ifndef BB_BASE_FPENV_H
#define BB_BASE_FPENV_H
#include <fenv.h>

/* Nearest-even, no traps, and (on x86-64, whose fenv_t holds MXCSR) no flushing of subnormals: a library linked with
 * -ffast-math may have switched that on. */
static inline void bb_fp_enter(fenv_t *saved) {
    fegetenv(saved);
    fesetenv(FE_DFL_ENV);
}
static inline void bb_fp_leave(const fenv_t *saved) { fesetenv(saved); }
#endif
