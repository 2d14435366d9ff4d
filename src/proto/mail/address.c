/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5321 4.1.2: Mailbox = Local-part "@" ( Domain / address-literal ), with the additions of RFC
 * 6531 3.3. Strict on purpose: what this accepts goes into routing decisions, logs and further SMTP
 * commands, so it holds no control byte, no second reading, no source route. Underscores in host
 * names are let through: senders use them.
 */
#include "proto/mail/address.h"

#include "base/codec.h"
#include "base/err.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <utf8proc.h>

enum { LABEL_MAX = 63 };

static bool is_atext(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c >= 0x80 ||
	       (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* Code points that make a reader see something else than the bytes say, or that are no text at all.
 */
static bool is_deceiving(uint32_t cp)
{
	return (cp >= 0x80 && cp < 0xa0) || (cp >= 0x200b && cp <= 0x200f) ||
	       (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2060 && cp <= 0x206f) || cp == 0xfeff ||
	       (cp & 0xfffe) == 0xfffe || (cp >= 0xfdd0 && cp <= 0xfdef) || cp == 0xa0;
}

static int check_bytes(struct slice s, unsigned flags)
{
	bool ascii = true;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return ERR_SYNTAX;
		ascii = ascii && s.p[i] < 0x80;
	}
	for (size_t i = 0; !ascii && i < s.n;) {
		uint32_t cp = 0;
		size_t len = utf8_decode(slice_sub(s, i, s.n), &cp);
		if (len == 0 || is_deceiving(cp))
			return ERR_SYNTAX;
		i += len;
	}
	return ascii || (flags & ADDR_UTF8) ? 0 : ERR_UNSUPPORTED;
}

/* Dot-string: atoms with single dots between them. */
static bool is_dot_string(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '.' ? i == 0 || i + 1 == s.n || s.p[i + 1] == '.' : !is_atext(s.p[i]))
			return false;
	}
	return s.n > 0;
}

/* The content of the quoted string at the front of s to raw; bytes that were read, or an error. */
static int unquote(struct slice s, uint8_t *raw, size_t *ret_n)
{
	size_t n = 0, i = 1;
	while (i < s.n && s.p[i] != '"') {
		if (s.p[i] == '\\' && ++i == s.n)
			return ERR_SYNTAX;
		if (n == ADDR_LOCAL_MAX)
			return ERR_TOO_BIG;
		raw[n++] = s.p[i++];
	}
	if (i >= s.n)
		return ERR_SYNTAX;
	*ret_n = n;
	return (int)i + 1;
}

static int put_quoted(struct addr *a, const uint8_t *raw, size_t n)
{
	uint8_t *to = a->text;
	size_t at = 0;
	to[at++] = '"';
	for (size_t i = 0; i < n; i++) {
		bool escape = raw[i] == '"' || raw[i] == '\\';
		if (at + escape + 2 > ADDR_LOCAL_MAX)
			return ERR_TOO_BIG;
		if (escape)
			to[at++] = '\\';
		to[at++] = raw[i];
	}
	to[at++] = '"';
	a->local_n = (uint16_t)at;
	return 0;
}

static int put_local(struct addr *a, const uint8_t *raw, size_t n)
{
	if (!is_dot_string(slice_of(raw, n)))
		return put_quoted(a, raw, n);
	if (n > ADDR_LOCAL_MAX)
		return ERR_TOO_BIG;
	memcpy(a->text, raw, n);
	a->local_n = (uint16_t)n;
	return 0;
}

/* Local-part at the front of s; bytes that were read, or an error. */
static int parse_local(struct slice s, struct addr *a)
{
	if (s.p[0] == '"') {
		uint8_t raw[ADDR_LOCAL_MAX];
		size_t n = 0;
		int used = unquote(s, raw, &n);
		int err = used < 0 ? used : put_local(a, raw, n);
		return err < 0 ? err : used;
	}
	size_t n = 0;
	while (n < s.n && s.p[n] != '@')
		n++;
	if (!is_dot_string(slice_sub(s, 0, n)))
		return ERR_SYNTAX;
	int err = put_local(a, s.p, n);
	return err < 0 ? err : (int)n;
}

static bool is_label_byte(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '_';
}

static bool domain_ascii_ok(struct slice s)
{
	size_t label = 0;
	for (size_t i = 0; i <= s.n; i++) {
		if (i < s.n && s.p[i] != '.') {
			if (!is_label_byte(s.p[i]) || (label == 0 && s.p[i] == '-') ||
			    ++label > LABEL_MAX)
				return false;
			continue;
		}
		if (label == 0 || s.p[i - 1] == '-')
			return false;
		label = 0;
	}
	return s.n > 0;
}

/* U-labels to A-labels; IDNA 2008 without the transitional mapping, so that sharp s stays itself.
 */
