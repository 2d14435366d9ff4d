/* SPDX-License-Identifier: Apache-2.0 */
/* The vocabulary: capabilities, tags, commands and tests, each with what it takes and what it requires. */
#include "proto/sieve/sieve_priv.h"

#include "base/codec.h"
#include "proto/mail/address.h"

/* clang-format off */
static const char *const caps[] = {
	[CAP_FILEINTO] = "fileinto", [CAP_REJECT] = "reject", [CAP_EREJECT] = "ereject",
	[CAP_ENVELOPE] = "envelope", [CAP_ENCODED_CHARACTER] = "encoded-character",
	[CAP_VACATION] = "vacation", [CAP_VACATION_SECONDS] = "vacation-seconds",
	[CAP_SUBADDRESS] = "subaddress", [CAP_RELATIONAL] = "relational",
	[CAP_COMPARATOR_OCTET] = "comparator-i;octet",
	[CAP_COMPARATOR_CASEMAP] = "comparator-i;ascii-casemap",
	[CAP_COMPARATOR_NUMERIC] = "comparator-i;ascii-numeric",
	[CAP_IMAP4FLAGS] = "imap4flags", [CAP_COPY] = "copy", [CAP_INCLUDE] = "include",
	[CAP_VARIABLES] = "variables", [CAP_BODY] = "body", [CAP_DATE] = "date", [CAP_INDEX] = "index",
	[CAP_MAILBOX] = "mailbox",
};

enum { GROUP_NONE, GROUP_MATCH, GROUP_PART, GROUP_SIZE, GROUP_TIME, GROUP_ZONE, GROUP_BODY, GROUP_CASE,
       GROUP_FIRST, GROUP_PLACE };

static const struct sieve_tag_spec tags[TAG_COUNT_OF] = {
	[TAG_IS] = { "is", 0, GROUP_MATCH, CAP_NONE },
	[TAG_CONTAINS] = { "contains", 0, GROUP_MATCH, CAP_NONE },
	[TAG_MATCHES] = { "matches", 0, GROUP_MATCH, CAP_NONE },
	[TAG_VALUE] = { "value", 's', GROUP_MATCH, CAP_RELATIONAL },
	[TAG_COUNT] = { "count", 's', GROUP_MATCH, CAP_RELATIONAL },
	[TAG_COMPARATOR] = { "comparator", 's', GROUP_NONE, CAP_NONE },
	[TAG_ALL] = { "all", 0, GROUP_PART, CAP_NONE },
	[TAG_LOCALPART] = { "localpart", 0, GROUP_PART, CAP_NONE },
	[TAG_DOMAIN] = { "domain", 0, GROUP_PART, CAP_NONE },
	[TAG_USER] = { "user", 0, GROUP_PART, CAP_SUBADDRESS },
	[TAG_DETAIL] = { "detail", 0, GROUP_PART, CAP_SUBADDRESS },
	[TAG_OVER] = { "over", 0, GROUP_SIZE, CAP_NONE },
	[TAG_UNDER] = { "under", 0, GROUP_SIZE, CAP_NONE },
	[TAG_COPY] = { "copy", 0, GROUP_NONE, CAP_COPY },
	[TAG_CREATE] = { "create", 0, GROUP_NONE, CAP_MAILBOX },
	[TAG_FLAGS] = { "flags", 'l', GROUP_NONE, CAP_IMAP4FLAGS },
	[TAG_DAYS] = { "days", 'n', GROUP_TIME, CAP_NONE },
	[TAG_SECONDS] = { "seconds", 'n', GROUP_TIME, CAP_VACATION_SECONDS },
	[TAG_SUBJECT] = { "subject", 's', GROUP_NONE, CAP_NONE },
	[TAG_FROM] = { "from", 's', GROUP_NONE, CAP_NONE },
	[TAG_ADDRESSES] = { "addresses", 'l', GROUP_NONE, CAP_NONE },
	[TAG_MIME] = { "mime", 0, GROUP_NONE, CAP_NONE },
	[TAG_HANDLE] = { "handle", 's', GROUP_NONE, CAP_NONE },
	[TAG_ZONE] = { "zone", 's', GROUP_ZONE, CAP_NONE },
	[TAG_ORIGINALZONE] = { "originalzone", 0, GROUP_ZONE, CAP_NONE },
	[TAG_INDEX] = { "index", 'n', GROUP_NONE, CAP_INDEX },
	[TAG_LAST] = { "last", 0, GROUP_NONE, CAP_INDEX },
	[TAG_RAW] = { "raw", 0, GROUP_BODY, CAP_NONE },
	[TAG_CONTENT] = { "content", 'l', GROUP_BODY, CAP_NONE },
	[TAG_TEXT] = { "text", 0, GROUP_BODY, CAP_NONE },
	[TAG_LOWER] = { "lower", 0, GROUP_CASE, CAP_NONE },
	[TAG_UPPER] = { "upper", 0, GROUP_CASE, CAP_NONE },
	[TAG_LOWERFIRST] = { "lowerfirst", 0, GROUP_FIRST, CAP_NONE },
	[TAG_UPPERFIRST] = { "upperfirst", 0, GROUP_FIRST, CAP_NONE },
	[TAG_QUOTEWILDCARD] = { "quotewildcard", 0, GROUP_NONE, CAP_NONE },
	[TAG_LENGTH] = { "length", 0, GROUP_NONE, CAP_NONE },
	[TAG_PERSONAL] = { "personal", 0, GROUP_PLACE, CAP_NONE },
	[TAG_GLOBAL] = { "global", 0, GROUP_PLACE, CAP_NONE },
	[TAG_ONCE] = { "once", 0, GROUP_NONE, CAP_NONE },
	[TAG_OPTIONAL] = { "optional", 0, GROUP_NONE, CAP_NONE },
};

