/* SPDX-License-Identifier: Apache-2.0
 *
 * scan.h - reading the store: one page at a time, for whoever needs one most.
 *
 * First recovery, stage by stage (recover.c): rows of what was tried, parked rows that a redelivered copy may join, blocks, and what
 * nobody else has. Then rows that are due, target by target, and those that lanes ask for (scan.c). A page shows the store as it was when
 * it was asked for: what left the store since then is in the graveyard until the page has come.
 */
#ifndef TURNOUT_BROKER_ENGINE_SCAN_H
#define TURNOUT_BROKER_ENGINE_SCAN_H

#include "delivery.h"

struct tn_lane;
struct tn_page;

enum tn_scan_use { TN_SCAN_FOR_TRIED, TN_SCAN_FOR_JOINS, TN_SCAN_FOR_BLOCKS, TN_SCAN_FOR_OPEN, TN_SCAN_FOR_DUE, TN_SCAN_FOR_LANE };
struct tn_reader {
	struct tn_scan scan;
	struct tn_target *target;          /* DUE, LANE */
	struct tn_lane *lane;              /* LANE */
	enum tn_scan_use use;
	bool outstanding, submit;
	uint64_t token;
	int64_t not_before_ms;             /* after a failure */
	/* Recovery. */
	enum tn_scan_use stage;            /* FOR_DUE: those before are through */
	struct tn_row_key after;
	uint64_t end_seq;                  /* rows from here on are of this run */
	bool first_due_done;
};

/* scan.c */
void tn_scan_row_parked(struct tn_engine *engine, struct tn_target *target, int64_t due_ms); /* a PARKED row is in the store */
bool tn_scan_wanted(const struct tn_engine *engine, const struct tn_target *target);
bool tn_scan_under_way(const struct tn_engine *engine, const struct tn_target *target);
void tn_scan_check_low(struct tn_engine *engine, struct tn_target *target);
bool tn_scan_next(struct tn_engine *engine, struct tn_command *out_command);
int64_t tn_scan_deadline(const struct tn_engine *engine);
bool tn_scan_sees_parked(const struct tn_engine *engine); /* a page is on its way that may show PARKED or DEAD rows as they were */
/* In hand, and ready. False: not before *out_again_ms. */
bool tn_scan_take_lane_row(struct tn_engine *engine, struct tn_lane *lane, const struct tn_page *page, uint32_t index,
	int64_t *out_again_ms);
/* One row as a parcel with one delivery, not in the books yet. NULL without memory. event may be NULL. */
struct tn_delivery *tn_scan_load(struct tn_engine *engine, const struct tn_page *page, uint32_t index, bool with_event);

/* recover.c */
bool tn_recover_next_scan(struct tn_engine *engine); /* fills reader.scan; false: nothing to recover now */
void tn_recover_page(struct tn_engine *engine, const struct tn_page *page);
void tn_recover_remember(struct tn_engine *engine, struct tn_delivery *delivery); /* so that a redelivered copy joins it */
/* Joins delivery (NEW) to what is remembered under its id. True: it is parked already, nothing is left to do. */
bool tn_recover_join(struct tn_engine *engine, struct tn_delivery *delivery);
void tn_recover_forget(struct tn_engine *engine, struct tn_delivery *delivery);
void tn_recover_tick(struct tn_engine *engine);
int64_t tn_recover_deadline(const struct tn_engine *engine);

#endif
