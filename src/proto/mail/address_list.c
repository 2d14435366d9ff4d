/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One pass over the bytes, no way back: words (atoms, quoted strings, dots) are collected as a
 * phrase until a special byte says what they were: a display name (<), the local part (@), a
 * group's name (:), or all there is (comma, semicolon, end). A comment is kept as the name of an
 * address that has no other. 8-bit and control bytes count as parts of atoms.
 */
#include "proto/mail/address_list.h"

void address_list_init(struct address_list *l, struct slice raw)
{
	*l = (struct address_list){ .in = raw };
	buf_init(&l->phrase, MAIL_ADDRESS_NAME_MAX);
	buf_init(&l->comment, MAIL_ADDRESS_NAME_MAX);
	buf_init(&l->route, MAIL_ADDRESS_PART_MAX);
	buf_init(&l->local, MAIL_ADDRESS_PART_MAX);
	buf_init(&l->host, MAIL_ADDRESS_PART_MAX);
}

void address_list_fini(struct address_list *l)
{
	buf_fini(&l->phrase);
	buf_fini(&l->comment);
	buf_fini(&l->route);
	buf_fini(&l->local);
	buf_fini(&l->host);
}

static int peek(const struct address_list *l)
{
	return l->at < l->in.n ? l->in.p[l->at] : -1;
}

