/* SPDX-License-Identifier: Apache-2.0
 *
 * test_notes.c - which notes make up a story, and that nothing is told of what nobody wants to hear.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include "desk.h"

static struct desk desk;
static char told[512];
static struct tn_note last;

static void on_note(void *arg, const struct tn_note *note)
{
	static const char *const words[] = {[TN_NOTE_RETRY] = "retry",
	        [TN_NOTE_PARKED] = "parked",
	        [TN_NOTE_DEAD] = "dead",
	        [TN_NOTE_TIMEOUT] = "timeout",
	        [TN_NOTE_ATTEMPT] = "attempt",
	        [TN_NOTE_DELIVERED] = "delivered",
	        [TN_NOTE_RELEASED] = "released",
	        [TN_NOTE_UNMATCHED] = "unmatched"};
	size_t len = strlen(told);
	const char *word = note->kind < sizeof(words) / sizeof(words[0]) && words[note->kind] != NULL
	                           ? words[note->kind]
	                           : "other";
	snprintf(told + len, sizeof(told) - len, "%s%s", len > 0 ? " " : "", word);
	last = *note;
}

static void open_desk(enum tn_note_detail detail)
{
	told[0] = '\0';
	last = (struct tn_note){0};
	desk_init(&desk);
	desk.config.note = on_note;
	desk.config.note_detail = detail;
	desk_open(&desk);
}

static void offer_one(void)
{
	assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
}

/* Time alone: what was commanded stays to be answered. */
static void pass(int64_t more_ms)
{
	desk.now_ms += more_ms;
	tn_engine_tick(desk.engine, desk.now_ms);
}

static void a_first_try_that_goes_well_is_told_only_where_all_are(void **state)
{
	for (enum tn_note_detail detail = TN_NOTES_DECISIONS; detail <= TN_NOTES_ALL; detail++) {
		open_desk(detail);
		offer_one();
		pass(7);
		desk_answer_with(&desk, 0, (struct tn_outcome){.verdict = TN_DELIVERED, .status = 202});
		assert_string_equal(told, detail == TN_NOTES_ALL ? "delivered" : "");
		if (detail == TN_NOTES_ALL) {
			assert_int_equal(last.latency_ms, 7);
			assert_int_equal(last.status, 202);
			assert_non_null(last.event);
		}
		desk_close(&desk);
	}
}

static void a_failure_begins_a_story_that_goes_on_to_the_end(void **state)
{
	open_desk(TN_NOTES_FAILED);
	offer_one();
	pass(5);
	desk_answer(&desk, 0, TN_RETRY);
	assert_string_equal(told, "attempt retry");
	while (desk.start_count == 0) {
		if (desk.batch != NULL)
			desk_commit(&desk, TN_COMMIT_OK);
		else
			desk_tick(&desk, 100);
	}
	pass(9);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_string_equal(told, "attempt retry delivered");
	assert_int_equal(last.attempts, 1);
	assert_int_equal(last.latency_ms, 9);
	desk_close(&desk);
}

static void without_stories_a_failure_is_a_decision_and_no_more(void **state)
{
	open_desk(TN_NOTES_DECISIONS);
	offer_one();
	desk_answer(&desk, 0, TN_RETRY);
	assert_string_equal(told, "retry");
	desk_close(&desk);
}

static void a_timeout_is_an_attempt_with_its_time(void **state)
{
	open_desk(TN_NOTES_FAILED);
	offer_one();
	desk_tick(&desk, desk.limits[0].timeout_ms > 0 ? desk.limits[0].timeout_ms : 15000);
	assert_memory_equal(told, "attempt timeout", 15);
	desk_close(&desk);
}

static void a_hold_is_no_attempt(void **state)
{
	open_desk(TN_NOTES_ALL);
	offer_one();
	desk_answer(&desk, 0, TN_HOLD);
	assert_string_equal(told, "");
	desk_close(&desk);
}

