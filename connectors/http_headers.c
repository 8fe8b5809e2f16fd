/* SPDX-License-Identifier: Apache-2.0
 *
 * http_headers.c - reads the fixed headers of an HTTP target, with the secrets among them.
 *
 * Called by http_target.c when the target is checked and opened, and again when its credential was refused. Owns the sets it makes.
 * Loop thread of its target.
 */
#include "http_headers.h"

#include "turnout/base64.h"
#include "turnout/http_client.h"

#include <stdlib.h>

/* Set by the connector from the event and the attempt, or by HTTP itself. */
static const char *const reserved[] = {"host", "content-length", "content-type", "transfer-encoding", "connection", "keep-alive", "te",
	"trailer", "upgrade", "expect", "proxy-connection", "idempotency-key", "webhook-id", "webhook-timestamp", "webhook-signature", NULL};
static const char *const reserved_prefixes[] = {"ce-", "turnout-", NULL};
/* These carry credentials, so their values must not stand in the configuration. */
static const char *const secret_names[] = {"authorization", "proxy-authorization", "cookie", NULL};

static bool is_one_of(struct tn_str name, const char *const *names)
{
	for (; *names; names++)
		if (tn_str_equal_nocase(name, tn_str_from(*names)))
			return true;
	return false;
}

static bool is_reserved(struct tn_str name)
{
	for (const char *const *prefix = reserved_prefixes; *prefix; prefix++)
		if (tn_str_starts_nocase(name, tn_str_from(*prefix)))
			return true;
	return is_one_of(name, reserved);
}

static bool is_set(const struct tn_secret *secret)
{
	return secret->reference.len > 0;
}

/* --- Checks --- */

static enum tn_status check_pair(const struct tn_pairs *pairs, size_t at, struct tn_error *error)
{
	const struct tn_pair *pair = &pairs->items[at];
	if (!tn_http_header_name_valid(pair->name)) {
		tn_error_set(error, "headers: '%.*s' is not the name of a header", TN_STR_ARG(pair->name));
		return TN_INVALID;
	}
	if (is_reserved(pair->name)) {
		tn_error_set(error, "headers: '%.*s' is set by the bus itself", TN_STR_ARG(pair->name));
		return TN_INVALID;
	}
	if (pair->value.literal && is_one_of(pair->name, secret_names)) {
		tn_error_set(error, "headers: '%.*s' must be a reference (env:NAME or file:PATH)", TN_STR_ARG(pair->name));
		return TN_INVALID;
	}
	if (pair->value.literal && !tn_http_header_value_valid(pair->value.reference)) {
		tn_error_set(error, "headers: the value of '%.*s' has control characters", TN_STR_ARG(pair->name));
		return TN_INVALID;
	}
	for (size_t i = 0; i < at; i++) {
		if (tn_str_equal_nocase(pairs->items[i].name, pair->name)) {
			tn_error_set(error, "headers: '%.*s' is there twice", TN_STR_ARG(pair->name));
			return TN_INVALID;
		}
	}
	return TN_OK;
}

static enum tn_status check_auth(const struct tn_http_target_options *options, struct tn_error *error)
{
	bool bearer = is_set(&options->bearer), basic = options->basic_username.len > 0 || is_set(&options->basic_password);
	const char *wrong = NULL;
	if (bearer && basic)
		wrong = "auth: bearer and basic exclude each other";
	else if (basic && (options->basic_username.len == 0 || !is_set(&options->basic_password)))
		wrong = "auth.basic needs username and password";
	else if (basic && tn_str_find(options->basic_username, ':') != SIZE_MAX)
		wrong = "auth.basic.username must not have a colon";
	for (size_t i = 0; !wrong && (bearer || basic) && i < options->headers.count; i++)
		if (tn_str_equal_nocase(options->headers.items[i].name, TN_STR("authorization")))
			wrong = "auth and the header authorization exclude each other";
	if (wrong)
		tn_error_set(error, "%s", wrong);
	return wrong ? TN_INVALID : TN_OK;
}

enum tn_status tn_http_headers_check(const struct tn_http_target_options *options, struct tn_error *error)
{
	for (size_t i = 0; i < options->headers.count; i++) {
		enum tn_status status = check_pair(&options->headers, i, error);
		if (status != TN_OK)
			return status;
	}
	return check_auth(options, error);
}

/* --- Reading --- */

/* Appends the secret's value to text; an empty one, or one that cannot stand in a header, is refused. */
static enum tn_status add_secret(const struct tn_secret *secret, const char *setting, struct tn_buf *text, struct tn_error *error)
{
	size_t start = text->len;
	enum tn_status status = tn_secret_read(secret, text, error);
	if (status != TN_OK)
		return status;
	struct tn_str value = {text->bytes + start, text->len - start};
	if (value.len > 0 && tn_http_header_value_valid(value))
		return TN_OK;
	tn_error_set(error, "%s: the value of %.*s is empty or has control characters", setting, TN_STR_ARG(secret->reference));
	return TN_INVALID;
}