static bool is_space(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_atom_byte(int c)
{
	return c >= 0 && !is_space(c) && (c == 0 || !strchr("()<>@,;:\\\".", c));
}

/* Its text replaces that of an earlier one; nested ones are kept with their brackets. */
static void read_comment(struct address_list *l)
{
	unsigned depth = 0;
	buf_clear(&l->comment);
	for (; l->at < l->in.n; l->at++) {
		uint8_t c = l->in.p[l->at];
		if (c == '(' && depth++ == 0)
			continue;
		if (c == ')' && --depth == 0) {
			l->at++;
			return;
		}
		if (c == '\\' && l->at + 1 < l->in.n)
			c = l->in.p[++l->at];
		if (c != '\r' && c != '\n')
			buf_byte(&l->comment, c);
	}
}

/* True where there was a blank or a comment. */
static bool skip_cfws(struct address_list *l)
{
	size_t from = l->at;
	for (int c; (c = peek(l)) >= 0;) {
		if (c == '(')
			read_comment(l);
		else if (is_space(c))
			l->at++;
		else
			break;
	}
	return l->at > from;
}

static void read_quoted(struct address_list *l, struct buf *to)
{
	l->at++;
	for (int c; (c = peek(l)) >= 0; l->at++) {
		if (c == '"') {
			l->at++;
			return;
		}
		if (c == '\\' && l->at + 1 < l->in.n)
			c = l->in.p[++l->at];
		if (c != '\r' && c != '\n')
			buf_byte(to, (uint8_t)c);
	}
}

static void read_atom(struct address_list *l, struct buf *to)
{
	size_t from = l->at;
	while (is_atom_byte(peek(l)))
		l->at++;
	buf_append(to, l->in.p + from, l->at - from);
}

/* Words with dots, up to a special byte that it leaves; how many words. A blank between two words
 * is kept as one space; next to a dot only where it stands for a display name (what is left of it
 * goes later). */
static unsigned read_words(struct address_list *l, struct buf *to)
{
	unsigned words = 0;
	l->last_word = 0;
	bool gap = false;
	for (int c;;) {
		bool blank = skip_cfws(l);
		gap = gap || blank;
		c = peek(l);
		if (c != '"' && c != '.' && c != '\\' && !is_atom_byte(c))
			break;
		if (gap && to->n) {
			buf_byte(to, ' ');
			if (c != '.' && to->n > 1 && to->p[to->n - 2] != '.')
				l->last_word = to->n;
		}
		gap = false;
		if (c == '"') {
			read_quoted(l, to);
			words++;
		} else if (c == '.' || c == '\\') {
			buf_byte(to, c == '.' ? '.' : '\\');
			l->at++;
		} else {
			read_atom(l, to);
			words++;
		}
	}
	return words;
}

/* obs-local-part may have blanks around its dots: "a . b". */
static void squeeze_dots(struct buf *b)
{
	size_t n = 0;
	for (size_t i = 0; i < b->n; i++) {
		uint8_t c = b->p[i];
		bool before = i + 1 < b->n && b->p[i + 1] == '.';
		bool behind = n && b->p[n - 1] == '.';
		if (c != ' ' || (!before && !behind))
			b->p[n++] = c;
	}
	b->n = n;
}

/* Behind "@": dot-atom or literal, blanks and comments taken out. */
static void read_domain(struct address_list *l, struct buf *to)
{
	for (int c;;) {
		bool blank = skip_cfws(l);
		c = peek(l);
		if (c == '[') {
			ptrdiff_t end = slice_find_byte(l->in, ']', l->at);
			size_t stop = end < 0 ? l->in.n : (size_t)end + 1;
			buf_append(to, l->in.p + l->at, stop - l->at);
			l->at = stop;
		} else if (c == '.') {
			buf_byte(to, '.');
			l->at++;
		} else if (is_atom_byte(c) && !(blank && to->n && to->p[to->n - 1] != '.')) {
			read_atom(l, to);
		} else {
			return;
		}
	}
}

/* "<" was read: route, local part, domain, ">". */
static void read_angle(struct address_list *l, struct mail_address *a)
{
	skip_cfws(l);
	while (peek(l) == '@' || peek(l) == ',') {
		if (peek(l) == ',' && l->route.n == 0)
			break;
		buf_byte(&l->route, (uint8_t)peek(l));
		l->at++;
		read_domain(l, &l->route);
		a->has_route = true;
		skip_cfws(l);
	}
	if (peek(l) == ':' && a->has_route)
		l->at++;
	read_words(l, &l->local);
	squeeze_dots(&l->local);
	a->has_mailbox = l->local.n > 0;
	if (peek(l) == '@') {
		l->at++;
		a->has_host = true;
		read_domain(l, &l->host);
	}
}

/* Whatever stands between an address and the next separator. */
static void skip_rest(struct address_list *l, bool to_angle)
{
	for (int c; (c = peek(l)) >= 0 && c != ',' && !(c == ';' && l->in_group);) {
		if (c == '>' && to_angle) {
			l->at++;
			to_angle = false;
		} else if (c == '"') {
			struct buf nothing = BUF_INIT(0);
			read_quoted(l, &nothing);
		} else if (!skip_cfws(l)) {
			l->at++;
		}
	}
}

static struct slice view(struct address_list *l, struct buf *b)
{
	l->limited |= b->over;
	return buf_view(b);
}

static void put_name(struct address_list *l, struct mail_address *a, struct buf *from)
{
	a->name = slice_trim(view(l, from));
	a->has_name = a->name.n > 0;
}

static void finish(struct address_list *l, struct mail_address *a)
{
	a->route = view(l, &l->route);
	a->mailbox = view(l, &l->local);
	a->host = view(l, &l->host);
	if (!a->has_name)
		put_name(l, a, &l->comment);
}

/* "joe@a.test <joe@a.test>": what looked like an address was a display name without quotes. */
static void angle_behind_addr_spec(struct address_list *l, struct mail_address *a)
{
	l->at++;
	buf_byte(&l->phrase, '@');
	buf_slice(&l->phrase, buf_view(&l->host));
	buf_clear(&l->local);
	buf_clear(&l->host);
	put_name(l, a, &l->phrase);
	read_angle(l, a);
	skip_rest(l, true);
}

/* The phrase was a local part; words before its last one can only have been meant as a name. */
static void take_addr_spec(struct address_list *l, struct mail_address *a)
{
	struct slice phrase = buf_view(&l->phrase);
	buf_slice(&l->local, slice_sub(phrase, l->last_word, phrase.n));
	squeeze_dots(&l->local);
	l->phrase.n = l->last_word;
	if (l->last_word)
		put_name(l, a, &l->phrase);
	a->has_mailbox = l->local.n > 0;
	a->has_host = true;
}

static void read_address(struct address_list *l, struct mail_address *a)
{
	unsigned words = read_words(l, &l->phrase);
	int c = peek(l);
	if (c == '<') {
		l->at++;
		put_name(l, a, &l->phrase);
		read_angle(l, a);
		skip_rest(l, true);
	} else if (c == ':' && !l->in_group) {
		l->at++;
		l->in_group = true;
		a->kind = MAIL_GROUP_START;
		a->has_mailbox = true;
		a->mailbox = slice_trim(view(l, &l->phrase));
		return;
	} else if (c == '@') {
		l->at++;
		read_domain(l, &l->host);
		if (peek(l) == '<') {
			angle_behind_addr_spec(l, a);
		} else {
			take_addr_spec(l, a);
			skip_rest(l, false);
		}
	} else {
		/* One word is a mailbox without a domain, several are a name without an address. */
		if (words > 1) {
			put_name(l, a, &l->phrase);
		} else {
			buf_slice(&l->local, buf_view(&l->phrase));
			a->has_mailbox = l->local.n > 0;
		}
		skip_rest(l, false);
	}
	finish(l, a);
}

static void clear(struct address_list *l)
{
	buf_clear(&l->phrase);
	buf_clear(&l->comment);
	buf_clear(&l->route);
	buf_clear(&l->local);
	buf_clear(&l->host);
}

int address_list_next(struct address_list *l, struct mail_address *ret)
{
	struct mail_address a = { .kind = MAIL_ADDRESS };
	clear(l);
	while (skip_cfws(l) || peek(l) == ',' || (peek(l) == ';' && !l->in_group)) {
		if (peek(l) == ',' || (peek(l) == ';' && !l->in_group))
			l->at++;
	}
	int c = peek(l);
	if (l->in_group && (c == ';' || c < 0)) {
		l->at += c == ';';
		l->in_group = false;
		a.kind = MAIL_GROUP_END;
	} else if (c < 0) {
		return 0;
	} else {
		clear(l);
		size_t from = l->at;
		read_address(l, &a);
		bug_if(l->at == from);
	}
	*ret = a;
	return 1;
}
