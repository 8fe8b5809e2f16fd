/* SPDX-License-Identifier: Apache-2.0
 *
 * desk.h - an engine on a desk: a test hands facts in by hand and reads the decisions that come out.
 *
 * Routes r1..r4 go to targets t1..t4. Every command is kept in the order it came; desk_obey empties the lists first.
 */
#ifndef TURNOUT_TESTS_ENGINE_DESK_H
#define TURNOUT_TESTS_ENGINE_DESK_H

#include "turnout/engine.h"

enum { DESK_TARGETS = 4, DESK_KEPT = 8192 };

struct desk {
	struct tn_engine *engine;
	struct tn_engine_config config;    /* set before desk_open */
	struct tn_target_limits limits[DESK_TARGETS]; /* likewise */
	struct tn_stream_terms terms;      /* likewise */
	struct tn_policy policy;           /* of all routes */
	struct tn_route routes[DESK_TARGETS], poison;
	struct tn_event *event;
	int64_t now_ms;
	uint64_t offered;
	uint8_t lane_key;                  /* of what is offered to ordered routes; 0: none */
	uint64_t id_base;                  /* delivery ids are made of it, the number of the offer, and the target */
	size_t allocated_bytes;
	int fail_after;                    /* so many more allocations work; -1: all */

	struct tn_command starts[DESK_KEPT];
	struct tn_command answers[256];     /* ACK and RELEASE */
	struct tn_settlement settlements[256];
	struct tn_command cancels[256], credits[256], extensions[256];
	uint32_t start_count, answer_count, cancel_count, credit_count, extension_count;
	const struct tn_batch *batch;      /* the outstanding one */
	const struct tn_scan *scan;
	bool room, drained, timed_out, stream_done;
	uint64_t moved_token;              /* of the last MOVED; 0: none since the last desk_obey */
	uint32_t moved;
	struct tn_dedup_terms dedup;       /* of the offers with a key */
	struct tn_command claims[64];
	uint32_t claim_count;
	struct tn_command txns[8];         /* COMMIT and ABORT */
	struct tn_position positions[8][4]; /* of these */
	uint32_t txn_count;
	uint32_t stream, epoch;            /* of the offers: 1, 1 */
	bool found_blocks;                 /* of the first table */
	int64_t removal_grace_ms;          /* of all tables */
};

struct desk_key {
	uint8_t key;                       /* 0: none */
	uint64_t fingerprint;
	uint32_t matches;
};

void desk_init(struct desk *desk);
void desk_open(struct desk *desk); /* engine, targets, one stream of source 1 */
void desk_close(struct desk *desk); /* also checks that every byte came back */
struct tn_id desk_lane(uint32_t target_no, uint8_t key);
/* One event to the targets 1..matches. */
enum tn_status desk_offer(struct desk *desk, enum tn_ack_when ack_when, uint32_t matches);
enum tn_status desk_offer_to(struct desk *desk, enum tn_ack_when ack_when, uint32_t target_no);
enum tn_status desk_offer_many(struct desk *desk, uint32_t events, uint32_t matches); /* one JOURNALED arrival */
/* One arrival of events with these keys, and what the store says of the n-th claim since the last desk_obey; the latter also obeys. */
enum tn_status desk_offer_keys(struct desk *desk, enum tn_ack_when ack_when, const struct desk_key *keys, uint32_t count);
void desk_claimed(struct desk *desk, uint32_t claim, const struct tn_claim_answer *answers, uint32_t count);
enum tn_status desk_offer_poison(struct desk *desk, enum tn_ack_when ack_when, enum tn_poison poison);
/* Pulls all commands; then the books must close. */
void desk_obey(struct desk *desk);
void desk_tick(struct desk *desk, int64_t more_ms); /* and obeys */
void desk_answer(struct desk *desk, uint32_t start, enum tn_verdict verdict); /* code by verdict; and obeys */
void desk_answer_with(struct desk *desk, uint32_t start, struct tn_outcome outcome);
void desk_answer_to(struct desk *desk, uint64_t token, enum tn_verdict verdict); /* to one of before; and obeys */
void desk_reload(struct desk *desk); /* the limits, as they are now; and obeys */
void desk_end_stream(struct desk *desk, uint32_t stream, enum tn_stream_event event); /* of source 1, epoch 1; and obeys */
void desk_commit(struct desk *desk, enum tn_commit commit); /* and obeys */
void desk_page(struct desk *desk, const struct tn_row *rows, uint32_t count, int64_t next_due_ms); /* the last page; and obeys */
void desk_txn(struct desk *desk, uint32_t txn, enum tn_txn_end end); /* of the n-th since the last desk_obey; and obeys */
/* Another key that the engine's maps of rows hash alike. */
struct tn_row_key desk_twin(struct tn_row_key key);
const struct tn_books *desk_books(const struct desk *desk);
/* The n-th row put by the outstanding batch, or NULL; and how many operations of a kind. */
const struct tn_row *desk_row(const struct desk *desk, uint32_t n);
uint32_t desk_ops(const struct desk *desk, enum tn_op_kind kind);

#endif
