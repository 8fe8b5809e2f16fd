/* SPDX-License-Identifier: Apache-2.0
 *
 * quarantine.c - at start, strikes for what the last run died at work on; then, who has three of them.
 *
 *   guard file --at start--> a strike in the store for each name --3--> in quarantine: intake.c, pages.c and attempts.c
 *                    |                                                do not look at it
 *                    |                                             '-- pardoned by an operator, or by a redrive
 *                    '-- a batch: nobody is struck, but each of it, like what has a strike already, is attempted
 *                        alone in this run; so the next time it is known who it was
 *
 * The list is made at start and only ever shrinks: sorted names, each with a flag that an operator may set. Any thread
 * asks; the rest is the bus thread's.
 */
#include "bus_parts.h"

#include "turnout/hash.h"
#include "turnout/json.h"
#include "turnout/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MESSAGE_SEED = 1, POSITION_SEED, EVENT_SEED, DELIVERY_SEED };
enum { WHERE_DEPTH = 8 };

struct name {
	uint64_t name;
	uint32_t strikes; /* 0: of a batch */
	_Atomic bool pardoned;
};
struct quarantine {
	struct tn_bus *bus;
	struct tn_guard *guard;
	struct name *names; /* ascending; of equal ones, that with most strikes comes first */
	size_t count, capacity;
	uint64_t strikes; /* given at this start */
	atomic_uint_fast64_t buried;
};

/* --- Names --- */

uint64_t tn_quarantine_stored_event(uint64_t event_seq)
{
	return tn_hash_bytes(tn_str_make((const char *)&event_seq, sizeof event_seq), EVENT_SEED);
}

uint64_t tn_quarantine_delivery(const struct tn_id *id)
{
	return tn_hash_bytes(tn_str_make((const char *)id->bytes, sizeof id->bytes), DELIVERY_SEED);
}

char *tn_quarantine_format(uint64_t name, char out[TN_QUARANTINE_TEXT])
{
	snprintf(out, TN_QUARANTINE_TEXT, "%016" PRIx64, name);
	return out;
}

