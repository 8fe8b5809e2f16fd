/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client_failure.c - libcurl's many results as our few (delivery-semantics section 5).
 *
 * Called when a call has ended. Owns nothing. Loop thread only.
 */
#include "http_client_internal.h"

#include <stdio.h>

const char *tn_http_failure_code(enum tn_http_failure failure)
{
	switch (failure) {
	case TN_HTTP_FINE:
		return "";
	case TN_HTTP_RESOLVE:
		return "RESOLVE";
	case TN_HTTP_CONNECT:
		return "CONNECT";
	case TN_HTTP_TRANSPORT:
		return "TRANSPORT";
	case TN_HTTP_TIMEOUT:
		return "TIMEOUT";
	case TN_HTTP_TLS_VERIFY:
		return "TLS_VERIFY";
	case TN_HTTP_BAD_URL:
	case TN_HTTP_LOGIN:
		return "BAD_TARGET";
	case TN_HTTP_ADDRESS_BLOCKED:
		return "ADDRESS_BLOCKED";
	case TN_HTTP_LOCAL:
		return "LOCAL";
	case TN_HTTP_CANCELLED:
		return "CANCELLED";
	case TN_HTTP_UNCLASSIFIED:
		break;
	}
	return "UNCLASSIFIED";
}

enum tn_http_failure tn_http_failure_of(CURLcode result)
{
	switch (result) {
	case CURLE_OK:
		return TN_HTTP_FINE;
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
		return TN_HTTP_RESOLVE;
	case CURLE_COULDNT_CONNECT:
		return TN_HTTP_CONNECT;
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_HTTP2:
	case CURLE_PARTIAL_FILE:
	case CURLE_WRITE_ERROR: /* too large, or undecodable, before the headers were whole */
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_FILESIZE_EXCEEDED:
	case CURLE_HTTP2_STREAM:
	case CURLE_HTTP3:
	case CURLE_QUIC_CONNECT_ERROR:
		return TN_HTTP_TRANSPORT;
	case CURLE_OPERATION_TIMEDOUT:
		return TN_HTTP_TIMEOUT;
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
	case CURLE_SSL_INVALIDCERTSTATUS:
	case CURLE_SSL_CLIENTCERT:
		return TN_HTTP_TLS_VERIFY;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_BAD_FUNCTION_ARGUMENT:
		return TN_HTTP_BAD_URL;
	case CURLE_LOGIN_DENIED:
		return TN_HTTP_LOGIN;
	case CURLE_OUT_OF_MEMORY:
	case CURLE_AGAIN:
	case CURLE_NO_CONNECTION_AVAILABLE:
	case CURLE_UNRECOVERABLE_POLL:
		return TN_HTTP_LOCAL;
	default:
		return TN_HTTP_UNCLASSIFIED;
	}
}

static bool request_was_sent(const struct tn_http_call *call)
{
	long bytes = 0;
	return curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &bytes) == CURLE_OK && bytes > 0;
}

enum tn_http_failure tn_http_call_failure(struct tn_http_call *call, CURLcode result)
{
	if (result == CURLE_OK && (call->headers_whole || !call->tls))
		return TN_HTTP_FINE;
	if (result == CURLE_OK) { /* closed between two header lines: fine, says libcurl */
		snprintf(call->message, sizeof call->message, "the connection ended within the answer's headers");
		return TN_HTTP_TRANSPORT;
	}
	/* Cut by us, or in a way that spoils the body alone: the status counts. */
	bool about_the_body = result == CURLE_WRITE_ERROR || result == CURLE_BAD_CONTENT_ENCODING || result == CURLE_FILESIZE_EXCEEDED;
	if (about_the_body && call->headers_whole)
		return TN_HTTP_FINE;
	enum tn_http_failure failure = tn_http_failure_of(result);
	if (!call->message[0])
		snprintf(call->message, sizeof call->message, "%s", curl_easy_strerror(result));
	if (failure == TN_HTTP_CONNECT && call->shortage)
		return TN_HTTP_LOCAL;
	/* Refused for every address that was tried: another address of the same name may be down for the moment. */
	if (failure == TN_HTTP_CONNECT && call->blocked > 0 && call->opened == 0) {
		snprintf(call->message, sizeof call->message, "the address policy forbids %s", call->blocked_address);
		return TN_HTTP_ADDRESS_BLOCKED;
	}
	/* An answer that is no HTTP is reported as a wrong protocol (HTTP/0.9). */
	if (result == CURLE_UNSUPPORTED_PROTOCOL && request_was_sent(call))
		return TN_HTTP_TRANSPORT;
	return failure;
}
