/* SPDX-License-Identifier: Apache-2.0
 *
 * http_reply.h - events in answers (option `reply: bus`): what a function answers with goes back to the bus.
 *
 * A 2xx answer is a reply when a source would take it for events: by attribute headers (ce-...), or by a media type that begins with
 * application/cloudevents, one event or a batch. Nobody looks inside here: the host decodes it, and says what becomes of a reply that
 * announces itself as an event and is none. Any other 2xx body is ignored.
 *
 * What is done when a reply cannot be handed over whole. The call was done, so the delivery is neither to be lost nor repeated for ever:
 *   the answer breaks off   RETRY, with the code of the break. The function is called again with the same key, and may answer as before.
 *   it is over 1 MiB        REJECTED, REPLY_TOO_LARGE: a function that is called again answers as large again, 185 times. As a dead
 *                           letter the event is kept with this reason, and an operator who made the reply smaller redrives it.
 * Dead letters take no replies, else a sink could feed the bus with what it is there to end. Nor do batches: nothing says which of their
 * items an event answers, and so which id its deliveries get.
 */
#ifndef TURNOUT_CONNECTORS_HTTP_REPLY_H
#define TURNOUT_CONNECTORS_HTTP_REPLY_H

#include "turnout/connector.h"
#include "turnout/http_client.h"

enum { TN_HTTP_REPLY_MAX = 1024 * 1024 }; /* bytes of the body: what a source takes by default */

bool tn_http_reply_expected(const struct tn_attempt *attempt);
/* True: *out_reply is the answer as a message, whole or not; borrows from answer. */
bool tn_http_reply_take(const struct tn_http_answer *answer, struct tn_message *out_reply);

#endif
