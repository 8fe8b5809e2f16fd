/* SPDX-License-Identifier: Apache-2.0
 *
 * test_mailbox.c - letters of many threads all arrive, each thread's in order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "turnout/mailbox.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>

enum { SENDERS = 4, LETTERS = 5000 };

struct reader {
	struct event_base *base;
	int next[SENDERS], count;
};

struct letter {
	struct tn_mail mail;
	int sender, number;
};

static void on_letter(struct tn_mail *mail, void *arg)
{
	struct letter *letter = (struct letter *)mail;
	struct reader *reader = arg;
	assert_int_equal(letter->number, reader->next[letter->sender]);
	reader->next[letter->sender]++;
	free(letter);
	if (++reader->count == SENDERS * LETTERS)
		event_base_loopbreak(reader->base);
}

struct sender {
	struct tn_mailbox *mailbox;
	int number;
};

static void *send_letters(void *arg)
{
	struct sender *sender = arg;
	for (int i = 0; i < LETTERS; i++) {
		struct letter *letter = malloc(sizeof *letter);
		*letter = (struct letter){.mail.open = on_letter, .sender = sender->number, .number = i};
		tn_mailbox_post(sender->mailbox, &letter->mail);
	}
	return NULL;
}

static void every_letter_arrives_in_its_senders_order(void **state)
{
	struct reader reader = {.base = event_base_new()};
	struct tn_mailbox *mailbox = tn_mailbox_new(reader.base, &reader);
	pthread_t threads[SENDERS];
	struct sender senders[SENDERS];
	for (int i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){mailbox, i};
		assert_int_equal(pthread_create(&threads[i], NULL, send_letters, &senders[i]), 0);
	}
	event_base_dispatch(reader.base);
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(reader.count, SENDERS * LETTERS);
	tn_mailbox_free(mailbox);
	event_base_free(reader.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_letter_arrives_in_its_senders_order)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