/* While text grows only lengths are kept; point_into sets the addresses. */
static void add_name(struct tn_http_headers *set, struct tn_str name)
{
	tn_buf_add_str(&set->text, name);
	set->headers[set->count].name.len = name.len;
}

static void end_value(struct tn_http_headers *set, size_t start)
{
	set->headers[set->count].value.len = set->text.len - start;
	set->count++;
}

static void point_into(struct tn_http_headers *set)
{
	const char *at = set->text.bytes;
	for (size_t i = 0; i < set->count; i++) {
		set->headers[i].name.bytes = at;
		at += set->headers[i].name.len;
		set->headers[i].value.bytes = at;
		at += set->headers[i].value.len;
	}
}

static enum tn_status add_bearer(struct tn_http_headers *set, const struct tn_http_target_options *options, struct tn_error *error)
{
	add_name(set, TN_STR("Authorization"));
	size_t start = set->text.len;
	tn_buf_add_text(&set->text, "Bearer ");
	enum tn_status status = add_secret(&options->bearer, "auth.bearer", &set->text, error);
	if (status == TN_OK)
		end_value(set, start);
	return status;
}

static enum tn_status add_basic(struct tn_http_headers *set, const struct tn_http_target_options *options, struct tn_error *error)
{
	struct tn_buf plain = {0};
	tn_buf_add_str(&plain, options->basic_username);
	tn_buf_add_byte(&plain, ':');
	enum tn_status status = add_secret(&options->basic_password, "auth.basic.password", &plain, error);
	if (status == TN_OK) {
		add_name(set, TN_STR("Authorization"));
		size_t start = set->text.len;
		tn_buf_add_text(&set->text, "Basic ");
		tn_base64_encode(&set->text, tn_buf_str(&plain));
		end_value(set, start);
	}
	tn_buf_fini(&plain);
	return status;
}

static enum tn_status add_pair(struct tn_http_headers *set, const struct tn_pair *pair, struct tn_error *error)
{
	add_name(set, pair->name);
	size_t start = set->text.len;
	enum tn_status status = TN_OK;
	if (pair->value.literal)
		tn_buf_add_str(&set->text, pair->value.reference);
	else
		status = add_secret(&pair->value, "headers", &set->text, error);
	if (status == TN_OK)
		end_value(set, start);
	return status;
}

static enum tn_status read_all(struct tn_http_headers *set, const struct tn_http_target_options *options, struct tn_error *error)
{
	enum tn_status status = TN_OK;
	bool named = false;
	for (size_t i = 0; i < options->headers.count && status == TN_OK; i++) {
		named = named || tn_str_equal_nocase(options->headers.items[i].name, TN_STR("user-agent"));
		status = add_pair(set, &options->headers.items[i], error);
	}
	if (!named) {
		add_name(set, TN_STR("User-Agent"));
		size_t start = set->text.len;
		tn_buf_add_text(&set->text, "Turnout/" TN_VERSION);
		end_value(set, start);
	}
	if (status == TN_OK && is_set(&options->bearer))
		status = add_bearer(set, options, error);
	else if (status == TN_OK && is_set(&options->basic_password))
		status = add_basic(set, options, error);
	return status;
}

enum tn_status tn_http_headers_read(const struct tn_http_target_options *options, struct tn_http_headers **out_headers, struct tn_error *error)
{
	struct tn_http_headers *set = calloc(1, sizeof *set);
	if (!set)
		abort();
	set->refs = 1;
	set->headers = calloc(options->headers.count + 2, sizeof *set->headers);
	if (!set->headers)
		abort();
	enum tn_status status = read_all(set, options, error);
	if (status != TN_OK) {
		tn_http_headers_unref(set);
		return status;
	}
	point_into(set);
	*out_headers = set;
	return TN_OK;
}

/* Same settings, so same names in the same order: the texts differ if a value does. */
bool tn_http_headers_equal(const struct tn_http_headers *a, const struct tn_http_headers *b)
{
	return tn_str_equal(tn_buf_str(&a->text), tn_buf_str(&b->text));
}

struct tn_http_headers *tn_http_headers_ref(struct tn_http_headers *headers)
{
	headers->refs++;
	return headers;
}

void tn_http_headers_unref(struct tn_http_headers *headers)
{
	if (!headers || --headers->refs > 0)
		return;
	if (headers->text.bytes)
		explicit_bzero(headers->text.bytes, headers->text.len);
	tn_buf_fini(&headers->text);
	free(headers->headers);
	free(headers);
}
