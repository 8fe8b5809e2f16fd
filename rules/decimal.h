/* SPDX-License-Identifier: Apache-2.0
 *
 * decimal.h - numbers as they are written, compared exactly: no rounding, whatever their length (event-patterns.md section 5).
 *
 * A parsed number borrows its text. Pure; any thread.
 */
#ifndef TURNOUT_RULES_DECIMAL_H
#define TURNOUT_RULES_DECIMAL_H

#include "turnout/str.h"

enum { TN_DECIMAL_EXPONENT_LIMIT = 9999 };

struct tn_decimal {
	int sign;          /* -1, 0, 1 */
	int64_t exponent;  /* of the first significant digit: 3 for 1234, -2 for 0.012; of zero 0 */
	uint64_t lead;     /* the first 19 significant digits, filled up with zeros */
	struct tn_str rest; /* the digits after those up to the last that is not 0, perhaps with a point among them */
};

/* text is a number as RFC 8259 has it. Exponents beyond 64 bits saturate. */
struct tn_decimal tn_decimal_parse(struct tn_str text);
/* Negative, 0, positive. */
int tn_decimal_compare(const struct tn_decimal *a, const struct tn_decimal *b);
/* Appends one text for one value: digits where it is an integer of at most 19 of them, else a fraction and an exponent. */
void tn_decimal_to_text(const struct tn_decimal *decimal, struct tn_buf *out);
/* Is the exponent within what a pattern may use? */
bool tn_decimal_in_range(const struct tn_decimal *a);

#endif
