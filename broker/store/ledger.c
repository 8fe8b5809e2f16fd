/* SPDX-License-Identifier: Apache-2.0
 *
 * ledger.c - what became of events, for people.
 *
 * Appended to from any thread, into a buffer under a lock; written by the writer, a second later or when the buffer is
 * half full, in a commit of its own: so an entry can neither fail a batch nor count as one. Two databases: `ledger` by
 * time and number, and `stories`, which says which entries have a name. Nothing else in the store knows of them, and an
 * audit does not look at them: an entry that was damaged is passed over.
 *
 * The bound holds for pages: before entries are added the oldest go until there is room, some with each commit.
 */
#include "ledger.h"

#include "bytes.h"
#include "commit.h"
#include "record.h"
#include "store_private.h"

enum { LEDGER_VERSION = 1 }; /* to change it: as in row_record.c */
enum {
	KEY_BYTES = 16, /* time, number */
	STORY_BYTES = 8 + KEY_BYTES, /* name, time, number */
	NAMES_BYTES = 16,
	HEAD_BYTES = KEY_BYTES + NAMES_BYTES + 4, /* in the buffer, before the text: all of it, and the text's length */
	BUFFER_LIMIT = 1024 * 1024,
	BUFFER_PART = 8, /* of the ledger's bound */
	WRITE_AFTER_MS = 1000,
	PAGES_A_BYTE = 3, /* what entries may take of pages, splits and index included */
	DROPS_A_WRITE = 256,
};

void tn_ledger_init(struct tn_ledger *ledger, uint64_t max_bytes, int64_t keep_ms)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	*ledger = (struct tn_ledger){.max_bytes = max_bytes, .keep_ms = keep_ms};
	ledger->next_number =
	        (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec; /* above those of earlier runs */
	pthread_mutex_init(&ledger->lock, NULL);
}

void tn_ledger_fini(struct tn_ledger *ledger)
{
	pthread_mutex_destroy(&ledger->lock);
	tn_buf_fini(&ledger->incoming);
	tn_buf_fini(&ledger->taken);
}

uint64_t tn_store_ledger_name(struct tn_str id)
{
	uint64_t name = tn_record_checksum(LEDGER_VERSION, id, (struct tn_str){"", 0});
	return name != 0 ? name : 1;
}

/* --- The buffer --- */

static void put_key(uint8_t *out, int64_t at_ms, uint64_t number)
{
	tn_bytes_put64(out, (uint64_t)at_ms);
	tn_bytes_put64(out + 8, number);
}

static void buffer_entry(struct tn_buf *out, const struct tn_ledger_entry *entry)
{
	uint8_t *head = (uint8_t *)tn_buf_reserve(out, HEAD_BYTES + entry->text.len);
	put_key(head, entry->at_ms, entry->number);
	tn_bytes_put64(head + 16, entry->names[0]);
	tn_bytes_put64(head + 24, entry->names[1]);
	tn_bytes_put32(head + 32, (uint32_t)entry->text.len);
	memcpy(head + HEAD_BYTES, entry->text.bytes, entry->text.len);
	out->len += HEAD_BYTES + entry->text.len;
}

/* Reads the entry at *at and moves on; false at the end. */
static bool next_entry(const struct tn_buf *buffer, size_t *at, struct tn_ledger_entry *out_entry)
{
	if (*at >= buffer->len)
		return false;
	const uint8_t *head = (const uint8_t *)buffer->bytes + *at;
	uint32_t len = tn_bytes_get32(head + 32);
	*out_entry = (struct tn_ledger_entry){
	        .at_ms = (int64_t)tn_bytes_get64(head),
	        .number = tn_bytes_get64(head + 8),
	        .names = {tn_bytes_get64(head + 16), tn_bytes_get64(head + 24)},
	        .text = tn_str_make((const char *)head + HEAD_BYTES, len),
	};
	*at += HEAD_BYTES + len;
	return true;
}