bool tn_quarantine_parse(struct tn_str text, uint64_t *out_name)
{
	uint64_t name = 0;
	if (text.len != TN_QUARANTINE_TEXT - 1)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.bytes[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		name = name << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*out_name = name;
	return true;
}

/* The headers that make an event: others change from one try of a sender to the next, and may be secret. */
static bool makes_event(const struct tn_wire *wire, const struct tn_message *message, struct tn_str header)
{
	if (!message->content_type.bytes && tn_str_equal_nocase(header, TN_STR("content-type")))
		return true;
	for (const char *const *prefix = wire->read_prefixes; *prefix; prefix++)
		if (tn_str_starts_nocase(header, tn_str_from(*prefix)))
			return true;
	return false;
}

uint32_t tn_quarantine_message(const struct tn_connector *connector, const struct tn_message *message,
        struct tn_str origin, uint64_t out_names[2])
{
	uint64_t name = tn_hash_bytes(message->body, MESSAGE_SEED);
	name = tn_hash_bytes(message->content_type, name);
	for (uint32_t i = 0; i < message->header_count; i++)
		if (makes_event(connector->wire, message, message->headers[i].name)) {
			name = tn_hash_bytes(message->headers[i].name, name);
			name = tn_hash_bytes(message->headers[i].value, name);
		}
	out_names[0] = name;
	if (!connector->lasting_positions)
		return 1;
	out_names[1] = tn_hash_bytes(origin, POSITION_SEED);
	return 2;
}

/* --- What is buried unseen --- */

static const char reason_start[] = "the process ended at work on it too often; it was not looked at again (strikes ";

struct tn_event *tn_quarantine_bury(struct quarantine *quarantine, const struct tn_connector *connector,
        const struct tn_message *message, uint64_t name)
{
	struct tn_buf bytes = {0}, reason = {0};
	char text[TN_QUARANTINE_TEXT];
	if (message->content_type.bytes)
		tn_buf_addf(&bytes, "content-type: %.*s\r\n", TN_STR_ARG(message->content_type));
	for (uint32_t i = 0; i < message->header_count; i++)
		if (makes_event(connector->wire, message, message->headers[i].name)) {
			tn_buf_add_str(&bytes, message->headers[i].name);
			tn_buf_add_text(&bytes, ": ");
			tn_buf_add_str(&bytes, message->headers[i].value);
			tn_buf_add_text(&bytes, "\r\n");
		}
	tn_buf_add_text(&bytes, "\r\n");
	tn_buf_add_str(&bytes, message->body);
	tn_buf_addf(&reason, "%s%s)", reason_start, tn_quarantine_format(name, text));
	struct tn_event *event =
	        tn_event_new_raw(tn_buf_str(&bytes), tn_buf_str(&reason), tn_clock_wall_ms(&quarantine->bus->clock));
	atomic_fetch_add_explicit(&quarantine->buried, 1, memory_order_relaxed);
	tn_buf_fini(&bytes);
	tn_buf_fini(&reason);
	return event;
}

static bool read_reason(struct tn_str reason, uint64_t *out_name)
{
	size_t len = sizeof reason_start - 1;
	return reason.len == len + TN_QUARANTINE_TEXT && memcmp(reason.bytes, reason_start, len) == 0 &&
	       tn_quarantine_parse(tn_str_make(reason.bytes + len, TN_QUARANTINE_TEXT - 1), out_name);
}

uint32_t tn_quarantine_names(
        const struct tn_row *row, const struct tn_event *event, uint64_t out_names[TN_QUARANTINE_NAMES])
{
	if (!row->last || !row->last->code || strcmp(row->last->code, "POISON_CRASH") != 0)
		return 0;
	out_names[0] = tn_quarantine_stored_event(row->key.event_seq);
	out_names[1] = tn_quarantine_delivery(&row->id);
	return event && tn_event_is_raw(event) && read_reason(tn_event_raw_reason(event), &out_names[2]) ? 3 : 2;
}

/* --- For people --- */

struct listing {
	struct tn_buf *out;
	bool more;
};

static void write_strike(void *arg, const struct tn_strike *strike)
{
	struct listing *listing = arg;
	char text[TN_QUARANTINE_TEXT];
	tn_buf_addf(listing->out,
	        "%s{\"hash\":\"%s\",\"strikes\":%" PRIu32 ",\"quarantined\":%s,\"where\":", listing->more ? "," : "",
	        tn_quarantine_format(strike->hash, text), strike->strikes,
	        strike->strikes < TN_QUARANTINE_STRIKES ? "false" : "true");
	if (tn_json_valid(strike->where, WHERE_DEPTH))
		tn_buf_add_str(listing->out, strike->where);
	else /* cut off, or garbage */
		tn_json_quote(listing->out, tn_str_make(strike->where.bytes, tn_utf8_check(strike->where)));
	tn_buf_add_byte(listing->out, '}');
	listing->more = true;
}

enum tn_status tn_quarantine_write(struct tn_store *store, struct tn_buf *out, struct tn_error *error)
{
	struct listing listing = {.out = out};
	tn_buf_add_text(out, "{\"strikes\":[");
	enum tn_status status = tn_store_each_strike(store, write_strike, &listing, error);
	tn_buf_add_text(out, "]}");
	return status;
}

/* --- The list --- */

static struct name *find(const struct quarantine *quarantine, uint64_t name)
{
	size_t low = 0, high = quarantine->count;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (quarantine->names[middle].name < name)
			low = middle + 1;
		else
			high = middle;
	}
	return low < quarantine->count && quarantine->names[low].name == name ? &quarantine->names[low] : NULL;
}

