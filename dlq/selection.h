/* SPDX-License-Identifier: Apache-2.0
 *
 * selection.h - the part of a selection that is not about names.
 */
#ifndef DLQ_SELECTION_H
#define DLQ_SELECTION_H

#include "turnout/dlq.h"

/* tn_dlq_selects for a record that is known to be among the ids, or for a selection of all. */
bool tn_selection_filters(const struct tn_dlq_selection *selection, const struct tn_row *row, const struct tn_event *event);

#endif