static int domain_idn(struct slice s, char ret[ADDR_DOMAIN_MAX + 1])
{
	uint8_t in[4 * ADDR_DOMAIN_MAX + 1];
	uint8_t *out = NULL;
	if (s.n >= sizeof(in))
		return ERR_TOO_BIG;
	memcpy(in, s.p, s.n);
	in[s.n] = 0;
	int rc = idn2_lookup_u8(in, &out, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (rc != IDN2_OK)
		return rc == IDN2_TOO_BIG_DOMAIN || rc == IDN2_TOO_BIG_LABEL ? ERR_TOO_BIG
									     : ERR_SYNTAX;
	int n = domain_parse(slice_str((const char *)out), 0, ret);
	idn2_free(out);
	return n;
}

int domain_parse(struct slice s, unsigned flags, char ret[ADDR_DOMAIN_MAX + 1])
{
	if (!ascii_only(s)) {
		int err = check_bytes(s, flags);
		return err < 0 ? err : domain_idn(s, ret);
	}
	if (s.n > ADDR_DOMAIN_MAX)
		return ERR_TOO_BIG;
	if (!domain_ascii_ok(s))
		return ERR_SYNTAX;
	for (size_t i = 0; i < s.n; i++)
		ret[i] = (char)ascii_lower(s.p[i]);
	ret[s.n] = 0;
	return (int)s.n;
}

/* "[1.2.3.4]", "[IPv6:...]" into their shortest form; other literals have no use and are refused.
 */
static int parse_literal(struct slice s, char ret[ADDR_DOMAIN_MAX + 1])
{
	char text[INET6_ADDRSTRLEN + 1];
	uint8_t bin[16];
	bool v6 = slice_starts_ci(s, SLICE("[IPv6:"));
	size_t from = v6 ? 6 : 1;
	if (s.n < from + 2 || s.p[s.n - 1] != ']' || s.n - from - 1 >= sizeof(text))
		return ERR_SYNTAX;
	memcpy(text, s.p + from, s.n - from - 1);
	text[s.n - from - 1] = 0;
	int family = v6 ? AF_INET6 : AF_INET;
	if (inet_pton(family, text, bin) != 1 || !inet_ntop(family, bin, text, sizeof(text)))
		return ERR_SYNTAX;
	return snprintf(ret, ADDR_DOMAIN_MAX + 1, "[%s%s]", v6 ? "IPv6:" : "", text);
}

int addr_parse(struct slice s, unsigned flags, struct addr *ret)
{
	struct addr a = { .n = 0 };
	char domain[ADDR_DOMAIN_MAX + 1];
	int err = s.n ? check_bytes(s, flags | ADDR_UTF8) : ERR_SYNTAX;
	int used = err < 0 ? err : parse_local(s, &a);
	if (used < 0)
		return used;
	a.n = a.local_n;
	struct slice rest = slice_sub(s, (size_t)used, s.n);
	if (rest.n == 0 && !(flags & ADDR_BARE))
		return ERR_SYNTAX;
	if (rest.n) {
		if (rest.p[0] != '@' || rest.n == 1)
			return ERR_SYNTAX;
		rest = slice_sub(rest, 1, rest.n);
		a.literal = rest.p[0] == '[';
		int n = a.literal ? parse_literal(rest, domain)
				  : domain_parse(rest, flags | ADDR_UTF8, domain);
		if (n < 0)
			return n;
		a.text[a.n++] = '@';
		memcpy(a.text + a.n, domain, (size_t)n);
		a.n = (uint16_t)(a.n + n);
	}
	a.utf8 = !ascii_only(addr_local(&a));
	/* Last, so that what would be wrong in any case is told first. */
	if (!ascii_only(s) && !(flags & ADDR_UTF8))
		return ERR_UNSUPPORTED;
	*ret = a;
	return 0;
}

size_t addr_local_raw(const struct addr *a, uint8_t ret[ADDR_LOCAL_MAX])
{
	size_t n = 0;
	if (a->local_n && a->text[0] == '"' && unquote(addr_local(a), ret, &n) > 0)
		return n;
	memcpy(ret, a->text, a->local_n);
	return a->local_n;
}

static int fold_utf8(const struct addr *a, uint8_t ret[ADDR_LOCAL_MAX], size_t *ret_n)
{
	utf8proc_uint8_t *out = NULL;
	utf8proc_ssize_t n = utf8proc_map(a->text, a->local_n, &out,
					  UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
	if (n < 0)
		return ERR_SYNTAX;
	int err = n > ADDR_LOCAL_MAX ? ERR_TOO_BIG : 0;
	if (err == 0) {
		memcpy(ret, out, (size_t)n);
		*ret_n = (size_t)n;
	}
	free(out);
	return err;
}

int addr_key(const struct addr *a, struct addr *key)
{
	struct addr k = *a;
	uint8_t local[ADDR_LOCAL_MAX];
	size_t n = a->local_n;
	if (!ascii_only(addr_local(a))) {
		int err = fold_utf8(a, local, &n);
		if (err < 0)
			return err;
	} else {
		for (size_t i = 0; i < n; i++)
			local[i] = ascii_lower(a->text[i]);
	}
	memcpy(k.text, local, n);
	memcpy(k.text + n, a->text + a->local_n, (size_t)a->n - a->local_n);
	k.local_n = (uint16_t)n;
	k.n = (uint16_t)(n + a->n - a->local_n);
	*key = k;
	return 0;
}
