/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether fields fit the table. Both ends of an operation call it: httpd for a good error at once,
 * the owning room because it trusts nobody. What is checked is form; whether a domain exists is the
 * owner's question.
 */
#include "proto/api/api.h"

#include "base/codec.h"
#include "base/err.h"
#include "base/text.h"
#include "proto/mail/date.h"

enum { STR_MAX = 1024, DOMAIN_MAX = 253, LABEL_MAX = 63, LOCAL_MAX = 64, ADDRESS_MAX = 320 };

static bool printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	}
	return utf8_valid(s);
}

static bool is_lines(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f)
			return false;
	}
	return utf8_valid(s);
}

static bool is_name(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		uint8_t c = s.p[i];
		bool alnum = (c >= 'a' && c <= 'z') || ascii_is_digit(c);
		if (!alnum && (i == 0 || (c != '-' && c != '_' && c != '.')))
			return false;
	}
	return true;
}

static bool is_label(struct slice l)
{
	if (l.n == 0 || l.n > LABEL_MAX || l.p[0] == '-' || l.p[l.n - 1] == '-')
		return false;
	for (size_t i = 0; i < l.n; i++) {
		uint8_t c = l.p[i];
		if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '_' && c < 0x80)
			return false;
	}
	return true;
}

static bool is_domain(struct slice s)
{
	size_t at = 0;
	if (s.n == 0 || s.n > DOMAIN_MAX || !utf8_valid(s))
		return false;
	for (;;) {
		ptrdiff_t dot = slice_find_byte(s, '.', at);
		if (!is_label(slice_sub(s, at, dot < 0 ? s.n : (size_t)dot)))
			return false;
		if (dot < 0)
			return true;
		at = (size_t)dot + 1;
	}
}

/* RFC 5321 4.1.2 Quoted-string, all of it: candidates come with whatever a stranger wrote. */
static bool is_quoted(struct slice s)
{
	if (s.n < 3 || s.n > 2 * LOCAL_MAX + 2 || s.p[s.n - 1] != '"' || !printable(s))
		return false;
	for (size_t i = 1; i + 1 < s.n; i++) {
		if (s.p[i] == '\\' && ++i + 1 < s.n)
			continue;
		if (i + 1 >= s.n || s.p[i] == '"')
			return false;
	}
	return true;
}

/* The last '@' divides; the local part is a dot-string (RFC 5321 4.1.2, with the UTF-8 of RFC 6531) or a quoted one. */
static bool is_address(struct slice s, bool may_be_domain)
{
	ptrdiff_t at = -1;
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '@')
			at = (ptrdiff_t)i;
	}
	if (at < 0 || s.n > ADDRESS_MAX || !is_domain(slice_sub(s, (size_t)at + 1, s.n)))
		return false;
	struct slice local = slice_sub(s, 0, (size_t)at);
	if (local.n == 0)
		return may_be_domain;
	if (local.p[0] == '"')
		return is_quoted(local);
	if (local.n > LOCAL_MAX || local.p[0] == '.' || local.p[local.n - 1] == '.' ||
	    slice_find(local, SLICE(".."), 0) >= 0 || !printable(local))
		return false;
	for (size_t i = 0; i < local.n; i++) {
		if (strchr(" \"(),:;<>@[\\]", local.p[i]))
			return false;
	}
	return true;
}

int api_size(struct slice value, uint64_t *ret)
{
	static const char units[] = "KMGTP";
	unsigned shift = 0;
	uint64_t v;
	if (value.n && !ascii_is_digit(value.p[value.n - 1])) {
		const char *unit = strchr(units, ascii_upper(value.p[value.n - 1]));
		if (!unit || !*unit)
			return ERR_SYNTAX;
		shift = 10 * (unsigned)(unit - units + 1);
		value.n--;
	}
	int err = slice_u64(value, (uint64_t)INT64_MAX >> shift, &v);
	if (err < 0)
		return err;
	*ret = v << shift;
	return 0;
}

int api_bool(struct slice value, bool *ret)
{
	if (slice_eq(value, SLICE("true")))
		*ret = true;
	else if (slice_eq(value, SLICE("false")))
		*ret = false;
	else
		return ERR_SYNTAX;
	return 0;
}

static bool is_host(struct slice s, bool bracketed)
{
	if (!bracketed)
		return is_domain(s);
	for (size_t i = 0; i < s.n; i++) {
		if (!strchr("0123456789abcdefABCDEF:.", s.p[i]) || !s.p[i])
			return false;
	}
	return s.n >= 2 && s.n <= 45;
}

