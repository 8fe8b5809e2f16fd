/* SPDX-License-Identifier: Apache-2.0
 *
 * mailbox.c - how threads meet: many post, one loop reads, in order.
 *
 * Posting: any thread, one short lock. Reading: the loop that made it. The eventfd is written only when the box was empty, so a busy
 * reader is not woken for each letter.
 */
#include "turnout/mailbox.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct tn_mailbox {
	pthread_mutex_t lock;
	struct tn_mail *first, **end;
	int fd;
	struct event *readable;
	void *reader_arg;
};

static struct tn_mail *take_all(struct tn_mailbox *mailbox)
{
	pthread_mutex_lock(&mailbox->lock);
	struct tn_mail *first = mailbox->first;
	mailbox->first = NULL;
	mailbox->end = &mailbox->first;
	pthread_mutex_unlock(&mailbox->lock);
	return first;
}

static void open_all(struct tn_mail *mail, void *reader_arg)
{
	while (mail) {
		struct tn_mail *next = mail->next;
		mail->open(mail, reader_arg);
		mail = next;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	uint64_t count;
	if (read(fd, &count, sizeof count) < 0)
		return; /* somebody else's wake-up was already consumed: nothing to do */
	struct tn_mailbox *mailbox = arg;
	open_all(take_all(mailbox), mailbox->reader_arg);
}

struct tn_mailbox *tn_mailbox_new(struct event_base *base, void *reader_arg)
{
	struct tn_mailbox *mailbox = calloc(1, sizeof *mailbox);
	if (!mailbox)
		abort();
	mailbox->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (mailbox->fd < 0) {
		free(mailbox);
		return NULL;
	}
	pthread_mutex_init(&mailbox->lock, NULL);
	mailbox->end = &mailbox->first;
	mailbox->reader_arg = reader_arg;
	mailbox->readable = event_new(base, mailbox->fd, EV_READ | EV_PERSIST, on_readable, mailbox);
	if (!mailbox->readable || event_add(mailbox->readable, NULL) != 0)
		abort();
	return mailbox;
}

void tn_mailbox_free(struct tn_mailbox *mailbox)
{
	if (!mailbox)
		return;
	open_all(take_all(mailbox), NULL);
	event_free(mailbox->readable);
	close(mailbox->fd);
	pthread_mutex_destroy(&mailbox->lock);
	free(mailbox);
}

void tn_mailbox_post(struct tn_mailbox *mailbox, struct tn_mail *mail)
{
	mail->next = NULL;
	pthread_mutex_lock(&mailbox->lock);
	bool was_empty = mailbox->first == NULL;
	*mailbox->end = mail;
	mailbox->end = &mail->next;
	/* Written under the lock: the reader may free the mailbox once it has taken the last letter. */
	if (was_empty) {
		uint64_t one = 1;
		if (write(mailbox->fd, &one, sizeof one) < 0) {
			/* EAGAIN: the counter is full of wake-ups, so the reader is awake. */
		}
	}
	pthread_mutex_unlock(&mailbox->lock);
}
