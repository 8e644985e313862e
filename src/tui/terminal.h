/* SPDX-License-Identifier: GPL-3.0-or-later */
/* terminal.h - taking the terminal and giving it back, whatever happens in between; keys from it. */
#ifndef BB_TUI_TERMINAL_H
#define BB_TUI_TERMINAL_H
#include "tui/keymap.h"

/* Takes the terminal of stdin and stdout: BB_E_ARG with a sentence when there is none or its type cannot do it. From
 * here on stderr goes to a file in memory that bb_term_stop prints. */
bb_status bb_term_start(int color, bool ascii, bb_error *err);
/* Gives it back; any number of times. */
void bb_term_stop(void);
/* The next key, or BB_KEY_NONE after that many milliseconds, or BB_KEY_LOST. */
int bb_term_key(int timeout_ms);
/* Takes the terminal's size; true when it is another than before. */
bool bb_term_resized(void);
/* The signal that asked the program to end, 0 = none. */
int bb_term_signal(void);
#endif
