/* SPDX-License-Identifier: Apache-2.0 */
/* Names and redirects of the web (web.h). RFC 9110 7.2, 15.4.9; RFC 9112 3; RFC 3986 3.2, 3.3. */
#include "proto/api/web.h"

#include "base/err.h"

enum { PATH_MAX_BYTES = 2048 };

int web_authority(struct slice url, struct slice *ret)
{
	if (!slice_starts_ci(url, SLICE("https://")))
		return ERR_SYNTAX;
	struct slice rest = slice_sub(url, 8, url.n);
	size_t n = 0;
	while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?' && rest.p[n] != '#')
		n++;
	rest = slice_sub(rest, 0, n);
	if (!rest.n || web_host_check(rest, rest) < 0)
		return ERR_SYNTAX;
	*ret = rest;
	return 0;
}

static bool is_port(struct slice s)
{
	uint64_t port;
	return slice_u64(s, 65535, &port) == 0 && port > 0;
}

/* "name", "name:port", "[v6]", "[v6]:port"; nothing else, above all no '@'. */
static int split(struct slice host, struct slice *ret_name)
{
	bool bracketed = host.n && host.p[0] == '[';
	ptrdiff_t end = slice_find_byte(host, bracketed ? ']' : ':', 0);
	if (bracketed && end < 0)
		return ERR_SYNTAX;
	size_t n = end < 0 ? host.n : (size_t)end + bracketed;
	struct slice name = slice_sub(host, 0, n), rest = slice_sub(host, n, host.n);
	if (!name.n || name.n > 255 || (rest.n && (rest.p[0] != ':' || !is_port(slice_sub(rest, 1, rest.n)))))
		return ERR_SYNTAX;
	for (size_t i = bracketed; i + bracketed < name.n; i++) {
		uint8_t c = name.p[i];
		bool plain = ascii_is_alpha(c) || ascii_is_digit(c) || c == '.' || c == '-';
		if (bracketed ? !(ascii_is_digit(c) || c == ':' || c == '.' || ((c | 32) >= 'a' && (c | 32) <= 'f')) : !plain)
			return ERR_SYNTAX;
	}
	*ret_name = name;
	return 0;
}

int web_host_name(struct slice host, struct slice *ret)
{
	return split(host, ret);
}

int web_host_check(struct slice host, struct slice authority)
{
	struct slice name, ours;
	if (split(host, &name) < 0 || split(authority, &ours) < 0)
		return ERR_SYNTAX;
	return slice_eq_ci(name, ours) ? 0 : ERR_NOT_FOUND;
}

bool web_is_old(struct slice host, struct slice authority, struct slice old_names)
{
	struct slice name;
	if (web_host_check(host, authority) != ERR_NOT_FOUND || split(host, &name) < 0)
		return false;
	for (size_t at = 0, end; at < old_names.n; at = end + 1) {
		for (end = at; end < old_names.n && old_names.p[end] != ' ' && old_names.p[end] != '\t'; end++)
			;
		if (slice_eq_ci(slice_sub(old_names, at, end), name))
			return true;
	}
	return false;
}

bool web_may_move(struct slice method, struct slice target)
{
	if (!slice_eq(method, SLICE("GET")) && !slice_eq(method, SLICE("HEAD")))
		return false;
	return !slice_starts(target, SLICE("/api")) || (target.n > 4 && target.p[4] != '/' && target.p[4] != '?');
}

bool web_is_forwarded(struct slice header)
{
	static const char *const names[] = { "Forwarded", "X-Original-URL", "X-Rewrite-URL", "X-Host", "X-HTTP-Host-Override",
					     "X-HTTP-Method-Override" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_eq_ci(header, slice_str(names[i])))
			return true;
	}
	return slice_starts_ci(header, SLICE("X-Forwarded-"));
}

