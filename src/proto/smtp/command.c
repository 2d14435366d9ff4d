/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines. One table of verbs says how the rest of the line is read. A line with a NUL, a CR or an LF
 * inside, or another control byte, is refused whatever its verb (S15). RFC 5321 4.1.1; 3030 2; 3207 4; 4954 4.
 */
#include "proto/smtp/command.h"

#include "base/err.h"
#include "proto/smtp/params.h"
#include "proto/smtp/path.h"

typedef const struct smtp_status *rest_fn(struct slice rest, struct arena *a, struct smtp_command *c);

static const struct smtp_status bad_line = { 501, "5.5.2", "A control octet in the line" },
	no_argument = { 501, "5.5.4", "This command takes no argument" },
	bad_hello = { 501, "5.5.4", "A host name or an address literal is expected" },
	bad_mail = { 501, "5.5.4", "MAIL FROM:<address> is expected" },
	bad_rcpt = { 501, "5.5.4", "RCPT TO:<address> is expected" },
	bad_bdat = { 501, "5.5.4", "BDAT size [LAST] is expected" },
	bad_auth = { 501, "5.5.4", "AUTH mechanism [initial-response] is expected" },
	bad_string = { 501, "5.5.4", "A string is expected" },
	unknown = { 500, "5.5.1", "Unknown command" };

static const struct smtp_status *rest_none(struct slice rest, struct arena *a, struct smtp_command *c)
{
	return rest.n ? &no_argument : NULL;
}

static const struct smtp_status *rest_any(struct slice rest, struct arena *a, struct smtp_command *c)
{
	return NULL;
}

static const struct smtp_status *rest_string(struct slice rest, struct arena *a, struct smtp_command *c)
{
	return rest.n ? NULL : &bad_string;
}

/* It goes into the trace line, so nothing passes that could be read as more than a name. */
static const struct smtp_status *rest_hello(struct slice rest, struct arena *a, struct smtp_command *c)
{
	if (!rest.n || rest.n > SMTP_HELLO_MAX)
		return &bad_hello;
	for (size_t i = 0; i < rest.n; i++) {
		uint8_t b = rest.p[i];
		if (!ascii_is_alpha(b) && !ascii_is_digit(b) && !memchr("-._:[]", b, 6))
			return &bad_hello;
	}
	return NULL;
}

static const struct smtp_status *rest_mail(struct slice rest, struct arena *a, struct smtp_command *c)
{
	static const struct smtp_status no_utf8 = { 553, "5.6.7", "The address needs SMTPUTF8" };
	if (!slice_starts_ci(rest, SLICE("FROM:")))
		return &bad_mail;
	const struct smtp_status *st =
		smtp_path_parse(slice_sub(rest, 5, rest.n), false, a, &c->mail.path, &rest);
	if (!st)
		st = smtp_mail_params(rest, a, &c->mail);
	return !st && c->mail.path.utf8 && !c->mail.smtputf8 ? &no_utf8 : st;
}

static const struct smtp_status *rest_rcpt(struct slice rest, struct arena *a, struct smtp_command *c)
{
	if (!slice_starts_ci(rest, SLICE("TO:")))
		return &bad_rcpt;
	const struct smtp_status *st =
		smtp_path_parse(slice_sub(rest, 3, rest.n), true, a, &c->rcpt.path, &rest);
	return st ? st : smtp_rcpt_params(rest, a, &c->rcpt);
}

static const struct smtp_status *rest_bdat(struct slice rest, struct arena *a, struct smtp_command *c)
{
	ptrdiff_t sp = slice_find_byte(rest, ' ', 0);
	struct slice size = slice_sub(rest, 0, sp < 0 ? rest.n : (size_t)sp);
	struct slice last = slice_trim(slice_sub(rest, size.n, rest.n));
	if (slice_u64(size, UINT64_MAX, &c->bdat.size) < 0)
		return &bad_bdat;
	c->bdat.last = last.n > 0;
	return last.n && !slice_eq_ci(last, SLICE("LAST")) ? &bad_bdat : NULL;
}

