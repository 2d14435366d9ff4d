/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A cursor over one command. Nothing here recurses, nothing allocates but the copy of a quoted string
 * that has escapes in it, which is no longer than the command. The reader has checked that each literal's
 * bytes are there; this file checks it again, since a fuzzer may call it without the reader.
 *
 * RFC 3501 9, RFC 7888 (LITERAL+), RFC 6855 (UTF-8 in quoted strings, literal8).
 */
#include "proto/imap/scan.h"

#include "base/codec.h"
#include "base/err.h"
#include "proto/mail/date.h"

bool imap_is_atom_char(uint8_t c)
{
	if (c <= 0x20 || c >= 0x7f)
		return false;
	return !memchr("(){%*\"\\]", c, 8);
}

bool imap_is_astring_char(uint8_t c)
{
	return c == ']' || imap_is_atom_char(c);
}

static bool is_tag_char(uint8_t c)
{
	return c != '+' && imap_is_astring_char(c);
}

static bool is_list_char(uint8_t c)
{
	return c == '%' || c == '*' || imap_is_astring_char(c);
}

static bool is_word_char(uint8_t c)
{
	return ascii_is_alpha(c) || ascii_is_digit(c) || c == '.' || c == '-' || c == '_';
}

static bool is_set_char(uint8_t c)
{
	return ascii_is_digit(c) || c == ':' || c == '*' || c == ',';
}

bool imap_scan_end(const struct imap_scan *s)
{
	return s->at >= s->in.n;
}

bool imap_scan_is(const struct imap_scan *s, char c)
{
	return s->at < s->in.n && s->in.p[s->at] == (uint8_t)c;
}

int imap_scan_char(struct imap_scan *s, char c)
{
	if (!imap_scan_is(s, c))
		return ERR_SYNTAX;
	s->at++;
	return 0;
}

int imap_scan_sp(struct imap_scan *s)
{
	return imap_scan_char(s, ' ');
}

static int run(struct imap_scan *s, bool (*may)(uint8_t), struct slice *ret)
{
	size_t end = s->at;

	while (end < s->in.n && may(s->in.p[end]))
		end++;
	if (end == s->at)
		return ERR_SYNTAX;
	*ret = slice_sub(s->in, s->at, end);
	s->at = end;
	return 0;
}

int imap_scan_tag(struct imap_scan *s, struct slice *ret)
{
	return run(s, is_tag_char, ret);
}

int imap_scan_atom(struct imap_scan *s, struct slice *ret)
{
	return run(s, imap_is_atom_char, ret);
}

int imap_scan_word(struct imap_scan *s, struct slice *ret)
{
	return run(s, is_word_char, ret);
}

int imap_scan_set(struct imap_scan *s, struct slice *ret)
{
	return run(s, is_set_char, ret);
}

int imap_scan_keyword(struct imap_scan *s, const char *word)
{
	size_t was = s->at;
	struct slice w;

	if (imap_scan_word(s, &w) == 0 && slice_eq_ci(w, slice_str(word)))
		return 0;
	s->at = was;
	return ERR_SYNTAX;
}

int imap_scan_number(struct imap_scan *s, uint64_t max, uint64_t *ret)
{
	size_t end = s->at;

	while (end < s->in.n && ascii_is_digit(s->in.p[end]))
		end++;
	if (slice_u64(slice_sub(s->in, s->at, end), max, ret) < 0)
		return ERR_SYNTAX;
	s->at = end;
	return 0;
}

/* The bytes between two quotes; *ret_escaped counts backslashes, -1 where it is no quoted string. */
static ptrdiff_t quoted_extent(const struct imap_scan *s, size_t *ret_end)
{
	ptrdiff_t escaped = 0;

	for (size_t i = s->at + 1; i < s->in.n; i++) {
		uint8_t c = s->in.p[i];
		if (c == '"') {
			*ret_end = i;
			return escaped;
		}
		if (c == '\0' || c == '\r' || c == '\n')
			return -1;
		if (c == '\\') {
			escaped++;
			i++;
			if (i >= s->in.n || (s->in.p[i] != '"' && s->in.p[i] != '\\'))
				return -1;
		}
	}
	return -1;
}

static struct slice unescape(struct arena *a, struct slice in, size_t escaped)
{
	uint8_t *out = arena_alloc(a, in.n - escaped + 1);
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '\\')
			i++;
		out[n++] = in.p[i];
	}
	return slice_of(out, n);
}

