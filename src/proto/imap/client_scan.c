/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One response of a server taken apart. Tolerant where servers differ (unknown responses and FETCH items are
 * stepped over), strict where a wrong reading would lose mail: a FETCH whose items do not parse is an error.
 *
 * RFC 3501 7 and 9, RFC 9051 7, RFC 6154 (special use), RFC 2342 (NAMESPACE), RFC 5258 (LIST extended).
 */
#include "proto/imap/client_scan.h"

#include "base/err.h"

struct scan {
	struct slice s;
	size_t at;
	uint8_t *scratch;
	size_t scratched;
	size_t body_at;
	unsigned depth;
};

enum { DEPTH_MAX = 32 };

static bool at_end(const struct scan *c)
{
	return c->at >= c->s.n;
}

static uint8_t peek(const struct scan *c)
{
	return at_end(c) ? 0 : c->s.p[c->at];
}

static bool eat(struct scan *c, uint8_t b)
{
	if (at_end(c) || c->s.p[c->at] != b)
		return false;
	c->at++;
	return true;
}

static void blanks(struct scan *c)
{
	while (eat(c, ' '))
		;
}

static bool is_atom(uint8_t b)
{
	return b > ' ' && b != '(' && b != ')' && b != '"' && b != 0x7f && b != IMAPC_BODY_MARK;
}

static struct slice atom(struct scan *c)
{
	size_t from = c->at;

	while (!at_end(c) && is_atom(c->s.p[c->at]))
		c->at++;
	return slice_sub(c->s, from, c->at);
}

static struct slice rest(const struct scan *c)
{
	return slice_sub(c->s, c->at, c->s.n);
}

static int quoted(struct scan *c, struct slice *ret)
{
	uint8_t *to = c->scratch + c->scratched;
	size_t n = 0;

	c->at++;
	while (!at_end(c)) {
		uint8_t b = c->s.p[c->at++];
		if (b == '"') {
			c->scratched += n;
			*ret = slice_of(to, n);
			return 0;
		}
		if (b == '\\') {
			if (at_end(c))
				break;
			b = c->s.p[c->at++];
		}
		to[n++] = b;
	}
	return ERR_SYNTAX;
}

/* "{n}" CRLF and n bytes; the reader has put exactly n there. */
static int literal(struct scan *c, struct slice *ret)
{
	uint64_t n;
	ptrdiff_t end = slice_find(c->s, SLICE("}\r\n"), c->at);

	if (end < 0 || slice_u64(slice_sub(c->s, c->at + 1, (size_t)end), IMAPC_LINE_MAX, &n) < 0)
		return ERR_SYNTAX;
	if (n > c->s.n - (size_t)end - 3)
		return ERR_SYNTAX;
	*ret = slice_sub(c->s, (size_t)end + 3, (size_t)end + 3 + n);
	c->at = (size_t)end + 3 + n;
	return 0;
}

/* astring or nstring; NIL is *ret_nil with an empty string. */
static int string(struct scan *c, struct slice *ret, bool *ret_nil)
{
	*ret_nil = false;
	if (peek(c) == '"')
		return quoted(c, ret);
	if (peek(c) == '~' && c->at + 1 < c->s.n && c->s.p[c->at + 1] == '{')
		c->at++;
	if (peek(c) == '{')
		return literal(c, ret);
	struct slice word = atom(c);
	if (word.n == 0)
		return ERR_SYNTAX;
	*ret_nil = slice_eq_ci(word, SLICE("NIL"));
	*ret = *ret_nil ? slice_of(NULL, 0) : word;
	return 0;
}

static int number(struct scan *c, uint64_t max, uint64_t *ret)
{
	size_t from = c->at;

	while (ascii_is_digit(peek(c)))
		c->at++;
	return slice_u64(slice_sub(c->s, from, c->at), max, ret) < 0 ? ERR_SYNTAX : 0;
}

/* Any value: atom, string, body mark, or a list of them. */
static int skip_value(struct scan *c)
{
	struct slice s;
	bool nil;

	if (eat(c, IMAPC_BODY_MARK))
		return 0;
	if (!eat(c, '('))
		return string(c, &s, &nil);
	if (++c->depth > DEPTH_MAX)
		return ERR_SYNTAX;
	for (blanks(c); !eat(c, ')'); blanks(c))
		if (at_end(c) || skip_value(c) < 0)
			return ERR_SYNTAX;
	c->depth--;
	return 0;
}

