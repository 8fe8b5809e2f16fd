/* SPDX-License-Identifier: Apache-2.0
 *
 * upgrade.h - brings a store that an older version wrote up to today's format.
 */
#ifndef STORE_UPGRADE_H
#define STORE_UPGRADE_H

#include "environment.h"

enum { TN_UPGRADE_DATABASES = 3 }; /* of older formats, open beside today's while a store is upgraded */

/* LMDB code. All of today's databases are there. Records are not touched: each has a version of its own and is read as
 * it is. */
int tn_upgrade_from_1(const struct tn_environment *environment, MDB_txn *txn);
int tn_upgrade_from_2(const struct tn_environment *environment, MDB_txn *txn, const char *path);

#endif