bool tn_quarantine_holds(const struct quarantine *quarantine, uint64_t name)
{
	if (!quarantine || quarantine->count == 0)
		return false;
	const struct name *found = find(quarantine, name);
	return found && found->strikes >= TN_QUARANTINE_STRIKES &&
	       !atomic_load_explicit(&found->pardoned, memory_order_relaxed);
}

bool tn_quarantine_suspects(const struct quarantine *quarantine, uint64_t name)
{
	return quarantine && quarantine->count > 0 && find(quarantine, name) != NULL;
}

void tn_quarantine_counted(struct quarantine *quarantine)
{
	atomic_fetch_add_explicit(&quarantine->buried, 1, memory_order_relaxed);
}

static void add_name(struct quarantine *quarantine, uint64_t of, uint32_t strikes)
{
	if (quarantine->count == quarantine->capacity) {
		quarantine->capacity = quarantine->capacity ? quarantine->capacity * 2 : 16;
		quarantine->names = realloc(quarantine->names, quarantine->capacity * sizeof *quarantine->names);
		if (!quarantine->names)
			abort();
	}
	struct name *name = &quarantine->names[quarantine->count++];
	name->name = of;
	name->strikes = strikes;
	atomic_init(&name->pardoned, false);
}

static void take_strike(void *arg, const struct tn_strike *strike)
{
	add_name(arg, strike->hash, strike->strikes);
}

static int compare(const void *a, const void *b)
{
	const struct name *left = a, *right = b;
	if (left->name != right->name)
		return left->name < right->name ? -1 : 1;
	return left->strikes > right->strikes ? -1 : left->strikes < right->strikes;
}

/* --- At start --- */

static void log_error(const struct tn_bus *bus, const char *message, const struct tn_error *error)
{
	char text[1024], quoted[1200];
	tn_error_format(error, text, sizeof text);
	tn_log_error(&bus->log, message, "error=%s", tn_log_quote(text, strlen(text), quoted, sizeof quoted));
}

static void strike(struct quarantine *quarantine, uint64_t name, struct tn_str where)
{
	struct tn_bus *bus = quarantine->bus;
	struct tn_error error = {0};
	char text[TN_QUARANTINE_TEXT], quoted[TN_GUARD_WHERE * 2];
	uint32_t strikes = 0;
	if (tn_store_strike(bus->store, name, where, &strikes, &error) != TN_OK) {
		log_error(bus, "what the last run ended at work on could not be noted", &error);
		return;
	}
	quarantine->strikes++;
	tn_quarantine_format(name, text);
	tn_log_quote(where.bytes, where.len, quoted, sizeof quoted);
	if (strikes < TN_QUARANTINE_STRIKES)
		tn_log_warn(&bus->log, "the last run ended at work on this", "hash=%s strikes=%u where=%s", text,
		        strikes, quoted);
	else
		tn_log_error(&bus->log, "the last run ended at work on this; from now on it is dead-lettered unseen",
		        "hash=%s strikes=%u where=%s undo=\"turnout quarantine release %s\"", text, strikes, quoted, text);
}

static void suspect(struct quarantine *quarantine, const struct tn_guard_work *work)
{
	char quoted[TN_GUARD_WHERE * 2];
	for (uint32_t i = 0; i < work->count; i++)
		add_name(quarantine, work->names[i], 0);
	tn_log_warn(&quarantine->bus->log, "the last run ended at work on a batch; each of it is tried alone now",
	        "count=%" PRIu32 " where=%s", work->count,
	        tn_log_quote(work->where.bytes, work->where.len, quoted, sizeof quoted));
}

static void take_left(void *arg, const struct tn_guard_work *work)
{
	if (work->any && work->count > 1) {
		suspect(arg, work);
		return;
	}
	for (uint32_t i = 0; i < work->count; i++)
		strike(arg, work->names[i], work->where);
}

