/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each command does: one table of verb, handler and the states that it may come in (RFC 5321 4.1.4).
 * VRFY and EXPN answer the same for every name (S27). A command that may not be followed by others in its
 * group (RFC 2920 3.1), and is, ends the session where that would let a body pass for commands (S08).
 */
#include "proto/smtp/server_priv.h"

#include "base/err.h"
#include "base/text.h"

enum { JUNK = 1 };	/* brings no message nearer */

struct command_def {
	void (*run)(struct smtp_server *s, const struct smtp_command *c);
	unsigned states;
	unsigned flags;
};

static void out_of_order(struct smtp_server *s, enum smtp_verb verb)
{
	static const struct smtp_status hello = { 503, "5.5.1", "EHLO comes first" },
		mail = { 503, "5.5.1", "MAIL comes first" }, rcpt = { 554, "5.5.1", N_("No valid recipients") },
		open = { 503, "5.5.1", "Not while a message is under way" };
	const struct smtp_status *st = &open;
	if (s->state == SMTP_ST_FRESH)
		st = &hello;
	else if (s->state == SMTP_ST_READY)
		st = &mail;
	else if (s->state == SMTP_ST_MAIL && verb == SMTP_VERB_DATA)
		st = &rcpt;
	smtp_refuse(s, verb, st);
}

static void say_offers(struct smtp_server *s)
{
	struct buf text = BUF_INIT(SMTP_REPLY_MAX);
	buf_printf(&text, "%s\nPIPELINING\nSIZE %llu\n", s->cfg->host, (unsigned long long)s->cfg->max_size);
	if (s->tls_offered)
		buf_str(&text, "STARTTLS\n");
	if (s->cfg->submission)
		buf_str(&text, "AUTH PLAIN LOGIN\n");
	buf_str(&text, "ENHANCEDSTATUSCODES\n8BITMIME\nDSN\nSMTPUTF8\nCHUNKING");
	smtp_say(s, &(struct smtp_status){ 250, NULL, buf_cstr(&text) });
	buf_fini(&text);
}

static void do_hello(struct smtp_server *s, const struct smtp_command *c)
{
	static const struct smtp_status early = { 554, "5.5.0", "Commands before the answer to EHLO" };
	if (s->more) {
		s->ops->refused(s->ctx, c->verb, &early);
		smtp_goodbye(s, &early);
		return;
	}
	smtp_end_transaction(s);
	memcpy(s->hello, c->arg.p, c->arg.n);
	s->hello_n = c->arg.n;
	s->esmtp = c->verb == SMTP_VERB_EHLO;
	smtp_enter_state(s, SMTP_ST_READY);
	if (s->esmtp)
		say_offers(s);
	else
		smtp_say(s, &(struct smtp_status){ 250, NULL, s->cfg->host });
}

static void do_mail(struct smtp_server *s, const struct smtp_command *c)
{
	static const struct smtp_status no_login = { 530, "5.7.0", "Log in first" },
		large = { 552, "5.3.4", N_("The message is larger than this server takes") };
	if (s->cfg->submission && !s->logged_in) {
		smtp_refuse(s, c->verb, &no_login);
		return;
	}
	if (c->mail.size > s->cfg->max_size) {
		smtp_refuse(s, c->verb, &large);
		return;
	}
	s->mail = c->mail;
	smtp_enter_state(s, SMTP_ST_SENDER);
	s->ops->check_sender(s->ctx, &s->mail);
}

static void do_rcpt(struct smtp_server *s, const struct smtp_command *c)
{
	static const struct smtp_status full = { 452, "4.5.3", N_("Too many recipients") },
		overshot = { 421, "4.5.3", N_("Far too many recipients") },
		no_utf8 = { 553, "5.6.7", N_("The address needs SMTPUTF8") };
	if (s->recipients >= s->cfg->max_recipients) {
		bool enough = ++s->overshoot > SMTP_OVERSHOOT;
		smtp_refuse(s, c->verb, enough ? &overshot : &full);
	} else if (c->rcpt.path.utf8 && !s->mail.smtputf8) {
		smtp_refuse(s, c->verb, &no_utf8);
	} else {
		smtp_enter_state(s, SMTP_ST_ROUTE);
		s->ops->route(s->ctx, &c->rcpt);
	}
}

