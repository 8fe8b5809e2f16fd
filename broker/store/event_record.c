/* SPDX-License-Identifier: Apache-2.0
 *
 * event_record.c - an event as the store keeps it: its frozen form under a seal.
 *
 * Called by apply.c (write, weigh), upgrade.c (weigh) and page.c (read). The frozen form has its own version (event.h). Any thread.
 */
#include "event_record.h"

#include "key.h"
#include "record.h"

enum { EVENT_VERSION = 1 }; /* to change it: as in row_record.c */

void tn_event_record_write(struct tn_buf *out, uint64_t event_seq, const struct tn_event *event)
{
	uint8_t key[TN_KEY_EVENT];
	tn_bytes_put64(key, event_seq);
	tn_record_begin(out);
	tn_event_freeze(event, out);
	tn_record_seal(out, EVENT_VERSION, tn_str_make((char *)key, sizeof key));
}

static bool open_record(struct tn_str record, uint64_t event_seq, struct tn_str *out_content)
{
	uint8_t key[TN_KEY_EVENT], version;
	tn_bytes_put64(key, event_seq);
	return tn_record_open(record, tn_str_make((char *)key, sizeof key), EVENT_VERSION, &version, out_content);
}

struct tn_event *tn_event_record_read(struct tn_str record, uint64_t event_seq, const struct tn_store_guard *guard, enum tn_store_reader reader)
{
	struct tn_str content;
	struct tn_event *event = NULL;
	if (!open_record(record, event_seq, &content))
		return NULL;
	if (guard && guard->enter(guard->arg, event_seq, reader))
		return tn_event_new_raw(content, TN_STR(TN_EVENT_UNREAD), 0);
	enum tn_status status = tn_event_thaw(content, &event, NULL);
	if (guard)
		guard->leave(guard->arg, reader);
	return status == TN_OK ? event : NULL;
}

int tn_event_record_weigh(const struct tn_environment *environment, MDB_txn *txn, uint64_t event_seq, uint32_t *out_bytes)
{
	uint8_t bytes[TN_KEY_EVENT];
	tn_bytes_put64(bytes, event_seq);
	MDB_val key = tn_val(bytes, sizeof bytes), value;
	int rc = mdb_get(txn, environment->dbi[TN_DB_EVENTS], &key, &value);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;
	struct tn_event *event = rc == 0 ? tn_event_record_read(tn_val_str(value), event_seq, environment->guard, TN_READER_WRITER) : NULL;
	*out_bytes = (uint32_t)tn_store_row_bytes(event);
	tn_event_unref(event);
	return 0;
}