#define T_MATCH (TAG_BIT(IS) | TAG_BIT(CONTAINS) | TAG_BIT(MATCHES) | TAG_BIT(VALUE) | TAG_BIT(COUNT) | TAG_BIT(COMPARATOR))
#define T_PART (TAG_BIT(ALL) | TAG_BIT(LOCALPART) | TAG_BIT(DOMAIN) | TAG_BIT(USER) | TAG_BIT(DETAIL))
#define T_INDEX (TAG_BIT(INDEX) | TAG_BIT(LAST))
#define T_VACATION (TAG_BIT(DAYS) | TAG_BIT(SECONDS) | TAG_BIT(SUBJECT) | TAG_BIT(FROM) | TAG_BIT(ADDRESSES) | \
		    TAG_BIT(MIME) | TAG_BIT(HANDLE))
#define T_SET (TAG_BIT(LOWER) | TAG_BIT(UPPER) | TAG_BIT(LOWERFIRST) | TAG_BIT(UPPERFIRST) | \
	       TAG_BIT(QUOTEWILDCARD) | TAG_BIT(LENGTH))
#define T_INCLUDE (TAG_BIT(PERSONAL) | TAG_BIT(GLOBAL) | TAG_BIT(ONCE) | TAG_BIT(OPTIONAL))

