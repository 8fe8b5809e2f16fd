/* SPDX-License-Identifier: Apache-2.0
 *
 * http_report.h - what an answer means for each item of an attempt: the result that a target hands to the host.
 */
#ifndef TURNOUT_CONNECTORS_HTTP_REPORT_H
#define TURNOUT_CONNECTORS_HTTP_REPORT_H

#include "classify.h"
#include "turnout/connector.h"

struct tn_http_exchange { /* all borrowed */
	const struct tn_attempt *attempt;
	const struct tn_encoded *encoded;               /* the event's own headers */
	struct tn_str body;                             /* as it was sent */
	const struct tn_classify_overrides *overrides;
	bool replies;                                   /* events in the answer go to the bus */
	int64_t wall_ms;
};

struct tn_http_report { /* its texts are here, or in the answer: good for as long as both */
	struct tn_result result;
	const struct tn_message *reply;                 /* points to message, or NULL */
	struct tn_message message;
	struct tn_classified classified;
	struct tn_outcome *outcomes;                    /* owned: one an item; NULL: classified is for all */
	char digest[TN_DIGEST_SIZE];
};

void tn_http_report_init(struct tn_http_report *report, const struct tn_http_exchange *exchange, const struct tn_http_answer *answer);
void tn_http_report_fini(struct tn_http_report *report);

#endif
