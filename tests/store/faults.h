/* SPDX-License-Identifier: Apache-2.0
 *
 * faults.h - the operating system under LMDB, made to fail: a test that links this has its own pwrite, writev, fdatasync and statvfs.
 */
#ifndef TEST_STORE_FAULTS_H
#define TEST_STORE_FAULTS_H

#include <stdint.h>

enum fault {
	FAULT_NONE,
	FAULT_DATA,         /* pages are not written: EIO */
	FAULT_LARGE,        /* like that, but only for 128 KiB at once and more: a disk with room for little */
	FAULT_SYNC,         /* fdatasync fails: EIO */
	FAULT_META,         /* the meta page, which makes a commit count, is not written */
	FAULT_META_WRITTEN, /* it is written, and the call fails all the same */
};

void faults_set(enum fault fault);
/* What statvfs says is free from now on. Else: more than any disk has. */
void faults_set_free_disk(uint64_t bytes);
/* From now on fdatasync waits for faults_release_sync: a commit is under way while the test goes on. */
void faults_hold_sync(void);
/* Waits until somebody is held. */
void faults_await_held(void);
void faults_release_sync(void);

#endif