static const struct sieve_spec specs[] = {
	{ "require", OP_REQUIRE, false, CAP_NONE, 0, "l", TESTS_NONE, false },
	{ "if", OP_IF, false, CAP_NONE, 0, "", TESTS_ONE, true },
	{ "elsif", OP_ELSIF, false, CAP_NONE, 0, "", TESTS_ONE, true },
	{ "else", OP_ELSE, false, CAP_NONE, 0, "", TESTS_NONE, true },
	{ "stop", OP_STOP, false, CAP_NONE, 0, "", TESTS_NONE, false },
	{ "keep", OP_KEEP, false, CAP_NONE, TAG_BIT(FLAGS), "", TESTS_NONE, false },
	{ "fileinto", OP_FILEINTO, false, CAP_FILEINTO, TAG_BIT(FLAGS) | TAG_BIT(COPY) | TAG_BIT(CREATE), "s", TESTS_NONE, false },
	{ "redirect", OP_REDIRECT, false, CAP_NONE, TAG_BIT(COPY), "s", TESTS_NONE, false },
	{ "discard", OP_DISCARD, false, CAP_NONE, 0, "", TESTS_NONE, false },
	{ "reject", OP_REJECT, false, CAP_REJECT, 0, "s", TESTS_NONE, false },
	{ "ereject", OP_EREJECT, false, CAP_EREJECT, 0, "s", TESTS_NONE, false },
	{ "vacation", OP_VACATION, false, CAP_VACATION, T_VACATION, "s", TESTS_NONE, false },
	{ "set", OP_SET, false, CAP_VARIABLES, T_SET, "ss", TESTS_NONE, false },
	{ "setflag", OP_SETFLAG, false, CAP_IMAP4FLAGS, 0, "?sl", TESTS_NONE, false },
	{ "addflag", OP_ADDFLAG, false, CAP_IMAP4FLAGS, 0, "?sl", TESTS_NONE, false },
	{ "removeflag", OP_REMOVEFLAG, false, CAP_IMAP4FLAGS, 0, "?sl", TESTS_NONE, false },
	{ "include", OP_INCLUDE, false, CAP_INCLUDE, T_INCLUDE, "s", TESTS_NONE, false },
	{ "return", OP_RETURN, false, CAP_INCLUDE, 0, "", TESTS_NONE, false },
	{ "global", OP_GLOBAL, false, CAP_INCLUDE, 0, "l", TESTS_NONE, false },

	{ "true", OP_TRUE, true, CAP_NONE, 0, "", TESTS_NONE, false },
	{ "false", OP_FALSE, true, CAP_NONE, 0, "", TESTS_NONE, false },
	{ "not", OP_NOT, true, CAP_NONE, 0, "", TESTS_ONE, false },
	{ "allof", OP_ALLOF, true, CAP_NONE, 0, "", TESTS_LIST, false },
	{ "anyof", OP_ANYOF, true, CAP_NONE, 0, "", TESTS_LIST, false },
	{ "address", OP_ADDRESS, true, CAP_NONE, T_MATCH | T_PART | T_INDEX, "ll", TESTS_NONE, false },
	{ "envelope", OP_ENVELOPE, true, CAP_ENVELOPE, T_MATCH | T_PART, "ll", TESTS_NONE, false },
	{ "header", OP_HEADER, true, CAP_NONE, T_MATCH | T_INDEX, "ll", TESTS_NONE, false },
	{ "exists", OP_EXISTS, true, CAP_NONE, 0, "l", TESTS_NONE, false },
	{ "size", OP_SIZE, true, CAP_NONE, TAG_BIT(OVER) | TAG_BIT(UNDER), "n", TESTS_NONE, false },
	{ "string", OP_STRING, true, CAP_VARIABLES, T_MATCH, "ll", TESTS_NONE, false },
	{ "hasflag", OP_HASFLAG, true, CAP_IMAP4FLAGS, T_MATCH, "?ll", TESTS_NONE, false },
	{ "date", OP_DATE, true, CAP_DATE, T_MATCH | T_INDEX | TAG_BIT(ZONE) | TAG_BIT(ORIGINALZONE), "ssl", TESTS_NONE, false },
	{ "currentdate", OP_CURRENTDATE, true, CAP_DATE, T_MATCH | TAG_BIT(ZONE), "sl", TESTS_NONE, false },
	{ "body", OP_BODY, true, CAP_BODY, T_MATCH | TAG_BIT(RAW) | TAG_BIT(CONTENT) | TAG_BIT(TEXT), "l", TESTS_NONE, false },
	{ "mailboxexists", OP_MAILBOXEXISTS, true, CAP_MAILBOX, 0, "l", TESTS_NONE, false },
};
/* clang-format on */

const char *sieve_capabilities(void)
{
	return "fileinto reject ereject envelope encoded-character vacation vacation-seconds subaddress relational "
	       "comparator-i;octet comparator-i;ascii-casemap comparator-i;ascii-numeric imap4flags copy include "
	       "variables body date index mailbox";
}

const struct sieve_spec *sieve_spec_find(struct slice name, bool test)
{
	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		if (specs[i].test == test && slice_eq_ci(name, slice_str(specs[i].name)))
			return &specs[i];
	}
	return NULL;
}

const struct sieve_tag_spec *sieve_tag_spec(enum sieve_tag t)
{
	return &tags[t];
}

int sieve_tag_find(struct slice name)
{
	for (int i = 0; i < TAG_COUNT_OF; i++) {
		if (slice_eq_ci(name, slice_str(tags[i].name)))
			return i;
	}
	return -1;
}

int sieve_cap_find(struct slice name)
{
	for (int i = 0; i < CAP_NONE; i++) {
		if (slice_eq(name, slice_str(caps[i])))
			return i;
	}
	return -1;
}

const char *sieve_cap_name(enum sieve_cap c)
{
	return caps[c];
}

bool sieve_relation_find(struct slice name, enum sieve_relation *ret)
{
	static const char *const names[] = { "gt", "ge", "lt", "le", "eq", "ne" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_eq_ci(name, slice_str(names[i]))) {
			*ret = (enum sieve_relation)i;
			return true;
		}
	}
	return false;
}