/* "(" words ")": the words between; no strings, no lists inside. */
static int words(struct scan *c, struct slice *ret)
{
	if (!eat(c, '('))
		return ERR_SYNTAX;
	size_t from = c->at;
	while (!at_end(c) && peek(c) != ')') {
		if (peek(c) != ' ' && !is_atom(peek(c)))
			return ERR_SYNTAX;
		c->at++;
	}
	*ret = slice_sub(c->s, from, c->at);
	return eat(c, ')') ? 0 : ERR_SYNTAX;
}

bool imapc_word(struct slice *left, struct slice *ret)
{
	size_t from = 0;

	while (from < left->n && left->p[from] == ' ')
		from++;
	size_t to = from;
	while (to < left->n && left->p[to] != ' ')
		to++;
	if (to == from)
		return false;
	*ret = slice_sub(*left, from, to);
	*left = slice_sub(*left, to, left->n);
	return true;
}

bool imapc_has_word(struct slice list, const char *word)
{
	struct slice w;

	while (imapc_word(&list, &w))
		if (slice_eq_ci(w, slice_str(word)))
			return true;
	return false;
}

unsigned imapc_flag_bit(struct slice flag)
{
	static const char *const names[] = { "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (slice_eq_ci(flag, slice_str(names[i])))
			return 1u << i;
	return 0;
}

bool imapc_code_number(struct slice code, const char *name, uint64_t max, uint64_t *ret)
{
	struct slice w, value;

	return imapc_word(&code, &w) && slice_eq_ci(w, slice_str(name)) && imapc_word(&code, &value) &&
	       slice_u64(value, max, ret) == 0;
}

/* -- one response each ---------------------------------------------------------------------------- */

static unsigned list_attribute(struct slice word)
{
	static const struct {
		const char *name;
		unsigned bit;
	} table[] = {
		{ "\\All", IMAPC_ALL },		{ "\\Archive", IMAPC_ARCHIVE },	  { "\\Drafts", IMAPC_DRAFTS },
		{ "\\Flagged", IMAPC_FLAGGED }, { "\\Junk", IMAPC_JUNK },	  { "\\Sent", IMAPC_SENT },
		{ "\\Trash", IMAPC_TRASH },	{ "\\Noselect", IMAPC_NOSELECT }, { "\\NonExistent", IMAPC_NOSELECT },
		{ "\\Spam", IMAPC_JUNK },	{ "\\AllMail", IMAPC_ALL },	  { "\\Starred", IMAPC_FLAGGED },
		{ "\\Subscribed", IMAPC_SUBSCRIBED },
	};
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (slice_eq_ci(word, slice_str(table[i].name)))
			return table[i].bit;
	return 0;
}

static int delimiter(struct scan *c, char *ret)
{
	struct slice s;
	bool nil;

	if (string(c, &s, &nil) < 0 || s.n > 1)
		return ERR_SYNTAX;
	*ret = s.n ? (char)s.p[0] : 0;
	return 0;
}

static int parse_list(struct scan *c, struct imapc_response *ret)
{
	struct slice attributes, word;
	bool nil;

	blanks(c);
	if (words(c, &attributes) < 0)
		return ERR_SYNTAX;
	while (imapc_word(&attributes, &word))
		ret->list.attributes |= list_attribute(word);
	blanks(c);
	if (delimiter(c, &ret->list.delimiter) < 0)
		return ERR_SYNTAX;
	blanks(c);
	int r = string(c, &ret->list.name, &nil);
	if (r == 0 && nil)	/* a mailbox may be called NIL */
		ret->list.name = SLICE("NIL");
	return r;
}

static int parse_mailbox_status(struct scan *c, struct imapc_response *ret)
{
	static const struct {
		const char *name;
		unsigned has;
	} table[] = {
		{ "MESSAGES", IMAPC_HAS_MESSAGES },
		{ "UIDNEXT", IMAPC_HAS_UIDNEXT },
		{ "UIDVALIDITY", IMAPC_HAS_UIDVALIDITY },
	};
	uint64_t *const values[] = { &ret->status.messages, &ret->status.uidnext, &ret->status.uidvalidity };
	bool nil;

	blanks(c);
	if (string(c, &ret->list.name, &nil) < 0)
		return ERR_SYNTAX;
	blanks(c);
	if (!eat(c, '('))
		return ERR_SYNTAX;
	for (blanks(c); !eat(c, ')'); blanks(c)) {
		struct slice name = atom(c);
		size_t i = 0;
		blanks(c);
		while (i < ARRAY_SIZE(table) && !slice_eq_ci(name, slice_str(table[i].name)))
			i++;
		if (name.n == 0)
			return ERR_SYNTAX;
		if (i == ARRAY_SIZE(table) ? skip_value(c) < 0 : number(c, UINT32_MAX, values[i]) < 0)
			return ERR_SYNTAX;
		if (i < ARRAY_SIZE(table))
			ret->status.has |= table[i].has;
	}
	return 0;
}

static int parse_namespace_entry(struct scan *c, int kind, struct imapc_response *ret)
{
	struct imapc_namespace ns = { .kind = kind };
	bool nil;

	if (!eat(c, '('))
		return ERR_SYNTAX;
	blanks(c);
	if (string(c, &ns.prefix, &nil) < 0)
		return ERR_SYNTAX;
	blanks(c);
	if (delimiter(c, &ns.delimiter) < 0)
		return ERR_SYNTAX;
	for (blanks(c); !eat(c, ')'); blanks(c))
		if (at_end(c) || skip_value(c) < 0)
			return ERR_SYNTAX;
	if (ret->namespaces.n < IMAPC_NAMESPACES_MAX)
		ret->namespaces.items[ret->namespaces.n++] = ns;
	return 0;
}

static int parse_namespace(struct scan *c, struct imapc_response *ret)
{
	for (int kind = 0; kind < 3; kind++) {
		blanks(c);
		if (!eat(c, '(')) {
			if (!slice_eq_ci(atom(c), SLICE("NIL")))
				return ERR_SYNTAX;
			continue;
		}
		for (blanks(c); !eat(c, ')'); blanks(c))
			if (parse_namespace_entry(c, kind, ret) < 0)
				return ERR_SYNTAX;
	}
	return 0;
}

static int fetch_flags(struct scan *c, struct imapc_response *ret)
{
	struct slice left, word;

	if (words(c, &ret->fetch.flags) < 0)
		return ERR_SYNTAX;
	left = ret->fetch.flags;
	while (imapc_word(&left, &word))
		ret->fetch.flag_bits |= imapc_flag_bit(word);
	ret->fetch.has |= IMAPC_HAS_FLAGS;
	return 0;
}

static int fetch_date(struct scan *c, struct imapc_response *ret)
{
	bool nil;

	if (string(c, &ret->fetch.date, &nil) < 0)
		return ERR_SYNTAX;
	ret->fetch.date = slice_trim(ret->fetch.date);
	ret->fetch.has |= IMAPC_HAS_DATE;
	return 0;
}

static bool names_body(struct slice name)
{
	return slice_eq_ci(name, SLICE("BODY[]")) || slice_eq_ci(name, SLICE("RFC822")) ||
	       slice_eq_ci(name, SLICE("BODY[]<0>")) || slice_eq_ci(name, SLICE("BINARY[]"));
}

/* Streamed, or a short string, or NIL (no content: what it had is gone). */
static int fetch_body(struct scan *c, struct imapc_response *ret)
{
	bool nil = false;

	ret->fetch.streamed = c->at == c->body_at;
	if (ret->fetch.streamed)
		c->at++;
	else if (string(c, &ret->fetch.body, &nil) < 0)
		return ERR_SYNTAX;
	if (!nil)
		ret->fetch.has |= IMAPC_HAS_BODY;
	return 0;
}

static int fetch_item(struct scan *c, struct slice name, struct imapc_response *ret)
{
	uint64_t n;

	if (slice_eq_ci(name, SLICE("FLAGS")))
		return fetch_flags(c, ret);
	if (slice_eq_ci(name, SLICE("INTERNALDATE")))
		return fetch_date(c, ret);
	if (slice_eq_ci(name, SLICE("UID"))) {
		if (number(c, UINT32_MAX, &n) < 0 || n == 0)
			return ERR_SYNTAX;
		ret->fetch.uid = (uint32_t)n;
		ret->fetch.has |= IMAPC_HAS_UID;
		return 0;
	}
	if (slice_eq_ci(name, SLICE("RFC822.SIZE"))) {
		ret->fetch.has |= IMAPC_HAS_SIZE;
		return number(c, INT64_MAX, &ret->fetch.size);
	}
	return names_body(name) ? fetch_body(c, ret) : skip_value(c);
}

static int parse_fetch(struct scan *c, struct imapc_response *ret)
{
	blanks(c);
	if (!eat(c, '('))
		return ERR_SYNTAX;
	for (blanks(c); !eat(c, ')'); blanks(c)) {
		struct slice name = atom(c);
		/* BODY[HEADER.FIELDS (A B)]: blanks and lists belong to the name up to ']' */
		if (slice_find_byte(name, '[', 0) >= 0 && slice_find_byte(name, ']', 0) < 0) {
			ptrdiff_t end = slice_find_byte(c->s, ']', c->at);
			if (end < 0)
				return ERR_SYNTAX;
			c->at = (size_t)end + 1;
			atom(c);
		}
		if (name.n == 0)
			return ERR_SYNTAX;
		blanks(c);
		if (fetch_item(c, name, ret) < 0)
			return ERR_SYNTAX;
	}
	return 0;
}

static bool condition_of(struct slice word, enum imapc_condition *ret)
{
	static const char *const names[] = { "OK", "NO", "BAD", "BYE", "PREAUTH" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!slice_eq_ci(word, slice_str(names[i])))
			continue;
		*ret = (enum imapc_condition)i;
		return true;
	}
	return false;
}