int api_hostport(struct slice value, uint16_t fallback, struct arena *a, struct slice *ret_host,
		 uint16_t *ret_port)
{
	bool bracketed = value.n && value.p[0] == '[';
	struct slice host, rest;
	uint64_t port = fallback;
	ptrdiff_t end = slice_find_byte(value, bracketed ? ']' : ':', 0);
	if (bracketed && end < 0)
		return ERR_SYNTAX;
	host = slice_sub(value, bracketed, end < 0 ? value.n : (size_t)end);
	rest = slice_sub(value, end < 0 ? value.n : (size_t)end + bracketed, value.n);
	if (!is_host(host, bracketed))
		return ERR_SYNTAX;
	if (rest.n && (rest.p[0] != ':' || slice_u64(slice_sub(rest, 1, rest.n), 65535, &port) < 0))
		return ERR_SYNTAX;
	if (port == 0)
		return ERR_SYNTAX;
	*ret_host = a ? arena_dup(a, host) : host;
	*ret_port = (uint16_t)port;
	return 0;
}

int api_source(struct slice value, struct arena *a, struct api_source *ret)
{
	static const struct {
		const char *scheme;
		uint16_t port;
		bool pop3, tls;
	} schemes[] = { { "imap://", 143, false, false },
			{ "imaps://", 993, false, true },
			{ "pop3://", 110, true, false },
			{ "pop3s://", 995, true, true } };
	for (size_t i = 0; i < ARRAY_SIZE(schemes); i++) {
		struct slice scheme = slice_str(schemes[i].scheme);
		struct api_source source = { .pop3 = schemes[i].pop3, .tls = schemes[i].tls };
		if (!slice_starts_ci(value, scheme))
			continue;
		struct slice rest = slice_sub(value, scheme.n, value.n);
		if (rest.n && rest.p[rest.n - 1] == '/')
			rest.n--;
		int err = api_hostport(rest, schemes[i].port, a, &source.host, &source.port);
		if (err == 0)
			*ret = source;
		return err;
	}
	return ERR_SYNTAX;
}

static bool is_choice(const struct api_param *p, struct slice v)
{
	for (size_t i = 0; p->choices[i]; i++) {
		if (slice_eq(slice_str(p->choices[i]), v))
			return true;
	}
	return false;
}

int api_day(struct slice s)
{
	uint64_t year, month, day;
	if (s.n != 10 || s.p[4] != '-' || s.p[7] != '-' || slice_u64(slice_sub(s, 0, 4), 9999, &year) < 0 ||
	    slice_u64(slice_sub(s, 5, 7), 12, &month) < 0 || slice_u64(slice_sub(s, 8, 10), 31, &day) < 0 || !year || !month || !day)
		return ERR_SYNTAX;
	return day <= (uint64_t)civil_month_days((int)year, (int)month) ? 0 : ERR_SYNTAX;
}

static bool value_fits(const struct api_param *p, struct slice v)
{
	uint64_t max = p->max ? p->max : STR_MAX, u;
	struct slice host;
	struct api_source source;
	uint16_t port;
	bool b;
	switch (p->type) {
	case API_STR:
		return v.n >= p->min && v.n <= max && printable(v);
	case API_TEXT:
		return v.n >= p->min && v.n <= max && is_lines(v);
	case API_NAME:
		return v.n >= p->min && v.n <= max && is_name(v);
	case API_SECRET:
		return v.n >= p->min && v.n <= max && slice_find_byte(v, 0, 0) < 0;
	case API_DOMAIN:
		return is_domain(v);
	case API_ADDRESS:
		return is_address(v, false);
	case API_TARGET:
		return is_address(v, true);
	case API_HOSTPORT:
		return api_hostport(v, 25, NULL, &host, &port) == 0;
	case API_SOURCE:
		return api_source(v, NULL, &source) == 0;
	case API_SIZE:
		return api_size(v, &u) == 0;
	case API_U64:
		return slice_u64(v, p->max ? p->max : UINT64_MAX, &u) == 0 && u >= p->min;
	case API_DAY:
		return api_day(v) == 0;
	case API_BOOL:
		return api_bool(v, &b) == 0;
	case API_CHOICE:
		return is_choice(p, v);
	default:
		return false;
	}
}