static void do_data(struct smtp_server *s, const struct smtp_command *c)
{
	smtp_begin_data(s);
}

static void do_bdat(struct smtp_server *s, const struct smtp_command *c)
{
	s->junk += c->bdat.size == 0;
	smtp_begin_chunk(s, c->bdat.size, c->bdat.last);
}

static void do_rset(struct smtp_server *s, const struct smtp_command *c)
{
	static const struct smtp_status ok = { 250, "2.0.0", "Forgotten" };
	smtp_end_transaction(s);
	if (s->state != SMTP_ST_FRESH)
		smtp_enter_state(s, SMTP_ST_READY);
	smtp_say(s, &ok);
}

static void do_noop(struct smtp_server *s, const struct smtp_command *c)
{
	static const struct smtp_status ok = { 250, "2.0.0", "OK" };
	smtp_say(s, &ok);
}

static void do_quit(struct smtp_server *s, const struct smtp_command *c)
{
	static const struct smtp_status bye = { 221, "2.0.0", "Bye" };
	smtp_goodbye(s, &bye);
}

static void do_vrfy(struct smtp_server *s, const struct smtp_command *c)
{
	static const struct smtp_status perhaps = { 252, "2.1.5", "Send a message and see" };
	smtp_say(s, &perhaps);
}

static void do_expn(struct smtp_server *s, const struct smtp_command *c)
{
	static const struct smtp_status never = { 502, "5.5.1", "EXPN is not offered" };
	smtp_refuse(s, c->verb, &never);
}

static void do_help(struct smtp_server *s, const struct smtp_command *c)
{
	static const struct smtp_status help = {
		214, "2.0.0", "EHLO HELO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP STARTTLS AUTH\nSee RFC 5321"
	};
	smtp_say(s, &help);
}

static void do_starttls(struct smtp_server *s, const struct smtp_command *c)
{
	static const struct smtp_status go = { 220, "2.0.0", "Go ahead" },
		on = { 503, "5.5.1", "TLS is on already" }, none = { 454, "4.7.0", "TLS is not to be had now" };
	if (s->tls) {
		smtp_refuse(s, c->verb, &on);
	} else if (!s->tls_offered) {
		smtp_refuse(s, c->verb, &none);
	} else {
		smtp_say(s, &go);
		smtp_enter_state(s, SMTP_ST_TLS);
		s->ops->start_tls(s->ctx);
	}
}

static void auth_end(struct smtp_server *s, const struct smtp_status *st)
{
	sasl_wipe(s->sasl);
	free(s->sasl);
	s->sasl = NULL;
	if (s->state != SMTP_ST_READY)
		smtp_enter_state(s, SMTP_ST_READY);
	smtp_refuse(s, SMTP_VERB_AUTH, st);
}

static void auth_took(struct smtp_server *s, int r, struct buf *challenge)
{
	static const struct smtp_status cancelled = { 501, "5.7.0", "Cancelled" },
		syntax = { 501, "5.5.2", "Not what this mechanism sends" },
		large = { 500, "5.5.6", "The line is too long" };
	if (r == 1) {
		smtp_enter_state(s, SMTP_ST_LOGIN);
		s->ops->login(s->ctx, s->sasl);
	} else if (r == 0) {
		smtp_enter_state(s, SMTP_ST_AUTH);
		smtp_say(s, &(struct smtp_status){ 334, NULL, buf_cstr(challenge) });
	} else {
		auth_end(s, r == ERR_CLOSED ? &cancelled : r == ERR_TOO_BIG ? &large : &syntax);
	}
}

