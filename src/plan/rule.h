/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rule.h - the rule of thumb: 4 bytes a parameter to load and 20 more to train, by precision. */
#ifndef BB_PLAN_RULE_H
#define BB_PLAN_RULE_H
#include "base/fail.h"

typedef struct bb_rule_row {
    const char *precision;            /* fp32, fp16, int8, int4 */
    uint64_t load_bytes, train_bytes; /* halves are rounded up to a whole byte */
} bb_rule_row;

enum { BB_RULE_ROWS = 4 };
bb_status bb_rule(uint64_t parameters, bb_rule_row rows[BB_RULE_ROWS], bb_error *err);
#endif
