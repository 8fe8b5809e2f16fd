/* SPDX-License-Identifier: Apache-2.0
 *
 * http_signature.c - the keys of a signing HTTP target, and what it makes of them and a request.
 *
 * Called by http_target.c when it opens, when its credentials were refused, and for each request. Owns the keys and one HMAC context a key,
 * so that signing allocates nothing. Loop thread of its target.
 */
#include "http_signature.h"

#include "turnout/base64.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>

enum { KEY_MIN = 24, KEY_MAX = 64, DIGEST_SIZE = 32 };

struct key {
	uint8_t bytes[KEY_MAX];
	size_t len;
	EVP_MAC_CTX *context; /* has the key; started anew for each request */
};

struct tn_http_signature {
	size_t count;
	struct key keys[TN_HTTP_SIGNATURE_KEYS_MAX];
};

/* --- Keys --- */

static enum tn_status refuse(const struct tn_secret *secret, const char *why, struct tn_error *error)
{
	tn_error_set(error, "signing.secrets: the value of %.*s %s", TN_STR_ARG(secret->reference), why);
	return TN_INVALID;
}

static enum tn_status decode_key(const struct tn_secret *secret, struct tn_str text, struct tn_buf *plain, struct tn_error *error)
{
	static const struct tn_str prefix = {"whsec_", 6};
	if (tn_str_starts(text, TN_STR("whsk_")))
		return refuse(secret, "is an asymmetric key (whsk_); this version signs with whsec_ keys", error);
	if (!tn_str_starts(text, prefix))
		return refuse(secret, "does not begin with whsec_", error);
	if (!tn_base64_decode(plain, tn_str_tail(text, prefix.len)))
		return refuse(secret, "is not base64 after whsec_", error);
	if (plain->len < KEY_MIN || plain->len > KEY_MAX)
		return refuse(secret, "is not a key of 24 to 64 bytes", error);
	return TN_OK;
}

static void forget(struct tn_buf *buf)
{
	if (buf->bytes)
		OPENSSL_cleanse(buf->bytes, buf->capacity);
	tn_buf_fini(buf);
}

static enum tn_status read_key(const struct tn_secret *secret, struct key *key, struct tn_error *error)
{
	struct tn_buf text = {0}, plain = {0};
	enum tn_status status = tn_secret_read(secret, &text, error);
	if (status == TN_OK)
		status = decode_key(secret, tn_buf_str(&text), &plain, error);
	if (status == TN_OK) {
		memcpy(key->bytes, plain.bytes, plain.len);
		key->len = plain.len;
	}
	forget(&text);
	forget(&plain);
	return status;
}

static void start_context(EVP_MAC *mac, struct key *key)
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end()};
	key->context = EVP_MAC_CTX_new(mac);
	if (!key->context || EVP_MAC_init(key->context, key->bytes, key->len, params) != 1)
		abort();
}

enum tn_status tn_http_signature_new(const struct tn_secrets *secrets, struct tn_http_signature **out_signature, struct tn_error *error)
{
	struct tn_http_signature *signature = calloc(1, sizeof *signature);
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	enum tn_status status = TN_OK;
	if (!signature || !mac)
		abort();
	for (size_t i = 0; i < secrets->count && status == TN_OK; i++) {
		struct key *key = &signature->keys[signature->count];
		status = read_key(&secrets->items[i], key, error);
		if (status == TN_OK) {
			start_context(mac, key);
			signature->count++;
		}
	}
	EVP_MAC_free(mac);
	if (status == TN_OK)
		*out_signature = signature;
	else
		tn_http_signature_free(signature);
	return status;
}

void tn_http_signature_free(struct tn_http_signature *signature)
{
	if (!signature)
		return;
	for (size_t i = 0; i < signature->count; i++)
		EVP_MAC_CTX_free(signature->keys[i].context);
	OPENSSL_cleanse(signature, sizeof *signature);
	free(signature);
}

bool tn_http_signature_equal(const struct tn_http_signature *a, const struct tn_http_signature *b)
{
	bool equal = a->count == b->count;
	for (size_t i = 0; equal && i < a->count; i++)
		equal = a->keys[i].len == b->keys[i].len && CRYPTO_memcmp(a->keys[i].bytes, b->keys[i].bytes, KEY_MAX) == 0;
	return equal;
}

/* --- Signing --- */

static void add_part(EVP_MAC_CTX *context, struct tn_str part)
{
	if (part.len > 0 && EVP_MAC_update(context, (const unsigned char *)part.bytes, part.len) != 1)
		abort();
}

static char *add_signature(struct key *key, struct tn_str id, struct tn_str timestamp, struct tn_str body, char *out)
{
	unsigned char digest[DIGEST_SIZE];
	size_t len;
	if (EVP_MAC_init(key->context, NULL, 0, NULL) != 1)
		abort();
	add_part(key->context, id);
	add_part(key->context, TN_STR("."));
	add_part(key->context, timestamp);
	add_part(key->context, TN_STR("."));
	add_part(key->context, body);
	if (EVP_MAC_final(key->context, digest, &len, sizeof digest) != 1)
		abort();
	memcpy(out, "v1,", 3);
	return out + 3 + EVP_EncodeBlock((unsigned char *)out + 3, digest, DIGEST_SIZE);
}

void tn_http_signature_sign(struct tn_http_signature *signature, struct tn_str id, struct tn_str timestamp, struct tn_str body,
	char out_text[TN_HTTP_SIGNATURE_TEXT_MAX])
{
	char *at = out_text;
	for (size_t i = 0; i < signature->count; i++) {
		if (i > 0)
			*at++ = ' ';
		at = add_signature(&signature->keys[i], id, timestamp, body, at);
	}
	*at = '\0';
}
