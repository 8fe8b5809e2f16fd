/* SPDX-License-Identifier: Apache-2.0
 *
 * http_batch.h - several deliveries in one request, and an answer that may take some of them and not others.
 *
 * The request: POST application/cloudevents-batch+json, an array of events in the JSON event format. Each carries two extensions:
 *   turnoutdeliveryid   its delivery id, the same for every attempt: the idempotency key, and the item's identifier in the answer
 *   turnoutattempt      1 for the first; an integer
 * What an event brought along under these names is replaced. The request itself has no Idempotency-Key and no Turnout-Attempt: a batch is
 * put together anew for each attempt, so nothing true could stand there. For the same reason a signed batch has a webhook-id of its own, never
 * seen before: whoever remembers ids of requests would else take the rest of a batch for the whole of it.
 *
 * The answer, with a 2xx status (delivery-semantics section 5):
 *   {"batchItemFailures": [{"itemIdentifier": "<delivery id>"}]}   those listed failed, the rest is done
 *   nothing, null, [], {}, the list absent, null or empty          all are done
 *   anything else: not JSON, an identifier that is absent, empty, null or of no item here, a list that is no list   all failed
 * Other members are ignored. Any other status counts for all items. Which items of an ordered lane must wait for a failed one is for the
 * engine to know.
 */
#ifndef TURNOUT_CONNECTORS_HTTP_BATCH_H
#define TURNOUT_CONNECTORS_HTTP_BATCH_H

#include "turnout/engine.h"
#include "turnout/error.h"

#define TN_HTTP_BATCH_TYPE "application/cloudevents-batch+json"

/* Several items always make a batch; one does where the target takes batches. */
bool tn_http_batch_wanted(const struct tn_attempt *attempt);
/* Appends the body. wall_ms: for dead letters. */
void tn_http_batch_write(const struct tn_attempt *attempt, int64_t wall_ms, struct tn_buf *out);
/* Bytes that an answer about so many items may have; far more than listing each takes. */
uint32_t tn_http_batch_answer_max(uint32_t count);
/* Which items failed: sets flags of out_failed, which is all false before. TN_INVALID: not an answer as above, and why; then the flags mean
 * nothing. */
enum tn_status tn_http_batch_read(struct tn_str body, const struct tn_item *items, uint32_t count, bool *out_failed, struct tn_error *error)
	TN_MUST_CHECK;

#endif
