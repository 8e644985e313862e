/* SPDX-License-Identifier: GPL-3.0-or-later */
/* name_pattern.h - ECMAScript patterns searched in tensor names, as std::regex_search does for llama-quantize. */
#ifndef BB_MODEL_NAME_PATTERN_H
#define BB_MODEL_NAME_PATTERN_H
#include "base/fail.h"

typedef struct bb_name_pattern bb_name_pattern; /* owns its program */

/* Bytes, no locale; time grows with pattern times name, never worse. Letters are taken in lower case, as llama-quantize
 * does, those after a backslash apart. BB_E_ARG for what is no pattern, and for back-references and lookaheads, which a
 * yes or no in one pass cannot tell; BB_E_LIMIT for one that is too long. */
bb_status bb_name_pattern_new(const char *text, bb_name_pattern **pattern, bb_error *err);
void bb_name_pattern_free(bb_name_pattern *pattern);
/* Whether some part of the name matches. */
bool bb_name_pattern_search(const bb_name_pattern *pattern, const char *name);
#endif
