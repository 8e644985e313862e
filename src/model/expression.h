/* SPDX-License-Identifier: GPL-3.0-or-later */
/* expression.h - the regular expressions that name modules in configs of quantized checkpoints; private to model/. */
#ifndef BB_MODEL_EXPRESSION_H
#define BB_MODEL_EXPRESSION_H
#include <stdbool.h>

/* Python's re.match with what such lists mostly hold: characters, '.', ".*", "\." "\-" "\_", '^' in front and '$' at
 * the end. No regcomp: nested repetitions in a file take all memory there. Quadratic in the lengths at most. */

/* Whether the expression holds these alone. Others match what they may. */
bool bb_expression_readable(const char *expression);
/* Whether the text begins with something that the expression describes. */
bool bb_expression_match(const char *expression, const char *text);
/* Whether it takes or leaves names that differ in numbers alone together: no digit, and no '.' that stands for one
 * character, since 10 has one more than 9. */
bool bb_expression_uniform(const char *expression);
#endif
