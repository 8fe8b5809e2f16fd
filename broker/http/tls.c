/* SPDX-License-Identifier: Apache-2.0
 *
 * tls.c - TLS for servers: one certificate chain with its key, TLS 1.2 and up.
 *
 * Called by whoever opens a listener with a certificate. The context is immutable afterwards and may serve many listeners.
 */
#include "turnout/http_server.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

static enum tn_status refuse(SSL_CTX *context, struct tn_error *error, const char *what, const char *file)
{
	char reason[160];
	ERR_error_string_n(ERR_peek_last_error(), reason, sizeof reason);
	tn_error_set(error, "%s %s: %s", what, file, reason);
	SSL_CTX_free(context);
	return TN_INVALID;
}

enum tn_status tn_tls_server_new(
	const char *certificate_file, const char *key_file, struct ssl_ctx_st **out_tls, struct tn_error *error)
{
	ERR_clear_error();
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	if (!context) {
		tn_error_set(error, "TLS cannot be set up");
		return TN_NO_MEMORY;
	}
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	/* Clients that close without close_notify are common; HTTP says itself where a message ends. */
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_COMPRESSION |
		SSL_OP_CIPHER_SERVER_PREFERENCE);
	/* Output is a growing buffer: what is offered again may have moved, and may be longer. */
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
		SSL_MODE_RELEASE_BUFFERS);
	if (SSL_CTX_use_certificate_chain_file(context, certificate_file) != 1)
		return refuse(context, error, "cannot use the certificate", certificate_file);
	if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1)
		return refuse(context, error, "cannot use the key", key_file);
	if (SSL_CTX_check_private_key(context) != 1)
		return refuse(context, error, "the certificate does not belong to the key", key_file);
	*out_tls = context;
	return TN_OK;
}
