/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client_text.c - URLs and header texts of requests, checked before they are used.
 *
 * Called by configuration checks and by the client itself. Owns nothing. Any thread.
 */
#include "turnout/http_client.h"

#include <curl/curl.h>
#include <stdlib.h>

enum { URL_MAX = 8000 };

static const bool in_token[256] = {
	['a' ... 'z'] = true, ['A' ... 'Z'] = true, ['0' ... '9'] = true, ['!'] = true, ['#' ... '\''] = true, ['*'] = true, ['+'] = true,
	['-'] = true, ['.'] = true, ['^' ... '`'] = true, ['|'] = true, ['~'] = true,
};

bool tn_http_header_name_valid(struct tn_str name)
{
	bool good = name.len > 0;
	for (size_t i = 0; i < name.len; i++)
		good &= in_token[(unsigned char)name.bytes[i]];
	return good;
}

/* Every byte is looked at, good or bad: a loop without branches takes many at once. */
bool tn_http_header_value_valid(struct tn_str value)
{
	unsigned bad = 0;
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.bytes[i];
		bad |= ((unsigned)(c < 0x20) & (unsigned)(c != '\t')) | (unsigned)(c == 0x7f);
	}
	return bad == 0;
}

static bool has_scheme(struct tn_str url)
{
	struct tn_str rest = tn_str_starts_nocase(url, TN_STR("http://")) ? tn_str_tail(url, 7)
		: tn_str_starts_nocase(url, TN_STR("https://"))           ? tn_str_tail(url, 8)
									  : (struct tn_str){NULL, 0};
	return rest.len > 0 && rest.bytes[0] != '/';
}

/* What libcurl's parser says of it, so that what was checked is what will be requested. */
static enum tn_status parse_url(CURLU *parts, const char *url, struct tn_error *error)
{
	char *fragment = NULL;
	CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);
	if (code == CURLUE_USER_NOT_ALLOWED) {
		tn_error_set(error, "the url must not carry a user name or password; use auth");
		return TN_INVALID;
	}
	if (code != CURLUE_OK) {
		tn_error_set(error, "not a url: %s", curl_url_strerror(code));
		return TN_INVALID;
	}
	code = curl_url_get(parts, CURLUPART_FRAGMENT, &fragment, 0);
	curl_free(fragment);
	if (code == CURLUE_OK) {
		tn_error_set(error, "the url has a fragment (#...), which is never sent");
		return TN_INVALID;
	}
	return TN_OK;
}

static void add_part(CURLU *parts, CURLUPart part, struct tn_buf *out)
{
	char *text = NULL;
	if (curl_url_get(parts, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK)
		tn_buf_add_text(out, text);
	curl_free(text);
}

static void show_url(CURLU *parts, struct tn_buf *out)
{
	add_part(parts, CURLUPART_SCHEME, out);
	tn_buf_add_text(out, "://");
	add_part(parts, CURLUPART_HOST, out);
	tn_buf_add_byte(out, ':');
	add_part(parts, CURLUPART_PORT, out);
	add_part(parts, CURLUPART_PATH, out);
}

enum tn_status tn_http_url_check(struct tn_str url, struct tn_buf *out_shown, struct tn_error *error)
{
	if (url.len > URL_MAX || (url.len > 0 && memchr(url.bytes, 0, url.len)) || !has_scheme(url)) {
		tn_error_set(error, "the url must be http://host... or https://host..., at most %d bytes", URL_MAX);
		return TN_INVALID;
	}
	char *text = tn_str_dup(url);
	CURLU *parts = curl_url();
	if (!parts)
		abort();
	enum tn_status status = parse_url(parts, text, error);
	if (status == TN_OK && out_shown)
		show_url(parts, out_shown);
	curl_url_cleanup(parts);
	free(text);
	return status;
}
