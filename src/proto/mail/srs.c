/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threats: somebody who makes up addresses to have mail passed on to strangers (the keyed hash), or who plays old ones
 * again (the day). Local parts may hold "=" as well: what is in front of them has none, so the first ones count.
 */
#include "proto/mail/srs.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "proto/mail/address.h"

enum { MAC = 8, DAY = 2, DAYS = 1024, TAG = 4 };

static const char digits[] = "abcdefghijklmnopqrstuvwxyz234567";

static void put_base32(struct buf *out, uint64_t v, size_t n)
{
	while (n--)
		buf_byte(out, (uint8_t)digits[v >> (5 * n) & 31]);
}

static int day_of(struct slice tt)
{
	int day = 0;
	for (size_t i = 0; i < tt.n; i++) {
		const char *at = memchr(digits, ascii_lower(tt.p[i]), 32);
		if (!at)
			return -1;
		day = day * 32 + (int)(at - digits);
	}
	return day;
}

/* In lower case, so that a server that changes the case changes nothing; tag: an SRS0's is no SRS1's. */
static void put_mac(struct buf *out, const uint8_t key[SRS_SECRET], char tag, struct slice rest)
{
	struct buf text = BUF_INIT(2 * ADDR_TEXT_MAX);
	buf_byte(&text, (uint8_t)tag);
	for (size_t i = 0; i < rest.n; i++)
		buf_byte(&text, ascii_lower(rest.p[i]));
	put_base32(out, siphash24(key, buf_view(&text)) >> 24, MAC);
	buf_fini(&text);
}

static bool is_tagged(struct slice local, char digit)
{
	return local.n > TAG + 1 && slice_eq_ci(slice_sub(local, 0, 3), SLICE("srs")) && local.p[3] == digit &&
	       strchr("=+-", local.p[TAG]);
}

bool srs_is(struct slice local)
{
	return is_tagged(local, '0') || is_tagged(local, '1');
}

/* The piece up to the next "=", which is taken away with it. */
static bool cut(struct slice *s, struct slice *ret)
{
	ptrdiff_t at = slice_find_byte(*s, '=', 0);
	if (at < 0)
		return false;
	*ret = slice_sub(*s, 0, (size_t)at);
	*s = slice_sub(*s, (size_t)at + 1, s->n);
	return true;
}

/* What follows the mac of a new address. */
static void put_rest(struct buf *rest, const struct addr *x, int64_t now_ms, char *ret_tag)
{
	struct slice local = addr_local(x), domain = addr_domain(x), mac, host, tail;
	*ret_tag = '1';
	tail = slice_sub(local, TAG + 1, local.n);
	if (is_tagged(local, '1') && cut(&tail, &mac) && cut(&tail, &host) && host.n) {
		buf_slice(rest, host);
		buf_byte(rest, '=');
		buf_slice(rest, tail);
	} else if (is_tagged(local, '0')) {
		buf_slice(rest, domain);
		buf_byte(rest, '=');
		buf_slice(rest, slice_sub(local, TAG, local.n));
	} else {
		*ret_tag = '0';
		put_base32(rest, (uint64_t)(now_ms / 86400000) % DAYS, DAY);
		buf_byte(rest, '=');
		buf_slice(rest, domain);
		buf_byte(rest, '=');
		buf_slice(rest, local);
	}
}

static int finish(struct arena *a, struct buf *text, struct slice *ret)
{
	struct addr x;
	if (!buf_ok(text))
		return ERR_TOO_BIG;
	int err = addr_parse(buf_view(text), ADDR_UTF8, &x);
	if (err == 0)
		*ret = arena_dup(a, addr_text(&x));
	return err;
}

int srs_forward(struct arena *a, const struct srs_secrets *s, struct slice sender, struct slice domain, int64_t now_ms,
		struct slice *ret)
{
	struct addr x;
	char tag;
	if (!s->n || addr_parse(sender, ADDR_UTF8, &x) < 0 || x.literal || x.text[0] == '"')
		return ERR_INVALID;
	struct buf rest = BUF_INIT(2 * ADDR_TEXT_MAX), text = BUF_INIT(4 * ADDR_TEXT_MAX);
	put_rest(&rest, &x, now_ms, &tag);
	buf_printf(&text, "SRS%c=", tag);
	put_mac(&text, s->key[0], tag, buf_view(&rest));
	buf_byte(&text, '=');
	buf_slice(&text, buf_view(&rest));
	buf_byte(&text, '@');
	buf_slice(&text, domain);
	int err = finish(a, &text, ret);
	buf_fini(&rest);
	buf_fini(&text);
	return err == ERR_SYNTAX ? ERR_INVALID : err;
}

static bool is_ours(const struct srs_secrets *s, char tag, struct slice mac, struct slice rest)
{
	bool found = false;
	for (size_t i = 0; i < s->n; i++) {
		struct buf good = BUF_INIT(MAC);
		put_mac(&good, s->key[i], tag, rest);
		found |= slice_eq_ci(mac, buf_view(&good));
		buf_fini(&good);
	}
	return found;
}

static bool is_fresh(struct slice tt, int64_t now_ms)
{
	int day = day_of(tt), today = (int)(now_ms / 86400000 % DAYS);
	return day >= 0 && (today - day + DAYS) % DAYS <= SRS_DAYS;
}

/* rest: what follows the mac, of an SRS0: tt=domain=local. */
static int back_to_sender(struct slice rest, int64_t now_ms, struct buf *text)
{
	struct slice tt, domain;
	if (!cut(&rest, &tt) || !cut(&rest, &domain) || tt.n != DAY || !rest.n)
		return ERR_SYNTAX;
	if (!is_fresh(tt, now_ms))
		return ERR_TIMEOUT;
	buf_slice(text, rest);
	buf_byte(text, '@');
	buf_slice(text, domain);
	return 0;
}

/* Of an SRS1: host=, and what stood behind SRS0 there. */
static int back_to_first(struct slice rest, struct buf *text)
{
	struct slice host;
	if (!cut(&rest, &host) || !rest.n)
		return ERR_SYNTAX;
	buf_str(text, "SRS0");
	buf_slice(text, rest);
	buf_byte(text, '@');
	buf_slice(text, host);
	return 0;
}

int srs_reverse(struct arena *a, const struct srs_secrets *s, struct slice local, int64_t now_ms, struct slice *ret)
{
	struct slice mac, rest = slice_sub(local, TAG + 1, local.n);
	if (!srs_is(local) || !cut(&rest, &mac) || mac.n != MAC)
		return ERR_SYNTAX;
	char tag = (char)local.p[3];
	if (!is_ours(s, tag, mac, rest))
		return ERR_DENIED;
	struct buf text = BUF_INIT(4 * ADDR_TEXT_MAX);
	int err = tag == '0' ? back_to_sender(rest, now_ms, &text) : back_to_first(rest, &text);
	if (err == 0)
		err = finish(a, &text, ret);
	buf_fini(&text);
	return err;
}
