/* SPDX-License-Identifier: Apache-2.0
 *
 * http_source_options.c - the settings of an HTTP source, and which of them cannot stand together.
 *
 * Called by the configuration through the connector's row. Owns nothing. Any thread.
 */
#include "http_source.h"

#include <stdlib.h>
#include "turnout/http_server.h"

static const char *const modes[] = {"durable", "sync", NULL};

#define AT(member) offsetof(struct tn_http_source_options, member)
const struct tn_option tn_http_source_options[] = {
	{.name = "listen", .type = TN_OPTION_TEXT, .offset = AT(listen), .required = true,
		.help = "address to listen on: 127.0.0.1:8080, [::1]:8080 or unix:/path"},
	{.name = "mode", .type = TN_OPTION_CHOICE, .offset = AT(mode), .standard = "durable", .choices = modes,
		.help = "durable: answers 202 when the event is on disk; sync: answers when every target has answered"},
	{.name = "path", .type = TN_OPTION_TEXT, .offset = AT(path),
		.help = "the only path that takes events, others get 404; none: any path"},
	{.name = "batch", .type = TN_OPTION_BOOL, .offset = AT(batch), .standard = "true",
		.help = "take application/cloudevents-batch+json; false: 415"},
	{.name = "auth.bearer", .type = TN_OPTION_SECRET, .offset = AT(bearer),
		.help = "token that senders must bring as Authorization: Bearer"},
	{.name = "allow_anonymous", .type = TN_OPTION_BOOL, .offset = AT(allow_anonymous), .standard = "false",
		.help = "let other machines send without a token"},
	{.name = "tls.certificate", .type = TN_OPTION_PATH, .offset = AT(certificate),
		.help = "file with the certificate chain (PEM)"},
	{.name = "tls.key", .type = TN_OPTION_PATH, .offset = AT(key), .help = "file with the certificate's key (PEM)"},
	{.name = "max_body", .type = TN_OPTION_SIZE, .offset = AT(max_body_bytes), .standard = "1MiB", .min = 1024,
		.max = 16 * 1024 * 1024, .help = "bytes of a request's body; beyond: 413"},
	{.name = "max_headers", .type = TN_OPTION_SIZE, .offset = AT(max_header_bytes), .standard = "80KiB", .min = 8 * 1024,
		.max = 1024 * 1024, .help = "bytes of a request's headers; beyond: 431"},
	{.name = "max_connections", .type = TN_OPTION_NUMBER, .offset = AT(max_connections), .standard = "1024", .min = 1,
		.max = 65536, .help = "connections of each worker; beyond: the one idle longest is closed, or new ones wait"},
	{.name = "min_body_rate", .type = TN_OPTION_SIZE, .offset = AT(min_body_rate), .standard = "1KiB", .min = 1,
		.max = 1024 * 1024, .help = "bytes a second that a body must come at, after 5 s; slower: 408"},
	{.name = "header_timeout", .type = TN_OPTION_DURATION, .offset = AT(header_timeout_ms), .standard = "10s", .min = 100,
		.max = 600000, .help = "time for a request's headers; longer: 408"},
	{.name = "idle_timeout", .type = TN_OPTION_DURATION, .offset = AT(idle_timeout_ms), .standard = "60s", .min = 100,
		.max = 3600000, .help = "time between requests of a connection; longer: closed"},
	{.name = NULL},
};

enum tn_status tn_http_source_check(const void *arg, struct tn_error *error)
{
	const struct tn_http_source_options *options = arg;
	bool local = false;
	char *listen = tn_str_dup(options->listen);
	enum tn_status status = tn_http_listener_check(listen, &local, error);
	free(listen);
	if (status != TN_OK)
		return status;
	if (!local && !options->bearer.reference.len && !options->allow_anonymous) {
		tn_error_set(error, "listen %.*s can be reached from other machines: set auth.bearer, or allow_anonymous: true",
			TN_STR_ARG(options->listen));
		return TN_INVALID;
	}
	if (!options->certificate.len != !options->key.len) {
		tn_error_set(error, "tls.certificate and tls.key are set together");
		return TN_INVALID;
	}
	if (options->path.len && options->path.bytes[0] != '/') {
		tn_error_set(error, "path %.*s does not begin with /", TN_STR_ARG(options->path));
		return TN_INVALID;
	}
	return TN_OK;
}
