/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths. The address itself is proto/mail/address.h's; here are the brackets and the source route, which is
 * checked for its form and then ignored (RFC 5321 3.6.1, appendix C): "<@a,@b:x@y>" means x@y and nothing
 * else, for authorisation too (S28, S29). A path without brackets is refused.
 */
#include "proto/smtp/path.h"

#include "base/err.h"
#include "proto/mail/address.h"

enum { ROUTE_MAX = 512 };

static const struct smtp_status no_path = { 501, "5.5.2", "An address in <> is expected" },
	bad_sender = { 501, "5.1.7", "Bad syntax of the sender's address" },
	bad_rcpt = { 501, "5.1.3", "Bad syntax of the recipient's address" },
	bad_utf8 = { 553, "5.6.7", "The address is not valid UTF-8" };

/* Index of the '>' that closes the path, outside of quoted strings; -1 where there is none. */
static ptrdiff_t closing(struct slice in)
{
	bool quoted = false;
	for (size_t i = 1; i < in.n; i++) {
		if (quoted && in.p[i] == '\\')
			i++;
		else if (in.p[i] == '"')
			quoted = !quoted;
		else if (in.p[i] == '>' && !quoted)
			return (ptrdiff_t)i;
	}
	return -1;
}

/* "@a,@b:" off the front: its length, 0 where there is none, < 0 where it is broken. */
static ptrdiff_t route_length(struct slice path)
{
	if (!path.n || *path.p != '@')
		return 0;
	ptrdiff_t colon = slice_find_byte(path, ':', 0);
	if (colon < 0 || colon > ROUTE_MAX)
		return ERR_SYNTAX;
	for (size_t at = 0; at < (size_t)colon;) {
		ptrdiff_t comma = slice_find_byte(slice_sub(path, 0, (size_t)colon), ',', at);
		size_t end = comma < 0 ? (size_t)colon : (size_t)comma;
		char domain[ADDR_DOMAIN_MAX + 1];
		if (path.p[at] != '@' || domain_parse(slice_sub(path, at + 1, end), ADDR_UTF8, domain) < 0)
			return ERR_SYNTAX;
		if (end + 1 == (size_t)colon)	/* "@a,:" */
			return ERR_SYNTAX;
		at = end + 1;
	}
	return colon + 1;
}

static bool has_8bit(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] >= 0x80)
			return true;
	return false;
}

const struct smtp_status *smtp_path_parse(struct slice in, bool rcpt, struct arena *a, struct smtp_path *ret,
					  struct slice *ret_rest)
{
	const struct smtp_status *bad = rcpt ? &bad_rcpt : &bad_sender;
	while (in.n && *in.p == ' ')
		in = slice_sub(in, 1, in.n);
	ptrdiff_t end = in.n && *in.p == '<' ? closing(in) : -1;
	if (end < 0 || ((size_t)end + 1 < in.n && in.p[end + 1] != ' '))
		return &no_path;
	*ret_rest = slice_sub(in, (size_t)end + 1, in.n);
	struct slice path = slice_sub(in, 1, (size_t)end);
	ptrdiff_t route = route_length(path);
	if (route < 0)
		return bad;
	path = slice_sub(path, (size_t)route, path.n);
	*ret = (struct smtp_path){ .original = path, .utf8 = has_8bit(path) };
	if (!path.n)
		return rcpt || route ? bad : NULL;
	struct addr addr;
	bool bare = rcpt && slice_eq_ci(path, SLICE("postmaster"));
	if (addr_parse(path, ADDR_UTF8 | (bare ? ADDR_BARE : 0), &addr) < 0)
		return ret->utf8 ? &bad_utf8 : bad;
	ret->address = arena_dup(a, addr_text(&addr));
	return NULL;
}
