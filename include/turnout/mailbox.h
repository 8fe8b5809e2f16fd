/* SPDX-License-Identifier: Apache-2.0
 *
 * mailbox.h - how threads meet: many post, one loop reads, in order.
 *
 * A mutex-protected list and one eventfd. The reader takes the whole list at once, at most a turn's worth at a time.
 */
#ifndef TURNOUT_MAILBOX_H
#define TURNOUT_MAILBOX_H

#include <stdint.h>
#include "turnout/status.h"

struct event_base;
struct tn_mailbox;

struct tn_mail {                    /* embedded first in what is posted; the reader frees or recycles it */
	struct tn_mail *next;
	/* Runs on the reader's loop, once; owns mail from then on. reader_arg NULL: the reader is gone, only free it. */
	void (*open)(struct tn_mail *mail, void *reader_arg);
};

/* Reader's thread. Returns owned; NULL when the system has no descriptor left. reader_arg is handed to every open. */
struct tn_mailbox *tn_mailbox_new(struct event_base *base, void *reader_arg);
/* Reader's thread. What is left is opened with reader_arg NULL. NULL is fine. */
void tn_mailbox_free(struct tn_mailbox *mailbox);
/* Any thread. Takes mail. */
void tn_mailbox_post(struct tn_mailbox *mailbox, struct tn_mail *mail);

#endif