static const struct smtp_status *rest_auth(struct slice rest, struct arena *a, struct smtp_command *c)
{
	ptrdiff_t sp = slice_find_byte(rest, ' ', 0);
	c->auth.mechanism = slice_sub(rest, 0, sp < 0 ? rest.n : (size_t)sp);
	c->auth.initial = slice_trim(slice_sub(rest, c->auth.mechanism.n, rest.n));
	c->auth.has_initial = c->auth.initial.n > 0;
	return !rest.n || slice_find_byte(c->auth.initial, ' ', 0) >= 0 ? &bad_auth : NULL;
}

static const struct smtp_status *rest_unknown(struct slice rest, struct arena *a, struct smtp_command *c)
{
	return &unknown;
}

static const struct verb_def {
	const char *name;
	enum smtp_verb verb;
	rest_fn *rest;
} verbs[] = {
	{ "EHLO", SMTP_VERB_EHLO, rest_hello }, { "HELO", SMTP_VERB_HELO, rest_hello },
	{ "MAIL", SMTP_VERB_MAIL, rest_mail }, { "RCPT", SMTP_VERB_RCPT, rest_rcpt },
	{ "DATA", SMTP_VERB_DATA, rest_none }, { "BDAT", SMTP_VERB_BDAT, rest_bdat },
	{ "RSET", SMTP_VERB_RSET, rest_none }, { "NOOP", SMTP_VERB_NOOP, rest_any },
	{ "QUIT", SMTP_VERB_QUIT, rest_none }, { "VRFY", SMTP_VERB_VRFY, rest_string },
	{ "EXPN", SMTP_VERB_EXPN, rest_string }, { "HELP", SMTP_VERB_HELP, rest_any },
	{ "STARTTLS", SMTP_VERB_STARTTLS, rest_none }, { "AUTH", SMTP_VERB_AUTH, rest_auth },
	{ "GET", SMTP_VERB_HTTP, rest_any }, { "POST", SMTP_VERB_HTTP, rest_any },
	{ "HEAD", SMTP_VERB_HTTP, rest_any }, { "PUT", SMTP_VERB_HTTP, rest_any },
	{ "DELETE", SMTP_VERB_HTTP, rest_any }, { "OPTIONS", SMTP_VERB_HTTP, rest_any },
	{ "PATCH", SMTP_VERB_HTTP, rest_any }, { "TRACE", SMTP_VERB_HTTP, rest_any },
	{ "CONNECT", SMTP_VERB_HTTP, rest_any }, { "PRI", SMTP_VERB_HTTP, rest_any },
};
static const struct verb_def verb_unknown = { "unknown", SMTP_VERB_UNKNOWN, rest_unknown };

static struct slice first_word(struct slice line)
{
	ptrdiff_t sp = slice_find_byte(line, ' ', 0);
	return slice_sub(line, 0, sp < 0 ? line.n : (size_t)sp);
}

static const struct verb_def *find_verb(struct slice line)
{
	struct slice word = first_word(line);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (slice_eq_ci(word, slice_str(verbs[i].name)))
			return &verbs[i];
	return &verb_unknown;
}

enum smtp_verb smtp_verb_of(struct slice line)
{
	return find_verb(line)->verb;
}

const char *smtp_verb_name(enum smtp_verb verb)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (verbs[i].verb == verb)
			return verb == SMTP_VERB_HTTP ? "http" : verbs[i].name;
	return verb_unknown.name;
}

static bool has_control(struct slice line)
{
	for (size_t i = 0; i < line.n; i++)
		if ((line.p[i] < ' ' && line.p[i] != '\t') || line.p[i] == 0x7f)
			return true;
	return false;
}

int smtp_command_parse(struct slice line, struct arena *a, struct smtp_command *ret,
		       const struct smtp_status **ret_refusal)
{
	const struct verb_def *def = find_verb(line);
	*ret = (struct smtp_command){ .verb = def->verb };
	const struct smtp_status *st = &bad_line;
	if (!has_control(line)) {
		ret->arg = slice_trim(slice_sub(line, first_word(line).n, line.n));
		st = def->rest(ret->arg, a, ret);
	}
	if (!st)
		return 0;
	*ret_refusal = st;
	return ERR_SYNTAX;
}