static void what_goes_back_to_its_source_is_told(void **state)
{
	open_desk(TN_NOTES_FAILED);
	offer_one();
	assert_int_equal(tn_engine_stream(desk.engine, (struct tn_position){.source = 1, .stream = 1, .epoch = 1},
	                         TN_STREAM_LOST, 0),
	        TN_OK);
	desk_answer(&desk, 0, TN_RETRY);
	assert_string_equal(told, "attempt retry released");
	desk_close(&desk);
}

static void an_event_that_no_rule_matched_is_told_where_all_are(void **state)
{
	for (enum tn_note_detail detail = TN_NOTES_FAILED; detail <= TN_NOTES_ALL; detail++) {
		open_desk(detail);
		assert_int_equal(desk_offer(&desk, TN_ACK_SETTLED, 0), TN_OK);
		desk_obey(&desk);
		assert_string_equal(told, detail == TN_NOTES_ALL ? "unmatched" : "");
		desk_close(&desk);
	}
}

static void an_engine_that_nobody_listens_to_tells_nothing(void **state)
{
	open_desk(TN_NOTES_ALL);
	desk_close(&desk);
	desk_init(&desk);
	desk.config.note_detail = TN_NOTES_ALL;
	desk_open(&desk);
	offer_one();
	desk_answer(&desk, 0, TN_RETRY);
	assert_string_equal(told, "");
	desk_close(&desk);
}

static void of_several_events_those_that_no_rule_matched_are_told(void **state)
{
	open_desk(TN_NOTES_ALL);
	const struct desk_key events[] = {{.matches = 1}, {.matches = 0}, {.matches = 1}};
	assert_int_equal(desk_offer_keys(&desk, TN_ACK_SETTLED, events, 3), TN_OK);
	desk_obey(&desk);
	assert_string_equal(told, "unmatched");
	desk_close(&desk);
}

static void a_sink_that_fails_is_no_attempt_of_the_story(void **state)
{
	open_desk(TN_NOTES_FAILED);
	desk.limits[0].dead_letter_no = 2;
	desk_reload(&desk);
	offer_one();
	desk_answer(&desk, 0, TN_REJECTED);
	assert_string_equal(told, "attempt dead");
	assert_int_equal(desk.starts[0].attempt->purpose, TN_TO_DEAD_LETTER);
	desk_answer(&desk, 0, TN_RETRY);
	assert_string_equal(told, "attempt dead");
	desk_close(&desk);
}

static void what_was_parked_untried_has_an_end_to_be_told(void **state)
{
	told[0] = '\0';
	desk_init(&desk);
	desk.config.note = on_note;
	desk.config.note_detail = TN_NOTES_FAILED;
	desk.config.recover = true;
	desk.config.store_rows = 1;
	desk.config.next_seq = 10;
	desk.limits[0].found_parked = 1;
	desk_open(&desk);
	struct tn_row row = {.key = {3, 0}, .state = TN_ROW_PARKED, .target_no = 1, .rule = TN_STR("r1"), .target = TN_STR("t1"),
		.id.bytes = {1}, .tries = {.accepted_ms = desk.now_ms, .not_before_ms = desk.now_ms}};
	for (int i = 0; i < 3; i++)
		desk_page(&desk, NULL, 0, INT64_MAX);
	desk_page(&desk, &row, 1, INT64_MAX);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_string_equal(told, "delivered");
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_first_try_that_goes_well_is_told_only_where_all_are),
	        cmocka_unit_test(a_failure_begins_a_story_that_goes_on_to_the_end),
	        cmocka_unit_test(without_stories_a_failure_is_a_decision_and_no_more),
	        cmocka_unit_test(a_timeout_is_an_attempt_with_its_time),
	        cmocka_unit_test(a_hold_is_no_attempt),
	        cmocka_unit_test(what_goes_back_to_its_source_is_told),
	        cmocka_unit_test(an_event_that_no_rule_matched_is_told_where_all_are),
	        cmocka_unit_test(an_engine_that_nobody_listens_to_tells_nothing),
	        cmocka_unit_test(of_several_events_those_that_no_rule_matched_are_told),
	        cmocka_unit_test(a_sink_that_fails_is_no_attempt_of_the_story),
	        cmocka_unit_test(what_was_parked_untried_has_an_end_to_be_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