/* RFC 5228 5.1 names seven that must be there, and lets others with address lists join them. */
bool sieve_is_address_header(struct slice name)
{
	static const char *const names[] = {
		"From", "To", "Cc", "Bcc", "Sender", "Reply-To", "Resent-From", "Resent-To", "Resent-Cc",
		"Resent-Bcc", "Resent-Sender", "Resent-Reply-To", "Return-Path", "Delivered-To", "X-Original-To",
		"Envelope-To", "X-Envelope-To", "Errors-To", "Disposition-Notification-To", "Mail-Followup-To",
		"Mail-Reply-To", "Approved-By", "Abuse-Reports-To",
	};
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_eq_ci(name, slice_str(names[i])))
			return true;
	}
	return false;
}

/* RFC 9051 9: a system flag that a user may set, or a keyword; Postern's store takes keywords to 64 bytes. */
bool sieve_flag_ok(struct slice flag)
{
	static const char *const settable[] = { "\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft" };
	for (size_t i = 0; i < ARRAY_SIZE(settable); i++) {
		if (slice_eq_ci(flag, slice_str(settable[i])))
			return true;
	}
	for (size_t i = 0; i < flag.n; i++) {
		uint8_t c = flag.p[i];
		if (c <= ' ' || c >= 0x7f || strchr("(){%*\"\\]", c))
			return false;
	}
	return flag.n > 0 && flag.n <= 64;
}

bool sieve_mailbox_ok(struct slice name)
{
	if (name.n == 0 || name.n > 1000 || !utf8_valid(name))
		return false;
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] < 0x20 || name.p[i] == 0x7f)
			return false;
	}
	return name.p[0] != '/' && name.p[name.n - 1] != '/' && slice_find(name, SLICE("//"), 0) < 0;
}

/* A name in front of an address: words and quoted strings. */
static bool is_phrase(struct slice s)
{
	bool quoted = false;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < ' ' || s.p[i] == 0x7f || (!quoted && strchr("<>@,:;()", s.p[i])))
			return false;
		if (quoted && s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
	}
	return !quoted;
}

/* The part that a name may stand in front of. */
static struct slice within_brackets(struct slice text)
{
	text = slice_trim(text);
	size_t n = text.n;
	if (!n || text.p[n - 1] != '>')
		return text;
	for (size_t at = n; at-- > 0;) {
		if (text.p[at] == '<')
			return is_phrase(slice_sub(text, 0, at)) ? slice_trim(slice_sub(text, at + 1, n - 1)) : text;
	}
	return text;
}

/* Blanks are dropped beside the @, outside of quotes. */
static void put_spec(struct slice s, struct buf *out)
{
	bool quoted = false;
	for (size_t i = 0, end; i < s.n; i++) {
		for (end = i; !quoted && end < s.n && (s.p[end] == ' ' || s.p[end] == '\t'); end++)
			;
		if (end < s.n && (s.p[end] == '@' || (out->n && out->p[out->n - 1] == '@')))
			i = end;
		buf_byte(out, s.p[i]);
		if (quoted && s.p[i] == '\\' && i + 1 < s.n)
			buf_byte(out, s.p[++i]);
		else if (s.p[i] == '"')
			quoted = !quoted;
	}
}

bool sieve_address_ok(struct slice text)
{
	struct addr a;
	struct buf spec = BUF_INIT(2 * SIEVE_SCRIPT_MAX);
	put_spec(within_brackets(text), &spec);
	bool ok = addr_parse(buf_view(&spec), ADDR_UTF8, &a) == 0 && !a.literal;
	buf_fini(&spec);
	return ok;
}

struct slice sieve_address_spec(struct arena *a, struct slice text)
{
	struct buf spec = BUF_INIT(2 * SIEVE_SCRIPT_MAX);
	put_spec(within_brackets(text), &spec);
	struct slice s = arena_dup(a, buf_view(&spec));
	buf_fini(&spec);
	return s;
}

bool sieve_name_ok(struct slice name)
{
	if (name.n == 0 || name.n > SIEVE_NAME_MAX)
		return false;
	for (size_t i = 0, n; i < name.n; i += n) {
		uint32_t cp = 0;
		n = utf8_decode(slice_sub(name, i, name.n), &cp);
		if (n == 0 || cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || cp == 0x2028 || cp == 0x2029 || cp == '/')
			return false;
	}
	return true;
}
