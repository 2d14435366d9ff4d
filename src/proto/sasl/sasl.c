/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PLAIN: one message, authzid NUL authcid NUL passwd, each valid UTF-8 without NUL (RFC 4616 2).
 * LOGIN: two challenges, "Username:" and "Password:"; some clients send the login with the command.
 * Invariants: what was decoded is wiped before a call returns; a field over its maximum ends the exchange.
 */
#include "proto/sasl/sasl.h"

#include "base/codec.h"
#include "base/err.h"

int sasl_mechanism(struct slice name, enum sasl_mechanism *ret)
{
	if (slice_eq_ci(name, SLICE("PLAIN")))
		*ret = SASL_PLAIN;
	else if (slice_eq_ci(name, SLICE("LOGIN")))
		*ret = SASL_LOGIN;
	else
		return ERR_UNSUPPORTED;
	return 0;
}

void sasl_init(struct sasl *s, enum sasl_mechanism mechanism)
{
	*s = (struct sasl){ .mechanism = mechanism };
}

void sasl_begin(struct sasl *s, struct buf *ret_challenge)
{
	if (s->mechanism == SASL_LOGIN)
		base64_encode(ret_challenge, s->step ? SLICE("Password:") : SLICE("Username:"));
}

static int keep(struct slice in, uint8_t *to, size_t max, size_t *ret_n)
{
	if (in.n > max)
		return ERR_TOO_BIG;
	if (!utf8_valid(in) || (in.n && memchr(in.p, 0, in.n)))
		return ERR_SYNTAX;
	if (in.n)
		memcpy(to, in.p, in.n);
	*ret_n = in.n;
	return 0;
}

static int take_plain(struct sasl *s, struct slice in)
{
	ptrdiff_t first = slice_find_byte(in, 0, 0);
	ptrdiff_t second = first < 0 ? -1 : slice_find_byte(in, 0, (size_t)first + 1);
	if (second < 0)
		return ERR_SYNTAX;
	int r = keep(slice_sub(in, 0, (size_t)first), s->authzid, sizeof(s->authzid), &s->authzid_n);
	if (r == 0)
		r = keep(slice_sub(in, (size_t)first + 1, (size_t)second), s->login, sizeof(s->login), &s->login_n);
	if (r == 0)
		r = keep(slice_sub(in, (size_t)second + 1, in.n), s->password, sizeof(s->password), &s->password_n);
	if (r == 0 && (!s->login_n || !s->password_n))
		r = ERR_SYNTAX;
	return r < 0 ? r : 1;
}

static int take_login(struct sasl *s, struct slice in, struct buf *ret_challenge)
{
	int r;
	if (s->step++ == 0) {
		r = keep(in, s->login, sizeof(s->login), &s->login_n);
		if (r == 0)
			sasl_begin(s, ret_challenge);
		return r;
	}
	r = keep(in, s->password, sizeof(s->password), &s->password_n);
	if (r == 0 && (!s->login_n || !s->password_n))
		r = ERR_SYNTAX;
	return r < 0 ? r : 1;
}

int sasl_step(struct sasl *s, struct slice line, bool initial, struct buf *ret_challenge)
{
	if (line.n > SASL_LINE_MAX)
		return ERR_TOO_BIG;
	if (!initial && slice_eq(line, SLICE("*")))
		return ERR_CLOSED;
	struct buf text = BUF_INIT(SASL_LINE_MAX);
	if (!buf_reserve(&text, line.n))	/* at once: growing would leave copies behind */
		return ERR_TOO_BIG;
	int r = initial && slice_eq(line, SLICE("=")) ? 0 : base64_decode(&text, line);
	if (r == 0)
		r = s->mechanism == SASL_PLAIN ? take_plain(s, buf_view(&text)) :
						 take_login(s, buf_view(&text), ret_challenge);
	explicit_bzero(text.p, text.n);
	buf_fini(&text);
	return r;
}

void sasl_wipe(struct sasl *s)
{
	explicit_bzero(s, sizeof(*s));
}
