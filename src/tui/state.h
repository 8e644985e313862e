/* SPDX-License-Identifier: GPL-3.0-or-later */
/* state.h - files of the screens: what was last looked at, and the folder of reports. */
#ifndef BB_TUI_STATE_H
#define BB_TUI_STATE_H
#include "base/str.h"

/* The remembered lines into *text (empty when there are none or they cannot be read). */
void bb_state_read(bb_str *text);
/* Replaces them. Failure is silent: nothing depends on it. */
void bb_state_write(const char *text, size_t n);
/* Writes a report under the first free name KIND-NNN.csv; path (of at least 512) gets where. */
bb_status bb_report_save(const char *kind, const char *text, size_t n, char *path, size_t size, bb_error *err);
#endif
