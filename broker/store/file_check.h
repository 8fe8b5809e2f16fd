/* SPDX-License-Identifier: Apache-2.0
 *
 * file_check.h - is the data file one that LMDB can walk? LMDB trusts what it maps: one bit turned over in a page of
 * its trees, and it reads beyond the map.
 */
#ifndef STORE_FILE_CHECK_H
#define STORE_FILE_CHECK_H

#include "turnout/error.h"
#include "turnout/status.h"

/* Under the lock, before LMDB opens the file. TN_INVALID names the page. A file that is not there, or that LMDB itself
 * refuses, is fine here. Reads each page of the trees, of large values only the head: work grows with what is in the
 * store. */
enum tn_status tn_file_check(const char *path, struct tn_error *error) TN_MUST_CHECK;

#endif