static void resp_text(struct scan *c, struct imapc_response *ret)
{
	ret->kind = IMAPC_STATUS;
	blanks(c);
	ptrdiff_t end = peek(c) == '[' ? slice_find_byte(c->s, ']', c->at) : -1;
	if (end > 0) {
		ret->code = slice_sub(c->s, c->at + 1, (size_t)end);
		c->at = (size_t)end + 1;
		blanks(c);
	}
	ret->text = rest(c);
}

static int parse_numbered(struct scan *c, uint64_t n, struct imapc_response *ret)
{
	struct slice word;

	blanks(c);
	word = atom(c);
	ret->number = (uint32_t)n;
	if (slice_eq_ci(word, SLICE("EXISTS")))
		ret->kind = IMAPC_EXISTS;
	else if (slice_eq_ci(word, SLICE("EXPUNGE")))
		ret->kind = IMAPC_EXPUNGE;
	else if (slice_eq_ci(word, SLICE("RECENT")))
		ret->kind = IMAPC_RECENT;
	else if (slice_eq_ci(word, SLICE("FETCH")))
		ret->kind = IMAPC_FETCH;
	if (ret->kind == IMAPC_FETCH)
		return ret->cut ? ERR_TOO_BIG : parse_fetch(c, ret);
	return 0;
}