static int scan_quoted(struct imap_scan *s, struct slice *ret)
{
	size_t end;
	ptrdiff_t escaped = quoted_extent(s, &end);

	if (escaped < 0)
		return ERR_SYNTAX;
	struct slice raw = slice_sub(s->in, s->at + 1, end);
	if (!ascii_only(raw) && (!s->utf8 || !utf8_valid(raw)))
		return ERR_SYNTAX;
	*ret = escaped ? unescape(s->arena, raw, (size_t)escaped) : raw;
	s->at = end + 1;
	return 0;
}

/* "{" number ["+"] "}" CRLF bytes */
static int scan_literal(struct imap_scan *s, struct slice *ret)
{
	struct imap_scan t = *s;
	uint64_t n;

	if (imap_scan_char(&t, '{') < 0 || imap_scan_number(&t, UINT32_MAX, &n) < 0)
		return ERR_SYNTAX;
	IGNORE(imap_scan_char(&t, '+'), "the reader has dealt with it");
	if (imap_scan_char(&t, '}') < 0 || imap_scan_char(&t, '\r') < 0 ||
	    imap_scan_char(&t, '\n') < 0 || n > t.in.n - t.at)
		return ERR_SYNTAX;
	struct slice bytes = slice_sub(t.in, t.at, t.at + (size_t)n);
	if (n && memchr(bytes.p, '\0', bytes.n))
		return ERR_SYNTAX;
	t.at += (size_t)n;
	*s = t;
	*ret = bytes;
	return 0;
}

int imap_scan_string(struct imap_scan *s, struct slice *ret)
{
	if (imap_scan_is(s, '"'))
		return scan_quoted(s, ret);
	return scan_literal(s, ret);
}

int imap_scan_astring(struct imap_scan *s, struct slice *ret)
{
	if (imap_scan_is(s, '"') || imap_scan_is(s, '{'))
		return imap_scan_string(s, ret);
	return run(s, imap_is_astring_char, ret);
}

int imap_scan_nstring(struct imap_scan *s, struct slice *ret, bool *ret_nil)
{
	struct slice v = { 0 };
	bool nil = imap_scan_keyword(s, "NIL") == 0;

	if (!nil && imap_scan_string(s, &v) < 0)
		return ERR_SYNTAX;
	*ret = v;
	*ret_nil = nil;
	return 0;
}

int imap_scan_list_mailbox(struct imap_scan *s, struct slice *ret)
{
	if (imap_scan_is(s, '"') || imap_scan_is(s, '{'))
		return imap_scan_string(s, ret);
	return run(s, is_list_char, ret);
}

int imap_scan_flag(struct imap_scan *s, struct slice *ret)
{
	size_t was = s->at;
	struct slice atom;

	IGNORE(imap_scan_char(s, '\\'), "only system flags have it");
	if (imap_scan_atom(s, &atom) < 0) {
		s->at = was;
		return ERR_SYNTAX;
	}
	*ret = slice_sub(s->in, was, s->at);
	return 0;
}