static size_t buffer_limit(const struct tn_ledger *ledger)
{
	uint64_t part = ledger->max_bytes / BUFFER_PART;
	return part < BUFFER_LIMIT ? (size_t)part : BUFFER_LIMIT;
}

bool tn_store_ledger_append(struct tn_store *store, const struct tn_ledger_entry *entry)
{
	struct tn_ledger *ledger = &store->ledger;
	size_t limit = buffer_limit(ledger);
	if (ledger->max_bytes == 0)
		return false;
	pthread_mutex_lock(&ledger->lock);
	size_t before = ledger->incoming.len;
	bool fits = entry->text.len <= TN_LEDGER_TEXT && before + HEAD_BYTES + entry->text.len <= limit;
	if (fits) {
		struct tn_ledger_entry numbered = *entry;
		numbered.number = ledger->next_number++;
		buffer_entry(&ledger->incoming, &numbered);
		ledger->waiting++;
	} else {
		ledger->dropped++;
	}
	size_t after = ledger->incoming.len;
	pthread_mutex_unlock(&ledger->lock);
	if (before <= limit / 2 && after > limit / 2)
		tn_writer_remind(store, 0);
	else if (before == 0 && after > 0)
		tn_writer_remind(store, WRITE_AFTER_MS);
	return fits;
}

/* --- Writing --- */

struct writing {
	struct tn_ledger *ledger;
	const struct tn_environment *environment;
	MDB_dbi entries, stories;
	uint64_t written, bytes;
};

static int used_bytes(const struct writing *writing, MDB_txn *txn, uint64_t *out_bytes)
{
	uint64_t pages = 0;
	for (unsigned i = 0; i < 2; i++) {
		MDB_stat stat;
		int rc = mdb_stat(txn, i == 0 ? writing->entries : writing->stories, &stat);
		if (rc != 0)
			return rc;
		pages += stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
	}
	*out_bytes = pages * writing->environment->page_bytes;
	return 0;
}

static int change_story(const struct writing *writing, MDB_txn *txn, uint64_t name, const uint8_t *entry_key, bool put)
{
	uint8_t bytes[STORY_BYTES];
	if (name == 0)
		return 0;
	tn_bytes_put64(bytes, name);
	memcpy(bytes + 8, entry_key, KEY_BYTES);
	MDB_val key = tn_val(bytes, sizeof bytes), nothing = tn_val("", 0);
	int rc = put ? mdb_put(txn, writing->stories, &key, &nothing, 0) : mdb_del(txn, writing->stories, &key, NULL);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int put_entry(const struct writing *writing, struct tn_apply *apply, const struct tn_ledger_entry *entry)
{
	uint8_t bytes[KEY_BYTES];
	put_key(bytes, entry->at_ms, entry->number);
	tn_record_begin(&apply->record);
	uint8_t *names = (uint8_t *)tn_buf_reserve(&apply->record, NAMES_BYTES);
	tn_bytes_put64(names, entry->names[0]);
	tn_bytes_put64(names + 8, entry->names[1]);
	apply->record.len += NAMES_BYTES;
	tn_buf_add_str(&apply->record, entry->text);
	tn_record_seal(&apply->record, LEDGER_VERSION, tn_str_make((const char *)bytes, sizeof bytes));
	MDB_val key = tn_val(bytes, sizeof bytes), value = tn_val(apply->record.bytes, apply->record.len);
	int rc = mdb_put(apply->txn, writing->entries, &key, &value, 0);
	for (unsigned i = 0; i < 2 && rc == 0; i++)
		rc = change_story(writing, apply->txn, entry->names[i], bytes, true);
	return rc;
}

static bool read_entry(MDB_val key, MDB_val value, struct tn_ledger_entry *out_entry)
{
	uint8_t version;
	struct tn_str content;
	if (key.mv_size != KEY_BYTES ||
	        !tn_record_open(tn_val_str(value), tn_val_str(key), LEDGER_VERSION, &version, &content) ||
	        content.len < NAMES_BYTES)
		return false;
	const uint8_t *place = key.mv_data, *names = (const uint8_t *)content.bytes;
	*out_entry = (struct tn_ledger_entry){
	        .at_ms = (int64_t)tn_bytes_get64(place),
	        .number = tn_bytes_get64(place + 8),
	        .names = {tn_bytes_get64(names), tn_bytes_get64(names + 8)},
	        .text = tn_str_tail(content, NAMES_BYTES),
	};
	return true;
}

/* Drops the oldest entry if it is too old, or if room is short. MDB_NOTFOUND: it stays, or there is none. */
static int drop_oldest(const struct writing *writing, struct tn_apply *apply, bool room_is_short, int64_t oldest_ms)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	uint8_t place[KEY_BYTES];
	struct tn_ledger_entry entry = {0};
	int rc = mdb_cursor_open(apply->txn, writing->entries, &cursor);
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	bool readable = rc == 0 && read_entry(key, value, &entry);
	if (rc == 0 && readable && entry.at_ms >= oldest_ms && !room_is_short)
		rc = MDB_NOTFOUND;
	if (rc == 0) {
		memcpy(place, key.mv_data, key.mv_size < KEY_BYTES ? key.mv_size : KEY_BYTES);
		rc = mdb_cursor_del(cursor, 0);
	}
	mdb_cursor_close(cursor);
	for (unsigned i = 0; i < 2 && rc == 0 && readable; i++)
		rc = change_story(writing, apply->txn, entry.names[i], place, false);
	return rc;
}