static int parse_named(struct scan *c, struct slice word, struct imapc_response *ret)
{
	static const struct {
		const char *name;
		enum imapc_kind kind;
		int (*parse)(struct scan *c, struct imapc_response *ret);
	} table[] = {
		{ "LIST", IMAPC_LIST, parse_list },
		{ "LSUB", IMAPC_LSUB, parse_list },
		{ "XLIST", IMAPC_LIST, parse_list },
		{ "STATUS", IMAPC_MAILBOX_STATUS, parse_mailbox_status },
		{ "NAMESPACE", IMAPC_NAMESPACE, parse_namespace },
		{ "CAPABILITY", IMAPC_CAPABILITY, NULL },
		{ "FLAGS", IMAPC_FLAGS, NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (!slice_eq_ci(word, slice_str(table[i].name)))
			continue;
		ret->kind = table[i].kind;
		ret->text = slice_trim(rest(c));
		return table[i].parse && !ret->cut ? table[i].parse(c, ret) : 0;
	}
	return 0;
}

static int parse_untagged(struct scan *c, struct imapc_response *ret)
{
	struct slice word;
	uint64_t n;

	blanks(c);
	if (ascii_is_digit(peek(c))) {
		if (number(c, UINT32_MAX, &n) < 0)
			return ERR_SYNTAX;
		return parse_numbered(c, n, ret);
	}
	word = atom(c);
	if (condition_of(word, &ret->condition)) {
		resp_text(c, ret);
		return 0;
	}
	return parse_named(c, word, ret);
}

int imapc_parse(struct slice line, bool cut, size_t body_at, uint8_t *scratch, struct imapc_response *ret)
{
	struct scan c = { .s = line, .scratch = scratch, .body_at = body_at };

	*ret = (struct imapc_response){ .kind = IMAPC_OTHER, .cut = cut };
	if (eat(&c, '+')) {
		ret->kind = IMAPC_CONTINUE;
		blanks(&c);
		ret->text = rest(&c);
		return 0;
	}
	if (eat(&c, '*'))
		return parse_untagged(&c, ret);
	ret->tag = atom(&c);
	blanks(&c);
	if (ret->tag.n == 0 || !condition_of(atom(&c), &ret->condition) || ret->condition > IMAPC_BAD)
		return ERR_SYNTAX;
	resp_text(&c, ret);
	return 0;
}

bool imapc_takes_literals(struct slice line)
{
	struct scan c = { .s = line };
	enum imapc_condition condition;

	if (!eat(&c, '*'))
		return false;
	blanks(&c);
	return !condition_of(atom(&c), &condition);
}

bool imapc_ends_with_body(struct slice line)
{
	return slice_ends_ci(line, SLICE("BODY[] ")) || slice_ends_ci(line, SLICE("RFC822 ")) ||
	       slice_ends_ci(line, SLICE("BODY[]<0> ")) || slice_ends_ci(line, SLICE("BINARY[] "));
}