/* Without the file there is no guard; the bus is worth more than that. */
struct quarantine *tn_quarantine_new(struct tn_bus *bus)
{
	struct quarantine *quarantine = calloc(1, sizeof *quarantine);
	struct tn_buf path = {0};
	struct tn_error error = {0};
	if (!quarantine)
		abort();
	quarantine->bus = bus;
	tn_buf_addf(&path, "%s/crash.guard", bus->started->config->store_path.bytes);
	if (tn_guard_open(tn_buf_terminate(&path), bus->worker_count + TN_STORE_READERS - 1, take_left, quarantine,
	            &quarantine->guard, &error) != TN_OK)
		log_error(bus, "there is no crash guard", &error);
	for (uint32_t i = 0; i < bus->worker_count; i++)
		bus->workers[i].slot = tn_guard_slot(quarantine->guard, i);
	error = (struct tn_error){0};
	if (tn_store_each_strike(bus->store, take_strike, quarantine, &error) != TN_OK)
		log_error(bus, "the list of what ended earlier runs could not be read", &error);
	if (quarantine->count)
		qsort(quarantine->names, quarantine->count, sizeof *quarantine->names, compare);
	tn_buf_fini(&path);
	return quarantine;
}

void tn_quarantine_free(struct quarantine *quarantine)
{
	if (!quarantine)
		return;
	tn_guard_close(quarantine->guard);
	free(quarantine->names);
	free(quarantine);
}

/* --- What is in the store --- */

/* Scans run on the bus thread, as worker 0 does; the others have threads of their own, and slots behind the workers'.
 */
static struct tn_guard_slot *slot_of(const struct tn_bus *bus, enum tn_store_reader reader)
{
	return tn_guard_slot(
	        bus->quarantine->guard, reader == TN_READER_SCAN ? 0 : bus->worker_count + (uint32_t)reader - 1);
}

bool tn_quarantine_enter_event(void *arg, uint64_t event_seq, enum tn_store_reader reader)
{
	struct tn_bus *bus = arg;
	struct quarantine *quarantine = bus->quarantine;
	char where[64];
	if (!quarantine)
		return false;
	uint64_t name = tn_quarantine_stored_event(event_seq);
	if (tn_quarantine_holds(quarantine, name))
		return true;
	int len = snprintf(where, sizeof where, "{\"event_seq\":%" PRIu64 "}", event_seq);
	tn_guard_enter(slot_of(bus, reader), &(struct tn_guard_work){&name, 1, tn_str_make(where, (size_t)len)});
	return false;
}

void tn_quarantine_leave_event(void *arg, enum tn_store_reader reader)
{
	struct tn_bus *bus = arg;
	if (bus->quarantine)
		tn_guard_leave(slot_of(bus, reader));
}

/* --- Operators --- */

enum tn_status tn_bus_pardon(struct tn_bus *bus, uint64_t name, struct tn_error *error)
{
	enum tn_status status = tn_store_pardon(bus->store, name, error);
	struct name *found = find(bus->quarantine, name);
	if (status == TN_OK && found)
		atomic_store_explicit(&found->pardoned, true, memory_order_relaxed);
	return status;
}

enum tn_status tn_bus_pardon_row(
        struct tn_bus *bus, const struct tn_row *row, const struct tn_event *event, struct tn_error *error)
{
	uint64_t names[TN_QUARANTINE_NAMES];
	uint32_t count = tn_quarantine_names(row, event, names);
	enum tn_status status = TN_OK;
	for (uint32_t i = 0; i < count && status == TN_OK; i++)
		if (tn_quarantine_holds(bus->quarantine, names[i]))
			status = tn_bus_pardon(bus, names[i], error);
	return status;
}

void tn_bus_quarantine(const struct tn_bus *bus, struct tn_bus_quarantine *out_view)
{
	const struct quarantine *quarantine = bus->quarantine;
	*out_view = (struct tn_bus_quarantine){.strikes = quarantine->strikes, .buried = quarantine->buried};
	for (size_t i = 0; i < quarantine->count; i++)
		out_view->held += quarantine->names[i].strikes >= TN_QUARANTINE_STRIKES && !quarantine->names[i].pardoned;
}