static int make_room(struct writing *writing, struct tn_apply *apply, uint64_t need_bytes, int64_t oldest_ms)
{
	uint64_t most = DROPS_A_WRITE + 2 * writing->written;
	int rc = used_bytes(writing, apply->txn, &writing->bytes);
	while (rc == 0 && most-- > 0) {
		rc = drop_oldest(writing, apply, writing->bytes + need_bytes > writing->ledger->max_bytes, oldest_ms);
		if (rc == 0)
			rc = used_bytes(writing, apply->txn, &writing->bytes);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* What is in `taken`, in one transaction. */
static int write_taken(struct tn_apply *apply, void *arg)
{
	struct writing *writing = arg;
	struct tn_ledger *ledger = writing->ledger;
	struct tn_ledger_entry entry = {0};
	size_t at = 0;
	uint64_t need_bytes = ledger->taken.len * PAGES_A_BYTE;
	int rc = writing->environment->has_ledger
	                 ? 0
	                 : tn_environment_open_ledger(apply->txn, MDB_CREATE, &writing->entries, &writing->stories);
	while (rc == 0 && next_entry(&ledger->taken, &at, &entry))
		;
	if (rc == 0)
		rc = make_room(writing, apply, need_bytes, entry.at_ms - ledger->keep_ms);
	if (rc != 0 || writing->bytes + need_bytes > ledger->max_bytes) {
		writing->written = 0; /* what was dropped makes room for later ones */
		return rc;
	}
	for (at = 0; rc == 0 && next_entry(&ledger->taken, &at, &entry);)
		rc = put_entry(writing, apply, &entry);
	return rc == 0 ? used_bytes(writing, apply->txn, &writing->bytes) : rc;
}

static void adopt_databases(struct tn_store *store, const struct writing *writing)
{
	pthread_rwlock_wrlock(&store->environment_lock);
	store->environment.ledger = writing->entries;
	store->environment.stories = writing->stories;
	store->environment.has_ledger = true;
	pthread_rwlock_unlock(&store->environment_lock);
}

static void note_written(struct tn_store *store, const struct writing *writing, uint64_t dropped)
{
	pthread_mutex_lock(&store->facts_lock);
	store->facts.ledger_written += writing->written;
	store->facts.ledger_dropped = dropped;
	store->facts.ledger_bytes = writing->bytes;
	pthread_mutex_unlock(&store->facts_lock);
}

void tn_ledger_flush(struct tn_store *store)
{
	struct tn_ledger *ledger = &store->ledger;
	const struct tn_environment *environment = &store->environment;
	pthread_mutex_lock(&ledger->lock);
	struct tn_buf empty = ledger->taken;
	ledger->taken = ledger->incoming;
	ledger->incoming = empty;
	uint64_t count = ledger->waiting;
	ledger->waiting = 0;
	pthread_mutex_unlock(&ledger->lock);
	if (count == 0)
		return;

	struct writing writing = {.ledger = ledger,
	        .environment = environment,
	        .entries = environment->ledger,
	        .stories = environment->stories,
	        .written = count};
	bool had_ledger = environment->has_ledger, done = tn_commit_beside(store, write_taken, &writing);
	if (!done)
		writing.written = 0;
	else if (!had_ledger)
		adopt_databases(store, &writing);

	pthread_mutex_lock(&ledger->lock);
	tn_buf_clear(&ledger->taken);
	ledger->dropped += count - writing.written;
	uint64_t dropped = ledger->dropped;
	pthread_mutex_unlock(&ledger->lock);
	note_written(store, &writing, dropped);
}

/* --- Reading --- */

struct telling {
	uint64_t name;
	int64_t since_ms;
	bool (*each)(void *arg, const struct tn_ledger_entry *entry);
	void *arg;
};

static bool tell(const struct telling *telling, const struct tn_ledger_entry *entry)
{
	bool named = entry->names[0] == telling->name || entry->names[1] == telling->name;
	return !named || entry->at_ms < telling->since_ms || telling->each(telling->arg, entry);
}

/* Copies, so that nobody who listens holds up who appends. */
static void copy_unwritten(struct tn_ledger *ledger, struct tn_buf *out)
{
	pthread_mutex_lock(&ledger->lock);
	tn_buf_add_str(out, tn_buf_str(&ledger->taken));
	tn_buf_add_str(out, tn_buf_str(&ledger->incoming));
	pthread_mutex_unlock(&ledger->lock);
}

static int tell_written(const struct tn_store_reading *reading, const struct telling *telling, bool *out_more)
{
	uint8_t from[STORY_BYTES];
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(reading->txn, reading->environment->stories, &cursor);
	if (rc != 0)
		return rc;
	tn_bytes_put64(from, telling->name);
	put_key(from + 8, telling->since_ms > 0 ? telling->since_ms : 0, 0);
	MDB_val story = tn_val(from, sizeof from), nothing;
	for (rc = mdb_cursor_get(cursor, &story, &nothing, MDB_SET_RANGE); rc == 0 && *out_more;
	        rc = mdb_cursor_get(cursor, &story, &nothing, MDB_NEXT)) {
		struct tn_ledger_entry entry;
		if (story.mv_size != STORY_BYTES || tn_bytes_get64(story.mv_data) != telling->name)
			break;
		MDB_val key = tn_val((const uint8_t *)story.mv_data + 8, KEY_BYTES), value;
		if (mdb_get(reading->txn, reading->environment->ledger, &key, &value) == 0 &&
		        read_entry(key, value, &entry))
			*out_more = tell(telling, &entry);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

enum tn_status tn_store_ledger_each(struct tn_store *store, uint64_t name, int64_t since_ms,
        bool (*each)(void *arg, const struct tn_ledger_entry *entry), void *arg, struct tn_error *error)
{
	struct telling telling = {.name = name, .since_ms = since_ms, .each = each, .arg = arg};
	struct tn_store_reading reading;
	struct tn_buf unwritten = {0};
	struct tn_ledger_entry entry;
	bool more = true;
	copy_unwritten(&store->ledger, &unwritten); /* first: what is written meanwhile comes twice, not never */
	int rc = tn_store_begin_reading(store, &reading);
	if (rc == 0 && reading.environment->has_ledger)
		rc = tell_written(&reading, &telling, &more);
	enum tn_status status = tn_store_end_reading(&reading, rc, error);
	for (size_t at = 0; status == TN_OK && more && next_entry(&unwritten, &at, &entry);)
		more = tell(&telling, &entry);
	tn_buf_fini(&unwritten);
	return status;
}
