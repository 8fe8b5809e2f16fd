/* SPDX-License-Identifier: Apache-2.0
 *
 * http_target_options.c - the settings of an HTTP target, and which of them cannot stand together.
 *
 * Called by the configuration through the connector's row, and by help. Owns nothing. Any thread.
 */
#include "http_target.h"

#include <stdio.h>

#include "classify.h"
#include "http_headers.h"
#include "http_signature.h"
#include "turnout/http_client.h"

static const char *const modes[] = {"binary", "structured", NULL};
static const char *const replies[] = {"ignore", "bus", NULL};
static const char *const key_formats[] = {"quoted", "bare", NULL};

#define AT(member) offsetof(struct tn_http_target_options, member)
#define LATER(name, what) {name, TN_OPTION_LATER, 0, .help = what " comes later"}

const struct tn_option tn_http_target_options[] = {
	{"url", TN_OPTION_TEXT, AT(url), .required = true, .reloadable = true, .help = "http:// or https://, without user name"},
	{"content_mode", TN_OPTION_CHOICE, AT(structured), "binary", .reloadable = true, .choices = modes,
		.help = "attributes in headers (binary), or all in a JSON body (structured)"},
	{"idempotency_key", TN_OPTION_CHOICE, AT(bare_key), "quoted", .reloadable = true, .choices = key_formats,
		.help = "Idempotency-Key in quotes, as a structured field (quoted), or without (bare)"},
	{"signing.secrets", TN_OPTION_SECRETS, AT(signing), .reloadable = true,
		.help = "sign as Standard Webhooks: keys (whsec_...), several while they are rotated; read again when the target answers "
			"400, 401 or 403"},
	{"connect_timeout", TN_OPTION_DURATION, AT(connect_timeout_ms), "5s", .reloadable = true, .min = 10, .max = 300000,
		.help = "to connect, TLS included; within the attempt's timeout"},
	{"headers", TN_OPTION_PAIRS, AT(headers), .reloadable = true, .help = "more headers: name to value, or to env:NAME or file:PATH"},
	{"auth.bearer", TN_OPTION_SECRET, AT(bearer), .reloadable = true, .help = "token; read again when the target answers 401"},
	{"auth.basic.username", TN_OPTION_TEXT, AT(basic_username), .reloadable = true, .help = "user name"},
	{"auth.basic.password", TN_OPTION_SECRET, AT(basic_password), .reloadable = true, .help = "password"},
	{"tls.ca", TN_OPTION_PATH, AT(tls_ca), .reloadable = true, .help = "file of authorities (PEM) trusted instead of the system's"},
	{"tls.certificate", TN_OPTION_PATH, AT(tls_certificate), .reloadable = true, .help = "file of our certificate (PEM)"},
	{"tls.key", TN_OPTION_PATH, AT(tls_key), .reloadable = true, .help = "file of its key (PEM)"},
	{"addresses.allow", TN_OPTION_TEXTS, AT(allow), .reloadable = true, .help = "CIDR blocks allowed beside the default"},
	{"addresses.deny", TN_OPTION_TEXTS, AT(deny), .reloadable = true, .help = "CIDR blocks denied; wins over allow"},
	{"retry_on", TN_OPTION_TEXTS, AT(retry_on), .reloadable = true, .help = "statuses to retry: 404, 520-599"},
	{"fail_on", TN_OPTION_TEXTS, AT(fail_on), .reloadable = true, .help = "statuses never to retry"},
	{"disable_on_gone", TN_OPTION_BOOL, AT(disable_on_gone), "false", .reloadable = true,
		.help = "410 holds the target as a refused credential does (on_config_error); false: as 404 (on_missing)"},
	LATER("auth.oauth2", "OAuth 2"),
	LATER("abuse_protection", "the webhook handshake"),
	{"reply", TN_OPTION_CHOICE, AT(reply_to_bus), "ignore", .choices = replies, .reloadable = true,
		.help = "bus: a 2xx answer that is an event goes back to the bus, which has it on disk before the delivery counts as done"},
	{0},
};

static enum tn_status check_tls(const struct tn_http_target_options *options, struct tn_error *error)
{
	if ((options->tls_certificate.len > 0) == (options->tls_key.len > 0))
		return TN_OK;
	tn_error_set(error, "tls.certificate and tls.key need each other");
	return TN_INVALID;
}

static enum tn_status check_addresses(const struct tn_http_target_options *options, struct tn_error *error)
{
	struct tn_address_policy *policy = NULL;
	struct tn_error why = {0};
	enum tn_status status = tn_address_policy_new(
		options->allow.items, options->allow.count, options->deny.items, options->deny.count, &policy, &why);
	tn_address_policy_free(policy);
	if (status != TN_OK)
		tn_error_set(error, "addresses: %s", why.message);
	return status;
}

static enum tn_status check_signing(const struct tn_http_target_options *options, struct tn_error *error)
{
	if (options->signing.count <= TN_HTTP_SIGNATURE_KEYS_MAX)
		return TN_OK;
	tn_error_set(error, "signing.secrets: at most %d keys", TN_HTTP_SIGNATURE_KEYS_MAX);
	return TN_INVALID;
}

enum tn_status tn_http_target_check(const void *options_arg, struct tn_error *error)
{
	const struct tn_http_target_options *options = options_arg;
	struct tn_classify_overrides overrides;
	enum tn_status status = tn_http_url_check(options->url, NULL, error);
	if (status == TN_OK)
		status = tn_http_headers_check(options, error);
	if (status == TN_OK)
		status = check_signing(options, error);
	if (status == TN_OK)
		status = check_tls(options, error);
	if (status == TN_OK)
		status = check_addresses(options, error);
	if (status == TN_OK)
		status = tn_classify_parse(&options->retry_on, &options->fail_on, &overrides, error);
	return status;
}

void tn_http_target_describe(const void *options_arg, char *out, size_t size)
{
	const struct tn_http_target_options *options = options_arg;
	struct tn_buf shown = {0};
	if (tn_http_url_check(options->url, &shown, NULL) != TN_OK)
		tn_buf_add_text(&shown, "(bad url)");
	snprintf(out, size, "%.*s", TN_STR_ARG(tn_buf_str(&shown)));
	tn_buf_fini(&shown);
}
