/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of an IMAP client. A string is quoted, or a literal whose count is bytes; CR, LF and NUL cannot be
 * sent at all: a folder's or user's name never becomes a second command (THREATS I07). RFC 3501 4.3, RFC 7888.
 */
#include "proto/imap/client.h"

#include "base/codec.h"
#include "base/err.h"

enum { COMMAND_MAX = 64 * 1024 };

void imapc_command_init(struct imapc_command *c, bool literal_plus)
{
	*c = (struct imapc_command){ .out = BUF_INIT(COMMAND_MAX), .literal_plus = literal_plus };
}

void imapc_command_fini(struct imapc_command *c)
{
	if (c->out.p)
		explicit_bzero(c->out.p, c->out.cap);	/* it may have held a password */
	buf_fini(&c->out);
}

void imapc_put(struct imapc_command *c, const char *raw)
{
	buf_str(&c->out, raw);
}

void imapc_put_u64(struct imapc_command *c, uint64_t v)
{
	buf_u64(&c->out, v);
}

static bool can_be_sent(struct slice s)
{
	return s.n <= IMAPC_STRING_MAX && slice_find_byte(s, '\r', 0) < 0 && slice_find_byte(s, '\n', 0) < 0 &&
	       slice_find_byte(s, 0, 0) < 0;
}

static void put_literal(struct imapc_command *c, struct slice s)
{
	buf_byte(&c->out, '{');
	buf_u64(&c->out, s.n);
	buf_str(&c->out, c->literal_plus ? "+}\r\n" : "}\r\n");
	if (!c->literal_plus) {
		if (c->n_stops == IMAPC_STOPS_MAX)
			c->err = ERR_TOO_BIG;
		else
			c->stops[c->n_stops++] = c->out.n;
	}
	buf_slice(&c->out, s);
}

void imapc_put_string(struct imapc_command *c, struct slice s)
{
	if (!can_be_sent(s)) {
		c->err = ERR_INVALID;
		return;
	}
	if (!ascii_only(s)) {
		put_literal(c, s);
		return;
	}
	buf_byte(&c->out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_byte(&c->out, '\\');
		buf_byte(&c->out, s.p[i]);
	}
	buf_byte(&c->out, '"');
}

void imapc_put_set(struct imapc_command *c, const uint32_t *uids, size_t n)
{
	for (size_t i = 0; i < n;) {
		size_t last = i;
		while (last + 1 < n && uids[last + 1] == uids[last] + 1)
			last++;
		if (i)
			buf_byte(&c->out, ',');
		buf_u64(&c->out, uids[i]);
		if (last > i) {
			buf_byte(&c->out, ':');
			buf_u64(&c->out, uids[last]);
		}
		i = last + 1;
	}
}

int imapc_command_end(struct imapc_command *c)
{
	buf_str(&c->out, "\r\n");
	if (!buf_ok(&c->out) && c->err == 0)
		c->err = ERR_TOO_BIG;
	return c->err;
}

int imapc_sasl_plain(struct buf *out, struct slice authzid, struct slice authcid, struct slice password)
{
	struct buf plain = BUF_INIT(3 * IMAPC_STRING_MAX);
	const struct slice parts[] = { authzid, authcid, password };
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (i)
			buf_byte(&plain, 0);
		if (slice_find_byte(parts[i], 0, 0) >= 0)
			r = ERR_INVALID;
		buf_slice(&plain, parts[i]);
	}
	if (r == 0 && !buf_ok(&plain))
		r = ERR_TOO_BIG;
	if (r == 0)
		base64_encode(out, buf_view(&plain));
	explicit_bzero(plain.p, plain.n);
	buf_fini(&plain);
	return r;
}
