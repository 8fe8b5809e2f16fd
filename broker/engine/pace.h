/* SPDX-License-Identifier: Apache-2.0
 *
 * pace.h - what keeps a target from being asked more than it bears: its breaker, its rate, its retry budget, and its adaptive limit.
 *
 * A target embeds all four. They are asked whether an attempt may start (target.c) and who starts (attempt.c), and told of each start and
 * each answer. None of them decides what becomes of a delivery, but for what an open breaker parks. An attempt that began before the last
 * change says nothing about now: its slot keeps the number the change has since outgrown (episode, decreases).
 */
#ifndef TURNOUT_BROKER_ENGINE_PACE_H
#define TURNOUT_BROKER_ENGINE_PACE_H

#include "turnout/engine.h"
#include "turnout/list.h"

struct tn_delivery;
struct tn_result;
struct tn_slot;
struct tn_target;

/* The circuit breaker (breaker.c). */
enum { TN_BREAKER_BUCKETS = 10 };
struct tn_breaker {
	uint8_t state;                     /* enum tn_breaker_state */
	uint32_t episode;                  /* grows with each change of state: an attempt from before says nothing about now */
	uint32_t in_a_row;                 /* CLOSED: failures since the last good answer */
	uint32_t attempts, failures;       /* CLOSED: over all buckets */
	uint32_t probes, passed;           /* HALF_OPEN: under way; good answers so far */
	int64_t until_ms;                  /* OPEN. INT64_MAX: until an operator closes it */
	int64_t page_by_ms;                /* HALF_OPEN: what is parked may be older than what waits: the first page is awaited so long */
	int64_t pause_ms;                  /* how long it was open last; 0: closed since */
	const char *code;                  /* not CLOSED: what opened it */
	uint64_t opened;
	int64_t bucket_no;                 /* the newest one's, counted from time 0 */
	struct {
		uint32_t attempts, failures;
	} buckets[TN_BREAKER_BUCKETS];
};

struct tn_rate {
	int64_t level, at_ms;              /* parts of a token that there were at at_ms */
};
enum { TN_RETRY_BUCKETS = 11 };
struct tn_retry_budget {
	int64_t second;                    /* of the newest bucket; 0: no budget yet */
	uint32_t firsts, retries;          /* over all buckets */
	struct {
		uint32_t firsts, retries;
	} buckets[TN_RETRY_BUCKETS];
};
struct tn_adaptive {
	uint32_t limit, answers;           /* answers: of this window */
	uint32_t decreases;                /* how often the limit went down: an attempt from before the last time says nothing about now */
	uint64_t total_ms;                 /* that they took */
	int64_t mean, deviation;           /* of the windows before, in 1/1024 ms */
	bool reached, known;               /* reached: so many were under way in this window. known: there was one before */
};

/* breaker.c */
void tn_breaker_default(struct tn_breaker_limits *limits); /* what is 0 */
/* An attempt got its result, or its time was up. episode: the slot's. */
void tn_breaker_answered(struct tn_engine *engine, struct tn_target *target, uint32_t episode, const struct tn_outcome *outcome);
uint32_t tn_breaker_started(struct tn_target *target);  /* an attempt: answers the episode */
void tn_breaker_wake(struct tn_engine *engine, struct tn_target *target); /* is it time for a probe? */
void tn_breaker_changed(struct tn_engine *engine, struct tn_target *target); /* its settings: a probe at once */
int64_t tn_breaker_deadline(const struct tn_engine *engine, const struct tn_target *target);
bool tn_breaker_allows(const struct tn_engine *engine, const struct tn_target *target); /* HALF_OPEN: one more probe now */
struct tn_link *tn_breaker_choose(const struct tn_target *target); /* HALF_OPEN: the oldest in line */
/* True: it is open, and delivery, which would wait in line, is parked instead; it may be freed. */
bool tn_breaker_keeps(struct tn_engine *engine, struct tn_delivery *delivery);

/* rate.c */
bool tn_rate_allows(const struct tn_engine *engine, const struct tn_target *target); /* one more attempt now */
int64_t tn_rate_deadline(const struct tn_engine *engine, const struct tn_target *target); /* of the next token, while there is none */
uint32_t tn_rate_tokens(const struct tn_engine *engine, const struct tn_target *target);
void tn_rate_started(struct tn_engine *engine, struct tn_target *target);
void tn_rate_changed(struct tn_engine *engine, struct tn_target *target, const struct tn_rate_limits *before);

/* retries.c */
void tn_retries_init(const struct tn_engine *engine, struct tn_target *target); /* its limits are known, or others */
bool tn_retries_allow(const struct tn_engine *engine, struct tn_target *target); /* one more retry now */
bool tn_retries_is_one(const struct tn_delivery *delivery); /* in line */
bool tn_retries_count(const struct tn_engine *engine, struct tn_target *target, const struct tn_delivery *delivery); /* is about to start;
                                                                                                                       is it a retry? */
void tn_retries_give_back(const struct tn_engine *engine, const struct tn_slot *slot, const struct tn_result *result);
int64_t tn_retries_deadline(const struct tn_engine *engine, const struct tn_target *target); /* of the next second, while some wait */
void tn_retries_unstall(struct tn_target *target);      /* all into one line again */
struct tn_link *tn_retries_choose(struct tn_engine *engine, struct tn_target *target); /* who starts; NULL: all are over budget */

/* adaptive.c: for targets that are */
void tn_adaptive_init(struct tn_target *target);
uint32_t tn_adaptive_started(struct tn_target *target); /* in_flight has it; answers what the slot is to keep */
void tn_adaptive_answered(const struct tn_engine *engine, const struct tn_slot *slot, const struct tn_outcome *outcome);
void tn_adaptive_timed_out(const struct tn_slot *slot);

#endif