static int add_flag(struct imap_flags *f, struct slice name)
{
	static const struct {
		const char *name;
		unsigned bit;
	} known[] = {
		{ "\\Seen", IMAP_SEEN },       { "\\Answered", IMAP_ANSWERED },
		{ "\\Flagged", IMAP_FLAGGED }, { "\\Deleted", IMAP_DELETED },
		{ "\\Draft", IMAP_DRAFT },     { "\\Recent", 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (slice_eq_ci(name, slice_str(known[i].name))) {
			f->flags |= known[i].bit;
			return 0;
		}
	}
	if (name.p[0] == '\\' || name.n > IMAP_KEYWORD_MAX || f->n_keywords == IMAP_KEYWORDS_MAX)
		return ERR_SYNTAX;
	for (size_t i = 0; i < f->n_keywords; i++) {
		if (slice_eq_ci(f->keywords[i], name))
			return 0;
	}
	f->keywords[f->n_keywords++] = name;
	return 0;
}

int imap_scan_flags(struct imap_scan *s, bool bare, struct imap_flags *ret)
{
	struct imap_scan t = *s;
	struct imap_flags f = { 0 };
	bool list = imap_scan_char(&t, '(') == 0;
	bool first = true;

	if (!list && !bare)
		return ERR_SYNTAX;
	f.keywords = ARENA_ARRAY(s->arena, struct slice, IMAP_KEYWORDS_MAX);
	while (list ? !imap_scan_is(&t, ')') : !imap_scan_end(&t)) {
		struct slice name;
		if (!first && imap_scan_sp(&t) < 0)
			return ERR_SYNTAX;
		if (imap_scan_flag(&t, &name) < 0 || add_flag(&f, name) < 0)
			return ERR_SYNTAX;
		first = false;
	}
	if ((list && imap_scan_char(&t, ')') < 0) || (!list && first))
		return ERR_SYNTAX;
	*s = t;
	*ret = f;
	return 0;
}

int64_t imap_days(int64_t y, unsigned m, unsigned d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	unsigned yoe = (unsigned)(y - era * 400);
	unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + (int64_t)doe - 719468;
}

static int scan_month(struct imap_scan *s, unsigned *ret)
{
	static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct slice w = slice_sub(s->in, s->at, s->at + 3);

	for (unsigned i = 0; i < 12; i++) {
		if (slice_eq_ci(w, slice_of(names + 3 * i, 3))) {
			*ret = i + 1;
			s->at += 3;
			return 0;
		}
	}
	return ERR_SYNTAX;
}

static int scan_digits(struct imap_scan *s, unsigned least, unsigned most, uint64_t max, uint64_t *ret)
{
	size_t was = s->at;

	if (imap_scan_number(s, max, ret) < 0)
		return ERR_SYNTAX;
	if (s->at - was >= least && s->at - was <= most)
		return 0;
	s->at = was;
	return ERR_SYNTAX;
}

/* day "-" month "-" year, as a day number */
static int scan_day(struct imap_scan *s, int64_t *ret_days)
{
	uint64_t day, year;
	unsigned month;

	if (scan_digits(s, 1, 2, 31, &day) < 0 || imap_scan_char(s, '-') < 0 ||
	    scan_month(s, &month) < 0 || imap_scan_char(s, '-') < 0 ||
	    scan_digits(s, 4, 4, 9999, &year) < 0)
		return ERR_SYNTAX;
	if (day < 1 || day > (uint64_t)civil_month_days((int)year, (int)month))
		return ERR_SYNTAX;
	*ret_days = imap_days((int64_t)year, month, (unsigned)day);
	return 0;
}

int imap_scan_date(struct imap_scan *s, int64_t *ret_ms)
{
	struct imap_scan t = *s;
	int64_t days;
	bool quoted = imap_scan_char(&t, '"') == 0;

	if (scan_day(&t, &days) < 0 || (quoted && imap_scan_char(&t, '"') < 0))
		return ERR_SYNTAX;
	*s = t;
	*ret_ms = days * 86400000;
	return 0;
}

static int scan_time(struct imap_scan *s, int64_t *ret_seconds)
{
	uint64_t h, m, sec;

	if (scan_digits(s, 2, 2, 23, &h) < 0 || imap_scan_char(s, ':') < 0 ||
	    scan_digits(s, 2, 2, 59, &m) < 0 || imap_scan_char(s, ':') < 0 ||
	    scan_digits(s, 2, 2, 60, &sec) < 0)
		return ERR_SYNTAX;
	*ret_seconds = (int64_t)(h * 3600 + m * 60 + sec);
	return 0;
}

static int scan_zone(struct imap_scan *s, int64_t *ret_seconds)
{
	bool west = imap_scan_is(s, '-');
	uint64_t zone;

	if (!west && !imap_scan_is(s, '+'))
		return ERR_SYNTAX;
	s->at++;
	if (scan_digits(s, 4, 4, 9999, &zone) < 0 || zone % 100 > 59)
		return ERR_SYNTAX;
	int64_t seconds = (int64_t)(zone / 100 * 3600 + zone % 100 * 60);
	*ret_seconds = west ? -seconds : seconds;
	return 0;
}

int imap_scan_date_time(struct imap_scan *s, int64_t *ret_ms)
{
	struct imap_scan t = *s;
	int64_t days, seconds, zone;

	if (imap_scan_char(&t, '"') < 0)
		return ERR_SYNTAX;
	IGNORE(imap_scan_sp(&t), "date-day-fixed: one digit has a space in front");
	if (scan_day(&t, &days) < 0 || imap_scan_sp(&t) < 0 || scan_time(&t, &seconds) < 0 ||
	    imap_scan_sp(&t) < 0 || scan_zone(&t, &zone) < 0 || imap_scan_char(&t, '"') < 0)
		return ERR_SYNTAX;
	*s = t;
	*ret_ms = (days * 86400 + seconds - zone) * 1000;
	return 0;
}
