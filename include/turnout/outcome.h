/* SPDX-License-Identifier: Apache-2.0
 *
 * outcome.h - what became of one item of an attempt: the third kind of "no".
 *
 * A target reports a verdict, one switch in the engine acts on it. The classes are those of delivery-semantics section 5.
 */
#ifndef TURNOUT_OUTCOME_H
#define TURNOUT_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/str.h"

enum tn_verdict {
	TN_DELIVERED,
	TN_STAGED,        /* written into an open transaction (exactly once; not in this version) */
	TN_RETRY,         /* later, same key */
	TN_THROTTLED,     /* later; the target says it has too much */
	TN_MISCONFIGURED, /* an operator must act: wrong credential, missing resource, bad certificate */
	TN_REJECTED,      /* this payload will never be accepted */
	TN_HOLD,          /* not an attempt: no room now; tn_engine_ready ends it */
};

enum { TN_DIGEST_SIZE = 32 };

struct tn_outcome {
	enum tn_verdict verdict;
	bool function_error;      /* the function itself failed (its own retry counter in split policies) */
	bool maybe_done;          /* unknown: a timeout, a broken exchange after the request was sent */
	bool credential;          /* MISCONFIGURED by who we are (login, token, certificate), not by what is missing */
	bool local;               /* RETRY: it was our shortage, of descriptors or memory; says nothing of the target */
	bool alone;               /* HOLD: from now on it is attempted by itself, in no batch with others */
	bool declined;            /* Retry-After was negative: the target wants no more of it (TargetDeclined) */
	int32_t status;           /* HTTP status or 0 */
	int64_t retry_after_ms;   /* 0: none said. It is the whole target's, not this delivery's alone */
	const char *code;         /* constant text: "HTTP_503", "TIMEOUT"; never NULL unless DELIVERED */
	struct tn_str message;    /* one cleaned sentence, at most 1024 bytes; no payload, no secret */
	struct tn_str sample;     /* start of the response body, at most 1024 bytes */
	struct tn_str sent_sha256; /* SHA-256 of the body that was sent, or was to be: TN_DIGEST_SIZE raw bytes, or empty. Targets compute it
	                            * for failures alone, since most events have none */
};

#endif
