/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only place where directory takes an address apart. Threats: two parsers that disagree about the
 * domain (a quoted '@', a comment, an encoded word, an ideographic dot), two spellings of one mailbox, and
 * addresses as code; what comes out is opaque data for bound parameters.
 */
#include "room/directory/db/name.h"

#include "base/codec.h"
#include "base/err.h"

#include <idn2.h>
#include <utf8proc.h>

static bool is_atext(uint8_t c)
{
	return c >= 0x80 || ascii_is_alpha(c) || ascii_is_digit(c) ||
	       (c && strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* RFC 5321 Dot-string: its length, 0 where the input does not begin with one. */
static size_t dot_string(struct slice in)
{
	size_t i = 0;
	bool after_dot = true;
	for (; i < in.n; i++) {
		if (in.p[i] == '.' && !after_dot)
			after_dot = true;
		else if (is_atext(in.p[i]))
			after_dot = false;
		else
			break;
	}
	return after_dot ? 0 : i;
}

/* RFC 5321 Quoted-string; out gets what it stands for. Its length, 0 where it is none. */
static size_t quoted_string(struct slice in, struct buf *out)
{
	if (!in.n || in.p[0] != '"')
		return 0;
	for (size_t i = 1; i < in.n; i++) {
		uint8_t c = in.p[i];
		if (c == '"')
			return out->n ? i + 1 : 0;
		if (c == '\\' && (++i >= in.n || in.p[i] >= 0x80))
			return 0;
		c = in.p[i];
		if (c < 32 || c == 127)
			return 0;
		buf_byte(out, c);
	}
	return 0;
}

static int fold(struct arena *a, struct slice in, struct slice *ret)
{
	if (ascii_only(in)) {
		uint8_t *p = arena_alloc(a, in.n + 1);
		for (size_t i = 0; i < in.n; i++)
			p[i] = ascii_lower(in.p[i]);
		*ret = slice_of(p, in.n);
		return 0;
	}
	if (!utf8_valid(in))
		return ERR_SYNTAX;
	utf8proc_uint8_t *folded = NULL;
	utf8proc_ssize_t n = utf8proc_map(in.p, (utf8proc_ssize_t)in.n, &folded,
					  UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
	if (n <= 0 || n > 3 * NAME_LOCAL_MAX) {
		free(folded);
		return n > 0 ? ERR_TOO_BIG : ERR_SYNTAX;
	}
	*ret = arena_dup(a, slice_of(folded, (size_t)n));
	free(folded);
	return 0;
}

/* Takes the local part off the front; *ret_used says how long it was as written. */
static int take_local(struct arena *a, struct slice in, struct slice *ret, size_t *ret_used)
{
	struct buf text = BUF_INIT(NAME_TEXT_MAX);
	size_t used = quoted_string(in, &text);
	if (!used) {
		buf_clear(&text);
		used = dot_string(in);
		buf_slice(&text, slice_sub(in, 0, used));
	}
	int r = ERR_SYNTAX;
	if (used && (text.n > NAME_LOCAL_MAX || !buf_ok(&text)))
		r = ERR_TOO_BIG;
	else if (used)
		r = fold(a, buf_view(&text), ret);
	buf_fini(&text);
	*ret_used = used;
	return r;
}

int name_local(struct arena *a, struct slice in, struct slice *ret)
{
	size_t used = 0;
	struct slice local;
	int r = take_local(a, in, &local, &used);
	if (r < 0)
		return r;
	if (used != in.n)
		return ERR_SYNTAX;
	*ret = local;
	return 0;
}

static bool label_ok(struct slice label)
{
	if (!label.n || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++)
		if (!ascii_is_alpha(label.p[i]) && !ascii_is_digit(label.p[i]) && label.p[i] != '-')
			return false;
	return true;
}

static bool all_digits(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!ascii_is_digit(s.p[i]))
			return false;
	return true;
}

static int check_ldh(struct slice name)
{
	if (!name.n)
		return ERR_SYNTAX;
	if (name.n > NAME_DOMAIN_MAX)
		return ERR_TOO_BIG;
	size_t from = 0;
	for (;;) {
		ptrdiff_t dot = slice_find_byte(name, '.', from);
		struct slice label = slice_sub(name, from, dot < 0 ? name.n : (size_t)dot);
		if (!label_ok(label))
			return ERR_SYNTAX;
		if (dot < 0)
			return all_digits(label) ? ERR_SYNTAX : 0; /* 192.0.2.1 is no name */
		from = (size_t)dot + 1;
	}
}

static int to_a_labels(struct arena *a, struct slice in, struct slice *ret)
{
	if (!utf8_valid(in) || memchr(in.p, 0, in.n))
		return ERR_SYNTAX;
	uint8_t *out = NULL;
	int r = idn2_lookup_u8((const uint8_t *)arena_str(a, in), &out,
			       IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	if (r != IDN2_OK)
		return r == IDN2_TOO_BIG_DOMAIN || r == IDN2_TOO_BIG_LABEL ? ERR_TOO_BIG
									   : ERR_SYNTAX;
	*ret = arena_dup(a, slice_str((const char *)out));
	idn2_free(out);
	return 0;
}

int name_domain(struct arena *a, struct slice in, struct slice *ret)
{
	if (!in.n)
		return ERR_SYNTAX;
	if (in.n > 4 * NAME_DOMAIN_MAX)
		return ERR_TOO_BIG;
	uint8_t *p = arena_alloc(a, in.n + 1);
	for (size_t i = 0; i < in.n; i++)
		p[i] = ascii_lower(in.p[i]);
	struct slice name = slice_of(p, in.n);
	if (!ascii_only(name) || slice_find(name, SLICE("xn--"), 0) >= 0) {
		int r = to_a_labels(a, name, &name);
		if (r < 0)
			return r;
	}
	int r = check_ldh(name);
	if (r < 0)
		return r;
	*ret = name;
	return 0;
}

/* [192.0.2.1] or [IPv6:...]: only the characters are checked, nobody routes by it. */
static bool is_literal(struct slice s)
{
	if (s.n < 3 || s.n > 80 || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return false;
	for (size_t i = 1; i + 1 < s.n; i++)
		if (s.p[i] <= 32 || s.p[i] >= 127 || strchr("[]\\", s.p[i]))
			return false;
	return true;
}

int name_parse(struct arena *a, struct slice in, struct name *ret)
{
	struct name name = { 0 };
	size_t used = 0;
	if (in.n > NAME_TEXT_MAX)
		return ERR_TOO_BIG;
	int r = take_local(a, in, &name.local, &used);
	if (r < 0)
		return r;
	if (used >= in.n || in.p[used] != '@')
		return ERR_SYNTAX;
	struct slice domain = slice_sub(in, used + 1, in.n);
	if (is_literal(domain)) {
		name.literal = true;
		r = fold(a, domain, &name.domain);
	} else {
		r = name_domain(a, domain, &name.domain);
	}
	if (r < 0)
		return r;
	*ret = name;
	return 0;
}

void name_format(struct buf *out, struct slice local, struct slice domain)
{
	if (dot_string(local) == local.n) {
		buf_slice(out, local);
	} else {
		buf_byte(out, '"');
		for (size_t i = 0; i < local.n; i++) {
			if (local.p[i] == '"' || local.p[i] == '\\')
				buf_byte(out, '\\');
			buf_byte(out, local.p[i]);
		}
		buf_byte(out, '"');
	}
	buf_byte(out, '@');
	buf_slice(out, domain);
}

struct slice name_text(struct arena *a, struct slice local, struct slice domain)
{
	struct buf text = BUF_INIT(1024);
	name_format(&text, local, domain);
	struct slice s = arena_dup(a, buf_view(&text));
	buf_fini(&text);
	return s;
}

bool name_base(struct slice local, uint8_t separator, struct slice *ret)
{
	ptrdiff_t plus = separator ? slice_find_byte(local, separator, 0) : -1;
	if (plus <= 0)
		return false;
	*ret = slice_sub(local, 0, (size_t)plus);
	return true;
}

bool name_routes(struct slice local)
{
	for (size_t i = 0; i < local.n; i++)
		if (strchr("%!@", local.p[i]) && local.p[i])
			return true;
	return false;
}
