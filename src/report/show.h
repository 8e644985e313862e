/* SPDX-License-Identifier: GPL-3.0-or-later */
/* show.h - short forms of numbers for people; the point is '.' in every locale. */
#ifndef BB_REPORT_SHOW_H
#define BB_REPORT_SHOW_H
#include "format/format.h"

enum { BB_SHOW_SIZE = 48 };

/* `digits` significant digits ("3.14159274", "3.4e+38"); "inf" and "nan" as such. buf of BB_SHOW_SIZE; returns buf. */
const char *bb_show_g(double v, int digits, char *buf);
/* Scientific with `digits` after the point and a sign ("-9.68e-04"); "0" for zero; "" for NaN. */
const char *bb_show_error(double v, int digits, char *buf);
/* The same without sign. */
const char *bb_show_ratio(double v, int digits, char *buf);
/* `decimals` digits after the point. "" for NaN. */
const char *bb_show_fixed(double v, int decimals, char *buf);
/* "87.8%" of a whole; "" when the whole is 0. */
const char *bb_show_share(uint64_t part, uint64_t whole, char *buf);
/* "0x" and the code in upper case, ceil(bits / 4) digits; buf of at least 19. */
const char *bb_show_code(uint64_t code, unsigned bits, char *buf);
/* The low `n` bits as binary digits, "" for none; buf of at least 65. */
const char *bb_show_binary(uint64_t bits, unsigned n, char *buf);
/* "4096x4096"; "scalar" without dimensions. */
void bb_show_shape(const uint64_t *dims, uint32_t n, bb_str *out);
#endif
