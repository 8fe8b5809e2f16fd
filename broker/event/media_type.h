/* SPDX-License-Identifier: Apache-2.0
 *
 * media_type.h - "type/subtype; name=value": is it one, and what does it say about the bytes it labels? Any thread.
 */
#ifndef EVENT_MEDIA_TYPE_H
#define EVENT_MEDIA_TYPE_H

#include <stdbool.h>
#include "turnout/str.h"

struct tn_media_type { /* borrows the text; compare without case */
	struct tn_str essence;       /* "type/subtype" */
	struct tn_str type, subtype;
	struct tn_str charset;       /* without its quotes; bytes NULL when there is none */
};

enum tn_media_class { TN_MEDIA_OTHER, TN_MEDIA_JSON, TN_MEDIA_TEXT /* text or XML, in UTF-8 */ };

/* RFC 2046; white space is allowed around semicolons, not around the whole; empty parameters are passed over. */
bool tn_media_type_parse(struct tn_str text, struct tn_media_type *out);
/* charset absent, utf-8 or us-ascii. */
bool tn_media_type_is_utf8(const struct tn_media_type *media_type);
/* OTHER when it is no media type. */
enum tn_media_class tn_media_type_class(struct tn_str text);

#endif