void api_param_rule(const struct api_param *p, struct buf *out)
{
	uintmax_t min = p->min, max = p->max ? p->max : STR_MAX;
	const char *l = text_current();
	char size[TEXT_SIZE];
	switch (p->type) {
	case API_STR:
		if (min == max)
			buf_printf(out, text_in(l, "a text of %ju bytes without control characters"), min);
		else
			buf_printf(out, text_in(l, "a text of %ju to %ju bytes without control characters"), min, max);
		break;
	case API_SECRET:
		buf_printf(out, text_in(l, "a secret of %ju to %ju bytes"), min, max);
		break;
	case API_TEXT:
		buf_printf(out, text_in(l, "a text of %ju to %ju bytes, of lines without control characters"), min, max);
		break;
	case API_NAME:
		buf_printf(out, text_in(l, "a name of %ju to %ju characters (a-z, 0-9, and . _ - behind the first)"), min, max);
		break;
	case API_DOMAIN:
		buf_str(out, text_in(l, "a domain such as example.org"));
		break;
	case API_ADDRESS:
		buf_str(out, text_in(l, "a mail address such as name@example.org"));
		break;
	case API_TARGET:
		buf_str(out, text_in(l, "a mail address such as name@example.org, or @example.org"));
		break;
	case API_HOSTPORT:
		buf_str(out, text_in(l, "HOST, HOST:PORT or [IPV6]:PORT"));
		break;
	case API_SOURCE:
		buf_str(out, text_in(l, "imap://HOST:PORT, or with imaps, pop3 or pop3s before it"));
		break;
	case API_SIZE:
		buf_str(out, text_in(l, "a size such as 500M, 2G or a number of bytes"));
		break;
	case API_U64:
		buf_printf(out, text_in(l, "a number from %ju to %ju"), min, p->max ? max : (uintmax_t)UINT64_MAX);
		break;
	case API_DAY:
		buf_str(out, text_in(l, "a day such as 2026-12-24"));
		break;
	case API_BOOL:
		buf_str(out, text_in(l, "true or false"));
		break;
	case API_CHOICE:
		for (size_t i = 0; p->choices[i]; i++)
			buf_printf(out, "%s%s", !i ? "" : p->choices[i + 1] ? ", " : text_in(l, " or "), p->choices[i]);
		break;
	default:
		buf_printf(out, text_in(l, "a file of at most %s"), text_size(max, size));
	}
}

static int refuse(struct api_error *ret, struct slice field, struct slice value, const char *rule)
{
	struct slice f = slice_sub(field, 0, sizeof(ret->field) - 1);
	struct slice v = slice_sub(value, 0, sizeof(ret->value) - 1);
	*ret = (struct api_error){ 0 };
	if (f.n && printable(f))
		memcpy(ret->field, f.p, f.n);
	while (v.n && !utf8_valid(v) && v.n + 4 > sizeof(ret->value) - 1)
		v.n--; /* cut inside a character */
	if (v.n && printable(v))
		memcpy(ret->value, v.p, v.n);
	snprintf(ret->rule, sizeof(ret->rule), "%s", text_in(text_current(), rule));
	return ERR_INVALID;
}

static int refuse_param(struct api_error *ret, const struct api_param *p, struct slice value)
{
	struct buf rule = BUF_INIT(sizeof(ret->rule) - 1);
	api_param_rule(p, &rule);
	int err = refuse(ret, slice_str(p->name), p->type == API_SECRET ? SLICE("") : value,
			 buf_cstr(&rule));
	buf_fini(&rule);
	return err;
}

/* Names the fields that there are. */
static int refuse_unknown(struct api_error *ret, const struct api_op *op, struct slice field)
{
	struct buf rule = BUF_INIT(sizeof(ret->rule) - 1);
	buf_str(&rule, text_in(text_current(), op->n_params ? "one of the fields" : "no fields"));
	for (size_t i = 0; i < op->n_params; i++) {
		if (op->params[i].type != API_FILE)
			buf_printf(&rule, "%s %s", i ? "," : "", op->params[i].name);
	}
	int err = refuse(ret, field, (struct slice){ 0 }, buf_cstr(&rule));
	buf_fini(&rule);
	return err;
}

static size_t count_field(const struct api_field *fields, size_t n, const char *name)
{
	size_t count = 0;
	for (size_t i = 0; i < n; i++)
		count += slice_eq(fields[i].name, slice_str(name));
	return count;
}

int api_check(const struct api_op *op, const struct api_field *fields, size_t n, bool has_file,
	      struct api_error *ret_error)
{
	struct slice none = { 0 };
	if (n > API_FIELDS_MAX)
		return refuse(ret_error, none, none, "fewer fields");
	for (size_t i = 0; i < n; i++) {
		const struct api_param *p = api_param_find(op, fields[i].name);
		if (!p || p->type == API_FILE)
			return refuse_unknown(ret_error, op, fields[i].name);
		if (!value_fits(p, fields[i].value))
			return refuse_param(ret_error, p, fields[i].value);
	}
	for (size_t i = 0; i < op->n_params; i++) {
		const struct api_param *p = &op->params[i];
		size_t times = p->type == API_FILE ? has_file : count_field(fields, n, p->name);
		if (times == 0 && p->required)
			return refuse_param(ret_error, p, none);
		if (times > 1 && !p->many)
			return refuse(ret_error, slice_str(p->name), none, "this field once only");
	}
	if (has_file && !api_op_file(op))
		return refuse(ret_error, none, none, "no file here");
	return 0;
}

void api_error_text(const struct api_error *e, struct buf *out)
{
	if (e->field[0])
		buf_printf(out, "%s: ", e->field);
	buf_printf(out, text_in(text_current(), "expected %s"), e->rule);
	if (e->value[0])
		buf_printf(out, text_in(text_current(), ", got \"%s\""), e->value);
}

struct slice api_get(const struct api_field *fields, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (slice_eq(fields[i].name, slice_str(name)))
			return fields[i].value;
	}
	return (struct slice){ 0 };
}
