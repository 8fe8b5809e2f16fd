/* SPDX-License-Identifier: Apache-2.0
 *
 * id.c - digests for delivery ids, and identifiers from the operating system's random source.
 *
 * Called by the worker that matches an event and by whoever needs a UUID. Any thread; each thread keeps one digest context.
 */
#include "turnout/id.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static pthread_key_t context_key;
static pthread_once_t context_once = PTHREAD_ONCE_INIT;

static void free_context(void *context)
{
	EVP_MD_CTX_free(context);
}

static void make_key(void)
{
	if (pthread_key_create(&context_key, free_context) != 0)
		abort();
}

/* One per thread, freed with it: fetching the digest for each call would cost more than the hash (OpenSSL 3.0, EVP_MD_fetch(3)). */
static EVP_MD_CTX *sha256_context(void)
{
	static _Thread_local EVP_MD_CTX *context;
	if (context)
		return context;
	context = EVP_MD_CTX_new();
	if (!context || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1 || pthread_once(&context_once, make_key) != 0 ||
		pthread_setspecific(context_key, context) != 0)
		abort();
	return context;
}

void tn_id_digest(const struct tn_str *parts, size_t count, uint8_t out_digest[32])
{
	EVP_MD_CTX *context = sha256_context();
	if (EVP_DigestInit_ex(context, NULL, NULL) != 1)
		abort();
	for (size_t i = 0; i < count; i++) {
		uint8_t prefix[8];
		for (unsigned j = 0; j < 8; j++)
			prefix[j] = (uint8_t)((uint64_t)parts[i].len >> (56 - 8 * j));
		if (EVP_DigestUpdate(context, prefix, sizeof prefix) != 1 ||
			EVP_DigestUpdate(context, parts[i].bytes, parts[i].len) != 1)
			abort();
	}
	if (EVP_DigestFinal_ex(context, out_digest, NULL) != 1)
		abort();
}

struct tn_id tn_id_hash(const struct tn_str *parts, size_t count)
{
	uint8_t digest[32];
	struct tn_id id;
	tn_id_digest(parts, count, digest);
	memcpy(id.bytes, digest, sizeof id.bytes);
	return id;
}

static void random_bytes(void *out, size_t len)
{
	if (getrandom(out, len, 0) != (ssize_t)len)
		abort();
}

uint64_t tn_seed_random(void)
{
	uint64_t seed;
	random_bytes(&seed, sizeof seed);
	return seed;
}

void tn_uuid_random(char out[TN_UUID_TEXT_SIZE])
{
	uint8_t b[16];
	random_bytes(b, sizeof b);
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(out, TN_UUID_TEXT_SIZE, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
		b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}
