/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rule.c - the table of the rule of thumb and its product with a parameter count. */
#include "plan/rule.h"
#include "base/checked.h"

/* Half bytes per parameter. The rule as it is taught: 4 bytes to load in fp32; to train 4 of gradients, 8 of Adam's two
 * moments and about 8 of activations and temporaries on top (specs/memory.md 2.4 and M2: no primary source is known for
 * the 8); other precisions in proportion to their bytes. */
static const struct {
    const char *precision;
    uint64_t load_halves, train_halves;
} rules[BB_RULE_ROWS] = {{"fp32", 8, 48}, {"fp16", 4, 24}, {"int8", 2, 12}, {"int4", 1, 6}};

bb_status bb_rule(uint64_t parameters, bb_rule_row rows[BB_RULE_ROWS], bb_error *err) {
    bb_rule_row out[BB_RULE_ROWS];
    for (int i = 0; i < BB_RULE_ROWS; i++) {
        /* parameters * halves / 2, rounded up, without the product passing 2^64 before the division. */
        uint64_t half = parameters / 2, odd = parameters % 2, load, train;
        if (!bb_mul_u64(half, rules[i].load_halves, &load) || !bb_mul_u64(half, rules[i].train_halves, &train) ||
            !bb_add_u64(load, (odd * rules[i].load_halves + 1) / 2, &load) ||
            !bb_add_u64(train, (odd * rules[i].train_halves + 1) / 2, &train))
            return bb_fail(err, BB_E_OVERFLOW, "%llu parameters need more bytes than 2^64",
                           (unsigned long long)parameters);
        out[i] = (bb_rule_row){.precision = rules[i].precision, .load_bytes = load, .train_bytes = train};
    }
    for (int i = 0; i < BB_RULE_ROWS; i++) rows[i] = out[i];
    return BB_OK;
}
