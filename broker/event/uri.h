/* SPDX-License-Identifier: Apache-2.0
 *
 * uri.h - is this a URI reference? RFC 3986, as far as cloudevents.md section 2 wants it looked at. Any thread.
 */
#ifndef EVENT_URI_H
#define EVENT_URI_H

#include <stdbool.h>
#include "turnout/str.h"

/* With or without a scheme. The empty reference is one. */
bool tn_uri_reference_valid(struct tn_str text);
/* With a scheme; a fragment is fine. */
bool tn_uri_absolute_valid(struct tn_str text);
/* May this byte stand in a URI at all (percent sign included)? */
bool tn_uri_byte_valid(char byte);

#endif