/* Behind the empty line, or 0. */
static size_t head_of(struct slice in)
{
	ptrdiff_t crlf = slice_find(in, SLICE("\r\n\r\n"), 0), lf = slice_find(in, SLICE("\n\n"), 0);
	if (crlf >= 0 && (lf < 0 || crlf < lf))
		return (size_t)crlf + 4;
	return lf < 0 ? 0 : (size_t)lf + 2;
}

/* RFC 3986 3.3 and 3.4, all of it visible; "//" in front would name a host. */
static bool is_plain_target(struct slice s)
{
	if (!s.n || s.n > PATH_MAX_BYTES || s.p[0] != '/' || (s.n > 1 && (s.p[1] == '/' || s.p[1] == '\\')))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if (!ascii_is_alpha(c) && !ascii_is_digit(c) && !(c && strchr("/-._~%!$&'()*+,;=:@?", c)))
			return false;
	}
	return true;
}

/* "GET /path HTTP/1.1": its target, or an empty slice. */
static struct slice target_of(struct slice line)
{
	struct slice none = { 0 };
	ptrdiff_t one = slice_find_byte(line, ' ', 0);
	ptrdiff_t two = one < 0 ? -1 : slice_find_byte(line, ' ', (size_t)one + 1);
	if (two < 0)
		return none;
	struct slice method = slice_sub(line, 0, (size_t)one), version = slice_sub(line, (size_t)two + 1, line.n);
	if ((!slice_eq(method, SLICE("GET")) && !slice_eq(method, SLICE("HEAD"))) ||
	    (!slice_eq(version, SLICE("HTTP/1.1")) && !slice_eq(version, SLICE("HTTP/1.0"))))
		return none;
	return slice_sub(line, (size_t)one + 1, (size_t)two);
}

/* One Host, and it is an old name; tokens: there is something that says who asks. */
static bool head_is_old(struct slice head, struct slice authority, struct slice old_names, bool *tokens)
{
	size_t hosts = 0;
	struct slice host = { 0 };
	ptrdiff_t end;
	for (size_t at = 0; (end = slice_find_byte(head, '\n', at)) >= 0; at = (size_t)end + 1) {
		struct slice line = slice_sub(head, at, (size_t)end);
		if (slice_starts_ci(line, SLICE("Host:")) && !hosts++)
			host = slice_trim(slice_sub(line, 5, line.n));
		*tokens |= slice_starts_ci(line, SLICE("Authorization:"));
	}
	return hosts == 1 && web_is_old(host, authority, old_names);
}

int web_redirect(struct slice in, struct slice authority, struct slice old_names, struct buf *out)
{
	size_t head = head_of(in);
	if (!head)
		return in.n > WEB_REDIRECT_IN_MAX ? ERR_TOO_BIG : 0;
	if (head > WEB_REDIRECT_IN_MAX)
		return ERR_TOO_BIG;
	ptrdiff_t end = slice_find_byte(in, '\n', 0);
	struct slice target = target_of(slice_trim(slice_sub(in, 0, (size_t)end)));
	bool tokens = false, old = head_is_old(slice_sub(in, 0, head), authority, old_names, &tokens);
	if (old && is_plain_target(target) && (tokens || !web_may_move(SLICE("GET"), target)))
		buf_str(out, "HTTP/1.1 421 Misdirected Request\r\n");
	else if (old && is_plain_target(target))
		buf_printf(out, "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://" SLICE_FMT "/\r\n"
			   "Cache-Control: " WEB_MOVED_CACHE "\r\n", SLICE_ARG(authority));
	else if (is_plain_target(target))
		buf_printf(out, "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://" SLICE_FMT SLICE_FMT "\r\n",
			   SLICE_ARG(authority), SLICE_ARG(target));
	else
		buf_str(out, "HTTP/1.1 400 Bad Request\r\n");
	buf_str(out, "Content-Length: 0\r\nConnection: close\r\nX-Content-Type-Options: nosniff\r\n\r\n");
	return 1;
}
