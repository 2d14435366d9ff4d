/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's state machine. Replies come in the order of the commands, so the state is the command whose
 * reply is due (and the recipient's number); with PIPELINING all commands of an envelope are written at once,
 * else each when its forerunner is answered.
 *
 *   GREETING -> EHLO -> [STARTTLS -> TLS -> EHLO] -> READY -> [RSET] -> MAIL -> RCPT* -> DATA -> BODY -> FINAL
 *                 \-> HELO ------------------------^ ^------------------ RESULT <-----------------------/
 *
 * Threats: injected plain text behind STARTTLS (S06), stripped STARTTLS (S07: REQUIRED never goes on in
 * clear), replies without end, with wrong codes or early (S12): the session ends and mail waits.
 */
#include "proto/smtp/client.h"

#include "base/arena.h"
#include "base/codec.h"
#include "proto/smtp/client_body.h"
#include "proto/smtp/client_priv.h"
#include "proto/smtp/client_reply.h"

enum state {
	S_GREETING, S_EHLO, S_HELO, S_STARTTLS, S_TLS, S_READY,
	S_RSET, S_MAIL, S_RCPT, S_DATA, S_BODY, S_FINAL, S_RESULT, S_QUIT, S_CLOSED,
};

enum { OUT_MAX = 2 << 20 };

struct smtp_client {
	enum state state;
	enum smtp_client_tls tls;
	bool secure, injected, ended, need_rset, mail_refused;
	struct smtp_caps caps;
	struct smtp_reply reply;
	struct smtp_body body;
	struct buf out;
	char *name;
	struct arena *session, *transaction;
	struct slice greeting;
	struct smtp_result failure;
	const struct smtp_client_mail *mail;
	struct smtp_result *results;
	bool *decided;		/* has its result */
	bool *unsent;		/* refused beforehand: no RCPT for it */
	size_t n, at, accepted;
};

struct smtp_client *smtp_client_new(const char *ehlo_name, enum smtp_client_tls tls)
{
	struct smtp_client *c = calloc(1, sizeof(*c));
	bug_if(!c);
	c->tls = tls;
	c->name = strdup(ehlo_name);
	bug_if(!c->name);
	c->session = arena_new();
	c->transaction = arena_new();
	smtp_reply_init(&c->reply);
	buf_init(&c->out, OUT_MAX);
	return c;
}

void smtp_client_free(struct smtp_client **c)
{
	if (!*c)
		return;
	arena_free(&(*c)->session);
	arena_free(&(*c)->transaction);
	smtp_reply_fini(&(*c)->reply);
	buf_fini(&(*c)->out);
	free((*c)->name);
	free(*c);
	*c = NULL;
}

struct buf *smtp_client_out(struct smtp_client *c)
{
	return &c->out;
}

const struct smtp_result *smtp_client_results(const struct smtp_client *c, size_t *ret_n)
{
	*ret_n = c->n;
	return c->results;
}

const struct smtp_result *smtp_client_failure(const struct smtp_client *c)
{
	return &c->failure;
}

struct slice smtp_client_greeting(const struct smtp_client *c)
{
	return c->greeting;
}

bool smtp_client_injected(const struct smtp_client *c)
{
	return c->injected;
}

bool smtp_client_body_sent(const struct smtp_client *c)
{
	return c->state == S_FINAL;
}

enum smtp_client_step smtp_client_step(const struct smtp_client *c)
{
	switch (c->state) {
	case S_TLS:
		return SMTP_CLIENT_TLS;
	case S_READY:
		return SMTP_CLIENT_READY;
	case S_BODY:
		return SMTP_CLIENT_BODY;
	case S_RESULT:
		return SMTP_CLIENT_RESULT;
	case S_CLOSED:
		return SMTP_CLIENT_CLOSED;
	default:
		return SMTP_CLIENT_WAIT;
	}
}

static bool in_transaction(const struct smtp_client *c)
{
	return c->state >= S_RSET && c->state <= S_FINAL;
}

static struct smtp_result result_of(struct arena *a, enum smtp_outcome outcome, unsigned code,
				    const char *enhanced, struct slice text)
{
	struct smtp_result r = { .outcome = outcome, .code = (uint16_t)code };
	static const char *const by_outcome[] = { "2.0.0", "4.0.0", "5.0.0" };
	/* What is retried has a class 4 status whatever the server made of it, and so on. */
	bool fits = enhanced[0] == by_outcome[outcome][0];
	snprintf(r.enhanced, sizeof(r.enhanced), "%s", fits ? enhanced : by_outcome[outcome]);
	r.text = arena_dup(a, slice_sub(text, 0, SMTP_CLIENT_TEXT_MAX));
	return r;
}

static struct smtp_result result_of_reply(struct smtp_client *c, struct arena *a,
					  enum smtp_outcome outcome)
{
	return result_of(a, outcome, c->reply.code, c->reply.enhanced, buf_view(&c->reply.text));
}

static void decide(struct smtp_client *c, size_t i, struct smtp_result r)
{
	if (c->decided[i])
		return;
	r.dsn_passed_on = r.outcome == SMTP_DELIVERED && c->caps.has & CAP_DSN;
	c->results[i] = r;
	c->decided[i] = true;
}

static void decide_rest(struct smtp_client *c, struct smtp_result r)
{
	for (size_t i = 0; i < c->n; i++)
		decide(c, i, r);
}

/* The session is over; a transaction that runs gives its results first. */
static void end_session(struct smtp_client *c, struct smtp_result why)
{
	c->ended = true;
	c->failure = why;
	if (in_transaction(c)) {
		decide_rest(c, why);
		c->state = S_RESULT;
	} else if (c->state != S_RESULT) {
		c->state = S_CLOSED;
	}
}

static void end_text(struct smtp_client *c, const char *text)
{
	end_session(c, result_of(c->session, SMTP_LATER, 0, "4.4.2", slice_str(text)));
}

static void end_reply(struct smtp_client *c)
{
	end_session(c, result_of_reply(c, c->session, SMTP_LATER));
}

void smtp_client_lost(struct smtp_client *c, const char *text)
{
	if (c->state == S_CLOSED)
		return;
	if (c->state == S_QUIT)
		c->state = S_CLOSED;
	else
		end_text(c, text);
}

static void command(struct smtp_client *c, enum state state, const char *verb, const char *argument)
{
	buf_str(&c->out, verb);
	buf_str(&c->out, argument);
	buf_str(&c->out, "\r\n");
	c->state = state;
}

/* The envelope */

static void write_one(struct smtp_client *c)
{
	if (c->state == S_RSET)
		buf_str(&c->out, "RSET\r\n");
	else if (c->state == S_MAIL)
		smtp_write_mail(&c->out, c->mail, &c->caps);
	else if (c->state == S_RCPT)
		smtp_write_rcpt(&c->out, &c->mail->rcpts[c->at], &c->caps);
	else if (c->state == S_DATA)
		buf_str(&c->out, "DATA\r\n");
}

static void write_all(struct smtp_client *c)
{
	if (c->state == S_RSET)
		buf_str(&c->out, "RSET\r\n");
	smtp_write_mail(&c->out, c->mail, &c->caps);
	for (size_t i = 0; i < c->n; i++)
		if (!c->unsent[i])
			smtp_write_rcpt(&c->out, &c->mail->rcpts[i], &c->caps);
	buf_str(&c->out, "DATA\r\n");
}

/* To the next recipient that a RCPT is for, from c->at on; false: there is none. */
static bool next_rcpt(struct smtp_client *c)
{
	while (c->at < c->n && c->unsent[c->at])
		c->at++;
	return c->at < c->n;
}

static void to_state(struct smtp_client *c, enum state state)
{
	c->state = state;
	if (!(c->caps.has & CAP_PIPELINING))
		write_one(c);
}

/* Recipients that need no server to be refused. */
static void refuse_beforehand(struct smtp_client *c, const struct smtp_client_mail *m)
{
	struct arena *a = c->transaction;
	if (c->caps.has & CAP_SIZE && c->caps.size && m->size > c->caps.size)
		decide_rest(c, result_of(a, SMTP_FAILED, 552, "5.3.4",
					 SLICE("Message too big for the server")));
	else if (m->smtputf8 && !(c->caps.has & CAP_SMTPUTF8))
		decide_rest(c, result_of(a, SMTP_FAILED, 550, "5.6.7",
					 SLICE("The server does not take internationalized mail")));
	else if (!smtp_client_address_ok(m->sender, m->smtputf8))
		decide_rest(c,
			    result_of(a, SMTP_FAILED, 553, "5.1.7", SLICE("Bad sender address")));
	for (size_t i = 0; i < m->n_rcpts; i++)
		if (!m->rcpts[i].address.n ||
		    !smtp_client_address_ok(m->rcpts[i].address, m->smtputf8))
			decide(c, i, result_of(a, SMTP_FAILED, 553,
					       ascii_only(m->rcpts[i].address) ? "5.1.3" : "5.6.7",
					       SLICE("Bad recipient address")));
	memcpy(c->unsent, c->decided, c->n * sizeof(*c->unsent));
}

void smtp_client_send(struct smtp_client *c, const struct smtp_client_mail *mail)
{
	bug_if(c->state != S_READY || !mail->n_rcpts || mail->n_rcpts > SMTP_CLIENT_RCPTS_MAX);
	arena_reset(c->transaction);
	c->mail = mail;
	c->n = mail->n_rcpts;
	c->at = c->accepted = 0;
	c->mail_refused = false;
	c->results = ARENA_ARRAY(c->transaction, struct smtp_result, c->n);
	c->decided = ARENA_ARRAY(c->transaction, bool, c->n);
	c->unsent = ARENA_ARRAY(c->transaction, bool, c->n);
	refuse_beforehand(c, mail);
	if (!next_rcpt(c)) {
		c->state = S_RESULT;
		return;
	}
	c->state = c->need_rset ? S_RSET : S_MAIL;
	c->need_rset = true;
	if (c->caps.has & CAP_PIPELINING)
		write_all(c);
	else
		write_one(c);
}

void smtp_client_body(struct smtp_client *c, struct slice chunk)
{
	bug_if(chunk.n > SMTP_CLIENT_CHUNK);
	if (c->state == S_BODY)
		smtp_body_add(&c->body, chunk, &c->out);
	if (!buf_ok(&c->out))
		end_text(c, "output was not taken");
}

void smtp_client_body_end(struct smtp_client *c)
{
	if (c->state != S_BODY)
		return;
	smtp_body_end(&c->body, &c->out);
	c->state = S_FINAL;
}

void smtp_client_next(struct smtp_client *c)
{
	if (c->state == S_RESULT)
		c->state = c->ended ? S_CLOSED : S_READY;
}

void smtp_client_quit(struct smtp_client *c)
{
	if (c->state == S_READY)
		command(c, S_QUIT, "QUIT", "");
}

void smtp_client_tls_done(struct smtp_client *c)
{
	bug_if(c->state != S_TLS);
	c->secure = true;
	c->caps = (struct smtp_caps){ 0 };
	smtp_reply_fini(&c->reply);
	smtp_reply_init(&c->reply);
	command(c, S_EHLO, "EHLO ", c->name);
}

/* Replies */

static void on_greeting(struct smtp_client *c)
{
	struct slice text = buf_view(&c->reply.text);
	size_t n = 0;
	while (n < text.n && text.p[n] > ' ')
		n++;
	c->greeting = arena_dup(c->session, slice_sub(text, 0, n < 255 ? n : 255));
	if (c->reply.code == 220)
		command(c, S_EHLO, "EHLO ", c->name);
	else if (c->reply.code == 521)	/* RFC 7504: no mail here, ever */
		end_session(c, result_of_reply(c, c->session, SMTP_FAILED));
	else
		end_reply(c);
}

static bool tls_needed(const struct smtp_client *c)
{
	return !c->secure && (c->tls == SMTP_TLS_REQUIRED || c->tls == SMTP_TLS_VERIFIED);
}

static void capabilities_known(struct smtp_client *c)
{
	if (!c->secure && c->tls != SMTP_TLS_NONE && c->caps.has & CAP_STARTTLS)
		command(c, S_STARTTLS, "STARTTLS", "");
	else if (tls_needed(c))
		end_session(c,
			    result_of(c->session, SMTP_LATER, 0, "4.7.0",
				      SLICE("TLS is required and the server does not offer it")));
	else
		c->state = S_READY;
}

static void on_ehlo(struct smtp_client *c)
{
	unsigned code = c->reply.code;
	if (code == 250) {
		smtp_caps_parse(buf_view(&c->reply.text), &c->caps);
		capabilities_known(c);
	} else if (code >= 500) {
		command(c, S_HELO, "HELO ", c->name);
	} else {
		end_reply(c);
	}
}

static void on_helo(struct smtp_client *c)
{
	if (c->reply.code == 250)
		capabilities_known(c);
	else
		end_reply(c);
}

static void on_starttls(struct smtp_client *c)
{
	if (c->reply.code == 220)
		c->state = S_TLS;
	else if (tls_needed(c) || c->reply.code < 400)
		end_reply(c);
	else
		c->state = S_READY;
}

static enum smtp_outcome outcome_of(const struct smtp_client *c)
{
	unsigned class = c->reply.code / 100;
	return class == 2 ? SMTP_DELIVERED : class == 5 ? SMTP_FAILED : SMTP_LATER;
}

static void on_mail(struct smtp_client *c)
{
	enum smtp_outcome outcome = outcome_of(c);
	if (c->reply.code / 100 == 3) {
		end_reply(c);
		return;
	}
	if (outcome != SMTP_DELIVERED) {
		decide_rest(c, result_of_reply(c, c->transaction, outcome));
		c->mail_refused = true;
		if (!(c->caps.has & CAP_PIPELINING)) {
			c->state = S_RESULT;
			return;
		}
	}
	to_state(c, S_RCPT);
}

static void on_rcpt(struct smtp_client *c)
{
	enum smtp_outcome outcome = outcome_of(c);
	if (c->reply.code == 552)	/* RFC 5321 4.5.3.1.10: too many recipients */
		outcome = SMTP_LATER;
	if (outcome != SMTP_DELIVERED)
		decide(c, c->at, result_of_reply(c, c->transaction, outcome));
	else if (!c->mail_refused)
		c->accepted++;
	c->at++;
	if (next_rcpt(c))
		to_state(c, S_RCPT);
	else if (c->accepted || c->caps.has & CAP_PIPELINING)
		to_state(c, S_DATA);
	else
		c->state = S_RESULT;
}

static void on_data(struct smtp_client *c)
{
	if (c->reply.code == 354) {
		smtp_body_init(&c->body);
		c->state = S_BODY;
		if (!c->accepted)	/* RFC 2920 3.1: an empty message to nobody */
			smtp_client_body_end(c);
	} else if (c->reply.code >= 400) {
		decide_rest(c, result_of_reply(c, c->transaction, outcome_of(c)));
		c->state = S_RESULT;
	} else {
		end_reply(c);
	}
}

static void on_final(struct smtp_client *c)
{
	c->need_rset = false;
	if (c->reply.code / 100 == 3) {
		end_reply(c);
		return;
	}
	decide_rest(c, result_of_reply(c, c->transaction, outcome_of(c)));
	c->state = S_RESULT;
}

/* A reply before the message is sent: a refusal is believed, and the session is of no more use. */
static void on_early(struct smtp_client *c)
{
	if (c->reply.code >= 400)
		decide_rest(c, result_of_reply(c, c->transaction, outcome_of(c)));
	end_reply(c);
}

static void on_rset(struct smtp_client *c)
{
	if (c->reply.code / 100 == 2)
		to_state(c, S_MAIL);
	else
		end_reply(c);
}

static void on_reply(struct smtp_client *c)
{
	if (c->state == S_QUIT) {
		c->state = S_CLOSED;
		return;
	}
	if (c->reply.code == 421 && c->state != S_FINAL) {
		end_reply(c);
		return;
	}
	switch (c->state) {
	case S_GREETING:
		on_greeting(c);
		break;
	case S_EHLO:
		on_ehlo(c);
		break;
	case S_HELO:
		on_helo(c);
		break;
	case S_STARTTLS:
		on_starttls(c);
		break;
	case S_RSET:
		on_rset(c);
		break;
	case S_MAIL:
		on_mail(c);
		break;
	case S_RCPT:
		on_rcpt(c);
		break;
	case S_DATA:
		on_data(c);
		break;
	case S_BODY:
		on_early(c);
		break;
	case S_FINAL:
		c->ended |= c->reply.code == 421;
		on_final(c);
		break;
	default:	/* nothing was asked */
		end_reply(c);
	}
}

enum smtp_client_step smtp_client_feed(struct smtp_client *c, struct slice in, size_t *ret_used)
{
	size_t used = 0, total = 0;
	while (c->state != S_CLOSED && c->state != S_TLS) {
		int r = smtp_reply_feed(&c->reply, slice_sub(in, total, in.n), &used);
		if (r < 0) {
			end_text(c, "The server's answer is no SMTP reply");
			break;
		}
		total += used;
		if (r == 0)
			break;
		enum state before = c->state;
		on_reply(c);
		if (smtp_client_step(c) != SMTP_CLIENT_WAIT && c->state != before)
			break;
	}
	if (c->state == S_TLS) {
		c->injected |= total < in.n;
		total = in.n;
	} else if (c->state == S_CLOSED) {
		total = in.n;
	}
	*ret_used = total;
	return smtp_client_step(c);
}
