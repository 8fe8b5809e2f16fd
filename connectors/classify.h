/* SPDX-License-Identifier: Apache-2.0
 *
 * classify.h - what an HTTP answer, or its absence, means for a delivery (delivery-semantics section 5).
 */
#ifndef TURNOUT_CONNECTORS_CLASSIFY_H
#define TURNOUT_CONNECTORS_CLASSIFY_H

#include "turnout/http_client.h"
#include "turnout/option.h"
#include "turnout/outcome.h"

enum { TN_CLASSIFY_MESSAGE_MAX = 1024, TN_CLASSIFY_SAMPLE_MAX = 1024 };

struct tn_classify_overrides { /* statuses of a target that mean something else there: a bit each, from 100 on */
	uint64_t retry[8], fail[8];
	bool hold_gone; /* 410 holds the target as a refused credential does; retry and fail win */
};

struct tn_classified {
	struct tn_outcome outcome; /* message is in text, sample in the answer's body: both borrowed */
	char text[TN_CLASSIFY_MESSAGE_MAX];
};

/* Lists of statuses ("503") and ranges ("520-599"), 300 to 599. TN_INVALID: not such, or a status in both. */
enum tn_status tn_classify_parse(const struct tn_texts *retry_on, const struct tn_texts *fail_on, struct tn_classify_overrides *out_overrides,
	struct tn_error *error) TN_MUST_CHECK;
/* overrides may be NULL. wall_ms: for a Retry-After date of an answer without a Date. */
void tn_classify_answer(const struct tn_http_answer *answer, const struct tn_classify_overrides *overrides, int64_t wall_ms,
	struct tn_classified *out);
/* For an answer with a status whose body, which broke off, was to say more: judged by the way it broke. Its failure is not FINE. */
void tn_classify_broken_answer(const struct tn_http_answer *answer, struct tn_classified *out);

#endif
