/* SPDX-License-Identifier: Apache-2.0
 *
 * audit.h - what the parts of an audit share.
 */
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "key.h"
#include "meta.h"
#include "row_record.h"
#include "target_count.h"

struct tn_auditing { /* one read transaction over everything */
	const struct tn_environment *environment;
	MDB_txn *txn;
	struct tn_audit *out;
	bool (*goes_on)(void *arg);
	void *arg;
	uint32_t steps; /* since goes_on was asked */
	struct tn_arena arena; /* of the row at hand */
	struct tn_meta meta;
	/* What the rows say should be there. */
	uint64_t states, due, lanes;
	uint32_t named_no; /* the target number whose name was compared last, and the name */
	struct tn_buf named;
};

extern const char tn_audit_advice_record[], tn_audit_advice_repair[], tn_audit_advice_report[];

/* All answer an LMDB code. */
int tn_audit_rows(struct tn_auditing *auditing); /* rows, events, and that each row is found by every index */
int tn_audit_indexes(struct tn_auditing *auditing); /* that nothing else is */
int tn_audit_counts(struct tn_auditing *auditing); /* states, targets, meta */
int tn_audit_seen(struct tn_auditing *auditing);
int tn_audit_notes(struct tn_auditing *auditing); /* names, strikes, kept, what was set aside */

/* Due for each record: ECANCELED when it is to end. */
int tn_audit_step(struct tn_auditing *auditing);
/* Calls each with every entry of a database. */
int tn_audit_each(struct tn_auditing *auditing, enum tn_db db,
        int (*each)(struct tn_auditing *auditing, MDB_val key, MDB_val value));
int tn_audit_get(
        struct tn_auditing *auditing, enum tn_db db, const void *key, size_t len, MDB_val *out_value, bool *out_found);
int tn_audit_count(struct tn_auditing *auditing, enum tn_db db, uint64_t *out_count);
/* Was the record of that kind and key (aside.c) set aside? */
int tn_audit_was_set_aside(struct tn_auditing *auditing, char kind, const void *key, size_t len, bool *out_was);
/* "000000000000002a-0", and bytes in hex. Return out. */
char *tn_audit_row_text(struct tn_row_key row, char out[112]);
char *tn_audit_hex_text(const char *database, MDB_val key, char out[112]);

#endif
