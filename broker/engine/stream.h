/* SPDX-License-Identifier: Apache-2.0
 *
 * stream.h - streams of a source: the credit they have, and what came by them and is unanswered.
 *
 * Opened and ended by what the source says (engine.h); arrival.c tells of each position that came or was answered. Credit granted and
 * positions unanswered together never exceed the window. A transactional stream is enlisted with its source's transaction (txn.h).
 */
#ifndef TURNOUT_BROKER_ENGINE_STREAM_H
#define TURNOUT_BROKER_ENGINE_STREAM_H

#include "turnout/engine.h"
#include "turnout/list.h"
#include "turnout/map.h"

struct tn_arrival_in_hand;
struct tn_tenure;
struct tn_txn;

struct tn_stream {
	struct tn_map_node node;
	struct tn_link link;               /* engine->streams */
	struct tn_link dirty;              /* engine->streams_dirty: something to say */
	struct tn_list arrivals;           /* unanswered ones */
	struct tn_position position;       /* source, stream, epoch */
	struct tn_stream_terms terms;
	struct tn_tenure *tenure;
	uint32_t unsettled, credit;        /* credit: granted and not used yet */
	int64_t revoke_end_ms;
	bool open, revoked, done_owed;
	struct tn_txn *txn;                /* of its source; NULL: not transactional */
	struct tn_link of_txn, txn_touched; /* txn->streams, txn->touched */
	struct tn_arrival_in_hand *txn_last; /* the last of its arrivals that the transaction took; NULL: none */
};

void tn_stream_lose(struct tn_engine *engine, struct tn_stream *stream); /* as if it had been said */
void tn_stream_abandon(struct tn_engine *engine, struct tn_stream *stream); /* what is unanswered gets no answer */
struct tn_stream *tn_stream_find(const struct tn_engine *engine, struct tn_position position);
void tn_stream_took(struct tn_engine *engine, struct tn_stream *stream);     /* one position came */
void tn_stream_answered(struct tn_engine *engine, struct tn_stream *stream); /* one was answered */
void tn_stream_say(struct tn_engine *engine, struct tn_stream *stream);
void tn_stream_say_all(struct tn_engine *engine);
bool tn_stream_window_high(const struct tn_engine *engine, const struct tn_stream *stream);
void tn_stream_tick(struct tn_engine *engine);
int64_t tn_stream_deadline(const struct tn_engine *engine);
bool tn_stream_next(struct tn_engine *engine, struct tn_command *out_command);
void tn_stream_finish_all(struct tn_engine *engine); /* drain: STREAM_DONE for each */
void tn_stream_free_all(struct tn_engine *engine);

#endif
