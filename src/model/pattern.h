/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pattern.h - regular expressions on the names of tensors and modules, as the tools that read them match. */
#ifndef BB_MODEL_PATTERN_H
#define BB_MODEL_PATTERN_H
#include "base/fail.h"

typedef struct bb_pattern bb_pattern; /* owns its program */

typedef enum bb_pattern_flavour {
    BB_PATTERN_LLAMA,  /* llama-quantize's: std::regex_search of ECMAScript, letters in lower case but after '\' */
    BB_PATTERN_PYTHON, /* re.match, for names in ASCII: anchored at the begin, not at the end */
} bb_pattern_flavour;

/* Bytes, no locale; time grows with pattern times name, never worse. BB_E_ARG for what is no pattern, and for what is
 * not told here: back-references and lookarounds, which a yes or no in one pass cannot tell, and in Python's flags,
 * named groups, possessive repeats, octal numbers and characters above 127; BB_E_LIMIT for one that is too long. */
bb_status bb_pattern_new(const char *text, bb_pattern_flavour flavour, bb_pattern **pattern, bb_error *err);
void bb_pattern_free(bb_pattern *pattern);
/* Whether the name, or in llama-quantize's flavour some part of it, begins with what the pattern describes. */
bool bb_pattern_match(const bb_pattern *pattern, const char *name);
/* Whether it takes or leaves names that differ in numbers alone together, those of any number of digits; false where
 * that is not sure. */
bool bb_pattern_uniform(const bb_pattern *pattern);
/* Instructions that were written to read it: some ns and at most 10 bytes each. */
uint64_t bb_pattern_cost(const bb_pattern *pattern);
/* Instructions that a byte of a name can take; none are those of the characters that it begins with. */
uint64_t bb_pattern_steps(const bb_pattern *pattern);
#endif