static void do_auth(struct smtp_server *s, const struct smtp_command *c)
{
	static const struct smtp_status never = { 502, "5.5.1", "AUTH is not offered here" },
		again = { 503, "5.5.1", "You are logged in already" },
		other = { 504, "5.5.4", "This mechanism is not offered" };
	enum sasl_mechanism mechanism;
	const struct smtp_status *st = !s->cfg->submission ? &never : s->logged_in ? &again : NULL;
	if (!st && sasl_mechanism(c->auth.mechanism, &mechanism) < 0)
		st = &other;
	if (st) {
		smtp_refuse(s, c->verb, st);
		return;
	}
	s->sasl = calloc(1, sizeof(*s->sasl));
	bug_if(!s->sasl);
	sasl_init(s->sasl, mechanism);
	struct buf challenge = BUF_INIT(256);
	int r = 0;
	if (c->auth.has_initial)
		r = sasl_step(s->sasl, c->auth.initial, true, &challenge);
	else
		sasl_begin(s->sasl, &challenge);
	auth_took(s, r, &challenge);
	buf_fini(&challenge);
}

void smtp_auth_line(struct smtp_server *s, struct slice line)
{
	struct buf challenge = BUF_INIT(256);
	int r = sasl_step(s->sasl, line, false, &challenge);
	auth_took(s, r, &challenge);
	buf_fini(&challenge);
}

/* clang-format off */
static const struct command_def commands[SMTP_VERB_COUNT] = {
	[SMTP_VERB_EHLO] = { do_hello, SMTP_COMMAND_STATES & ~SMTP_BIT(CHUNKS), JUNK },
	[SMTP_VERB_HELO] = { do_hello, SMTP_COMMAND_STATES & ~SMTP_BIT(CHUNKS), JUNK },
	[SMTP_VERB_MAIL] = { do_mail, SMTP_BIT(READY), 0 },
	[SMTP_VERB_RCPT] = { do_rcpt, SMTP_BIT(MAIL) | SMTP_BIT(RCPT), 0 },
	[SMTP_VERB_DATA] = { do_data, SMTP_BIT(RCPT), 0 },
	[SMTP_VERB_BDAT] = { do_bdat, SMTP_COMMAND_STATES, 0 },
	[SMTP_VERB_RSET] = { do_rset, SMTP_COMMAND_STATES, JUNK },
	[SMTP_VERB_NOOP] = { do_noop, SMTP_COMMAND_STATES, JUNK },
	[SMTP_VERB_QUIT] = { do_quit, SMTP_COMMAND_STATES, 0 },
	[SMTP_VERB_VRFY] = { do_vrfy, SMTP_COMMAND_STATES, JUNK },
	[SMTP_VERB_EXPN] = { do_expn, SMTP_COMMAND_STATES, JUNK },
	[SMTP_VERB_HELP] = { do_help, SMTP_COMMAND_STATES, JUNK },
	[SMTP_VERB_STARTTLS] = { do_starttls, SMTP_BIT(READY), JUNK },
	[SMTP_VERB_AUTH] = { do_auth, SMTP_BIT(READY), JUNK },
};
/* clang-format on */

/* The line could not be read. What follows a BDAT that cannot be counted off is nobody's command. */
static void unreadable(struct smtp_server *s, enum smtp_verb verb, const struct smtp_status *st)
{
	if (verb != SMTP_VERB_BDAT) {
		smtp_refuse(s, verb, st);
		return;
	}
	s->ops->refused(s->ctx, verb, st);
	smtp_goodbye(s, st);
}

void smtp_command_line(struct smtp_server *s, struct slice line)
{
	static const struct smtp_status web = { 421, "4.7.0", "This is a mail server" },
		junk = { 421, "4.7.0", "Too many commands without a message" };
	struct smtp_command c;
	const struct smtp_status *st = NULL;
	enum smtp_state before = s->state;
	if (before == SMTP_ST_FRESH || before == SMTP_ST_READY)
		arena_reset(s->arena);
	int r = smtp_command_parse(line, s->arena, &c, &st);
	const struct command_def *def = &commands[c.verb];
	s->junk += def->flags & JUNK;
	if (c.verb == SMTP_VERB_HTTP)
		smtp_refuse(s, c.verb, &web);
	else if (s->junk > SMTP_JUNK_MAX)
		smtp_refuse(s, c.verb, &junk);
	else if (r < 0)
		unreadable(s, c.verb, st);
	else if (!(def->states & 1u << before))
		out_of_order(s, c.verb);
	else
		def->run(s, &c);
	if (s->state == before)
		smtp_enter_state(s, before);
}
