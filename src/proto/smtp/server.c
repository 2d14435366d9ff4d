/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An SMTP session: states, lines, time, budgets.
 *
 * Invariants: the state changes in smtp_enter_state only, along smtp_legal[]; in a state that asks somebody
 * no input is taken; every state that waits for the client has a deadline; nothing read before a TLS
 * handshake is used behind it (RFC 3207 6, S05); a line ends at CRLF only. Threats: S05, S08, S09, S11, S22, S23.
 */
#include "proto/smtp/server_priv.h"

#include "base/event.h"
#include "base/text.h"

static const char *const state_names[SMTP_ST_COUNT] = {
	"greeting", "fresh", "ready", "sender", "mail", "route", "rcpt", "chunks", "data", "bdat",
	"commit", "auth", "login", "tls", "tarpit", "closing",
};

/* clang-format off */
static const unsigned smtp_legal[SMTP_ST_COUNT] = {
	[SMTP_ST_GREETING] = SMTP_BIT(FRESH) | SMTP_BIT(GREETING),
	[SMTP_ST_FRESH]  = SMTP_BIT(FRESH) | SMTP_BIT(READY) | SMTP_BIT(BDAT) | SMTP_BIT(TARPIT),
	[SMTP_ST_READY]  = SMTP_BIT(READY) | SMTP_BIT(SENDER) | SMTP_BIT(AUTH) | SMTP_BIT(LOGIN) | SMTP_BIT(TLS) |
			   SMTP_BIT(BDAT) | SMTP_BIT(TARPIT),
	[SMTP_ST_SENDER] = SMTP_BIT(MAIL) | SMTP_BIT(READY),
	[SMTP_ST_MAIL]   = SMTP_BIT(MAIL) | SMTP_BIT(ROUTE) | SMTP_BIT(READY) | SMTP_BIT(BDAT) | SMTP_BIT(TARPIT),
	[SMTP_ST_ROUTE]  = SMTP_BIT(MAIL) | SMTP_BIT(RCPT),
	[SMTP_ST_RCPT]   = SMTP_BIT(RCPT) | SMTP_BIT(ROUTE) | SMTP_BIT(DATA) | SMTP_BIT(BDAT) | SMTP_BIT(READY) |
			   SMTP_BIT(TARPIT),
	[SMTP_ST_CHUNKS] = SMTP_BIT(CHUNKS) | SMTP_BIT(BDAT) | SMTP_BIT(READY) | SMTP_BIT(TARPIT),
	[SMTP_ST_DATA]   = SMTP_BIT(DATA) | SMTP_BIT(COMMIT) | SMTP_BIT(READY),
	[SMTP_ST_BDAT]   = SMTP_BIT(BDAT) | SMTP_BIT(CHUNKS) | SMTP_BIT(COMMIT) | SMTP_BIT(READY) | SMTP_BIT(FRESH) |
			   SMTP_BIT(MAIL),
	[SMTP_ST_COMMIT] = SMTP_BIT(READY),
	[SMTP_ST_AUTH]   = SMTP_BIT(AUTH) | SMTP_BIT(LOGIN) | SMTP_BIT(READY),
	[SMTP_ST_LOGIN]  = SMTP_BIT(READY),
	[SMTP_ST_TLS]    = SMTP_BIT(FRESH),
	[SMTP_ST_TARPIT] = SMTP_COMMAND_STATES,
	[SMTP_ST_CLOSING] = 0,
};
/* clang-format on */

static bool asks(enum smtp_state state)
{
	return 1u << state & (SMTP_BIT(SENDER) | SMTP_BIT(ROUTE) | SMTP_BIT(COMMIT) | SMTP_BIT(LOGIN) |
			      SMTP_BIT(TARPIT));
}

static unsigned state_ms(const struct smtp_server *s)
{
	switch (s->state) {
	case SMTP_ST_GREETING:
		return s->cfg->greet_ms;
	case SMTP_ST_DATA:
	case SMTP_ST_BDAT:
		return s->cfg->data_ms;
	case SMTP_ST_TLS:
		return s->cfg->idle_ms < SMTP_TLS_MS ? s->cfg->idle_ms : SMTP_TLS_MS;
	case SMTP_ST_TARPIT:
		return s->cfg->tarpit_ms;
	case SMTP_ST_CLOSING:
		return 0;
	default:
		return asks(s->state) ? 0 : s->cfg->idle_ms;
	}
}

void smtp_enter_state(struct smtp_server *s, enum smtp_state next)
{
	enum smtp_state from = s->state;
	bug_if(!(smtp_legal[from] & 1u << next) && (next != SMTP_ST_CLOSING || from == next));
	s->state = next;
	if (from != next)
		ev(EV_DEBUG, "smtp.session.state", KS("from", state_names[from]), KS("to", state_names[next]));
	s->window_octets = 0;
	if (asks(from) != asks(next))
		s->ops->wait(s->ctx, asks(next));
	s->ops->timer(s->ctx, state_ms(s));
}

/* Programs go by codes; what a mail program shows to its user is the text of a refusal. */
static void write_reply(struct smtp_server *s, const struct smtp_status *st, struct buf *out)
{
	struct smtp_status said = *st;
	struct buf text = BUF_INIT(2 * SMTP_REPLY_MAX);
	if (st->code >= 400 && s->language)
		text_ascii(text_in(s->language, st->text), &text);
	if (text.n && buf_ok(&text))
		said.text = buf_cstr(&text);
	smtp_reply_write(out, &said);
	buf_fini(&text);
}

void smtp_server_language(struct smtp_server *s, const char *language)
{
	s->language = text_language(slice_str(language));
}

void smtp_say(struct smtp_server *s, const struct smtp_status *st)
{
	struct buf out = BUF_INIT(SMTP_REPLY_MAX);
	write_reply(s, st, &out);
	s->ops->write(s->ctx, buf_view(&out));
	buf_fini(&out);
}

void smtp_goodbye(struct smtp_server *s, const struct smtp_status *st)
{
	if (s->state == SMTP_ST_CLOSING)
		return;
	smtp_say(s, st);
	smtp_enter_state(s, SMTP_ST_CLOSING);
	s->ops->close(s->ctx);
}

void smtp_refuse(struct smtp_server *s, enum smtp_verb verb, const struct smtp_status *st)
{
	static const struct smtp_status too_many = { 421, "4.7.0", "Too many errors" };
	s->ops->refused(s->ctx, verb, st);
	if (st->code == 421) {
		smtp_goodbye(s, st);
		return;
	}
	s->errors += st->code >= 500;
	if (s->errors >= s->cfg->max_errors) {
		smtp_say(s, st);
		smtp_goodbye(s, &too_many);
	} else if (st->code >= 500 && s->errors > s->cfg->max_errors / 2 && s->cfg->tarpit_ms) {
		buf_clear(&s->held);
		write_reply(s, st, &s->held);
		s->resume = s->state;
		smtp_enter_state(s, SMTP_ST_TARPIT);
	} else {
		smtp_say(s, st);
	}
}

void smtp_end_transaction(struct smtp_server *s)
{
	s->ops->reset(s->ctx);
	s->mail = (struct smtp_mail){ 0 };
	s->recipients = s->overshoot = s->windows = 0;
	s->body_failed = false;
	s->chunk_refusal = NULL;
	arena_reset(s->arena);
}

/* Nothing that anybody said so far counts any more. */
static void start_over(struct smtp_server *s)
{
	smtp_end_transaction(s);
	s->hello_n = 0;
	s->esmtp = false;
	smtp_enter_state(s, SMTP_ST_FRESH);
}

struct smtp_server *smtp_server_new(const struct smtp_server_config *cfg, const struct smtp_server_ops *ops,
				    void *ctx, bool tls_offered)
{
	struct smtp_server *s = calloc(1, sizeof(*s));
	bug_if(!s);
	s->cfg = cfg;
	s->ops = ops;
	s->ctx = ctx;
	s->tls = cfg->submission;
	s->tls_offered = tls_offered && !cfg->submission;
	s->arena = arena_new();
	buf_init(&s->held, SMTP_REPLY_MAX);
	return s;
}

static void forget_sasl(struct smtp_server *s)
{
	if (s->sasl)
		sasl_wipe(s->sasl);
	free(s->sasl);
	s->sasl = NULL;
}

void smtp_server_free(struct smtp_server **s)
{
	if (!*s)
		return;
	forget_sasl(*s);
	arena_free(&(*s)->arena);
	buf_fini(&(*s)->held);
	free(*s);
	*s = NULL;
}

static void greet(struct smtp_server *s)
{
	struct buf text = BUF_INIT(SMTP_REPLY_LINE_MAX);
	buf_printf(&text, "%s ESMTP", s->cfg->host);
	smtp_enter_state(s, SMTP_ST_FRESH);
	smtp_say(s, &(struct smtp_status){ 220, NULL, buf_cstr(&text) });
	buf_fini(&text);
}

void smtp_server_start(struct smtp_server *s)
{
	if (s->cfg->greet_ms)
		smtp_enter_state(s, SMTP_ST_GREETING);
	else
		greet(s);
}

void smtp_server_refuse(struct smtp_server *s, const struct smtp_status *st)
{
	smtp_goodbye(s, st);
}

static const struct smtp_status line_too_long = { 500, "5.5.2", "The line is too long" },
	bare_lf = { 500, "5.5.2", "Lines end in CRLF (RFC 5321 2.3.8)" };

/* Inside an overlong line: reads on to its end, but not for ever. */
static size_t discard(struct smtp_server *s, struct slice in)
{
	ptrdiff_t lf = slice_find_byte(in, '\n', 0);
	size_t n = lf >= 0 ? (size_t)lf + 1 : in.n - (in.p[in.n - 1] == '\r');
	s->discarded += n;
	if (s->discarded > SMTP_DISCARD_MAX || lf == 0 || (lf > 0 && in.p[lf - 1] != '\r')) {
		s->ops->refused(s->ctx, SMTP_VERB_UNKNOWN, &line_too_long);
		smtp_goodbye(s, &line_too_long);
	} else if (lf > 0) {
		s->discarding = false;
		smtp_refuse(s, SMTP_VERB_UNKNOWN, &line_too_long);
	}
	return n;
}

static size_t overlong(struct smtp_server *s, struct slice in)
{
	if (s->state == SMTP_ST_AUTH) {
		smtp_goodbye(s, &line_too_long);
		return in.n;
	}
	s->discarding = true;
	s->discarded = 0;
	return discard(s, in);
}

static size_t take_line(struct smtp_server *s, struct slice in)
{
	if (s->discarding)
		return discard(s, in);
	bool sasl = s->state == SMTP_ST_AUTH;
	size_t max = sasl || smtp_verb_of(slice_sub(in, 0, 16)) == SMTP_VERB_AUTH ? SMTP_AUTH_LINE_MAX : SMTP_LINE_MAX;
	ptrdiff_t lf = slice_find_byte(slice_sub(in, 0, max), '\n', 0);
	if (lf < 0)
		return in.n < max ? 0 : overlong(s, in);
	size_t n = (size_t)lf + 1;
	if (lf == 0 || in.p[lf - 1] != '\r') {
		s->ops->refused(s->ctx, SMTP_VERB_UNKNOWN, &bare_lf);
		smtp_goodbye(s, &bare_lf);
		return n;
	}
	struct slice line = slice_sub(in, 0, n - 2);
	s->more = in.n > n;
	if (sasl)
		smtp_auth_line(s, line);
	else
		smtp_command_line(s, line);
	return n;
}

static size_t early_talk(struct smtp_server *s, struct slice in)
{
	static const struct smtp_status early = { 554, "5.5.0", "You spoke before the greeting" };
	s->ops->refused(s->ctx, SMTP_VERB_UNKNOWN, &early);
	smtp_goodbye(s, &early);
	return in.n;
}

static size_t take_some(struct smtp_server *s, struct slice in)
{
	switch (s->state) {
	case SMTP_ST_GREETING:
		return early_talk(s, in);
	case SMTP_ST_DATA:
		return smtp_body_data(s, in);
	case SMTP_ST_BDAT:
		return smtp_body_chunk(s, in);
	case SMTP_ST_TLS:	/* read in clear, behind STARTTLS: dropped */
	case SMTP_ST_CLOSING:
		return in.n;
	default:
		return take_line(s, in);
	}
}

size_t smtp_server_input(struct smtp_server *s, struct slice in)
{
	size_t used = 0;
	while (used < in.n && !asks(s->state)) {
		size_t n = take_some(s, slice_sub(in, used, in.n));
		if (n == 0)
			break;
		used += n;
	}
	return used;
}

/* A window of DATA or BDAT is over: fast enough, and not for too long? */
static bool window_passes(struct smtp_server *s)
{
	s->windows++;
	return s->window_octets >= s->cfg->data_window_min &&
	       (uint64_t)s->windows * s->cfg->data_ms < s->cfg->data_total_ms;
}

static void tarpit_over(struct smtp_server *s)
{
	smtp_enter_state(s, s->resume);
	s->ops->write(s->ctx, buf_view(&s->held));
	buf_fini(&s->held);
}

void smtp_server_timeout(struct smtp_server *s)
{
	static const struct smtp_status slow = { 421, "4.4.2", "Timeout" };
	if (s->state == SMTP_ST_GREETING) {
		greet(s);
	} else if (s->state == SMTP_ST_TARPIT) {
		tarpit_over(s);
	} else if (s->state == SMTP_ST_TLS) {	/* no place for a reply inside a handshake */
		smtp_enter_state(s, SMTP_ST_CLOSING);
		s->ops->close(s->ctx);
	} else if ((s->state == SMTP_ST_DATA || s->state == SMTP_ST_BDAT) && window_passes(s)) {
		smtp_enter_state(s, s->state);
	} else if (!asks(s->state)) {
		smtp_goodbye(s, &slow);
	}
}

bool smtp_server_idle(const struct smtp_server *s)
{
	return !(1u << s->state & (SMTP_BIT(DATA) | SMTP_BIT(BDAT) | SMTP_BIT(CHUNKS) | SMTP_BIT(COMMIT)));
}

void smtp_server_stop(struct smtp_server *s, const struct smtp_status *why)
{
	if (!s->stopping)
		s->stopping = why;
	if (s->state == SMTP_ST_TLS) {
		smtp_enter_state(s, SMTP_ST_CLOSING);
		s->ops->close(s->ctx);
	} else if (smtp_server_idle(s)) {
		smtp_goodbye(s, why);
	}
}

/* An answer may come when the session has ended meanwhile (smtp_server_stop). */
static bool over(const struct smtp_server *s)
{
	return s->state == SMTP_ST_CLOSING;
}

void smtp_server_tls_started(struct smtp_server *s)
{
	if (over(s))
		return;
	bug_if(s->state != SMTP_ST_TLS);
	s->tls = true;
	s->tls_offered = false;
	start_over(s);
}

void smtp_server_sender(struct smtp_server *s, const struct smtp_status *refusal)
{
	static const struct smtp_status ok = { 250, "2.1.0", "Sender taken" };
	if (over(s))
		return;
	bug_if(s->state != SMTP_ST_SENDER);
	if (refusal) {
		struct smtp_status st = *refusal;
		smtp_enter_state(s, SMTP_ST_READY);
		smtp_refuse(s, SMTP_VERB_MAIL, &st);
		return;
	}
	smtp_enter_state(s, SMTP_ST_MAIL);
	smtp_say(s, &ok);
}

void smtp_server_routed(struct smtp_server *s, const struct smtp_status *refusal)
{
	static const struct smtp_status ok = { 250, "2.1.5", "Recipient taken" };
	if (over(s))
		return;
	bug_if(s->state != SMTP_ST_ROUTE);
	s->recipients += !refusal;
	smtp_enter_state(s, s->recipients ? SMTP_ST_RCPT : SMTP_ST_MAIL);
	if (refusal)
		smtp_refuse(s, SMTP_VERB_RCPT, refusal);
	else
		smtp_say(s, &ok);
}

void smtp_server_login(struct smtp_server *s, const struct smtp_status *refusal)
{
	static const struct smtp_status ok = { 235, "2.7.0", "Logged in" },
		too_many = { 421, "4.7.0", "Too many failed logins" };
	if (over(s))
		return;
	bug_if(s->state != SMTP_ST_LOGIN);
	forget_sasl(s);
	smtp_enter_state(s, SMTP_ST_READY);
	s->logged_in = !refusal;
	if (!refusal) {
		smtp_say(s, &ok);
	} else if (refusal->code >= 500 && ++s->logins_failed >= SMTP_LOGINS_MAX) {
		smtp_say(s, refusal);
		smtp_goodbye(s, &too_many);
	} else {
		smtp_refuse(s, SMTP_VERB_AUTH, refusal);
	}
}

/* The reply may point into the transaction, so the transaction ends behind it. */
void smtp_server_committed(struct smtp_server *s, const struct smtp_status *reply)
{
	if (over(s))
		return;
	bug_if(s->state != SMTP_ST_COMMIT);
	smtp_enter_state(s, SMTP_ST_READY);
	if (reply->code < 400) {
		s->errors = s->junk = 0;
		smtp_say(s, reply);
	} else {
		smtp_refuse(s, SMTP_VERB_DATA, reply);
	}
	smtp_end_transaction(s);
	if (s->stopping)
		smtp_goodbye(s, s->stopping);
}

struct slice smtp_server_hello(const struct smtp_server *s)
{
	return slice_of(s->hello, s->hello_n);
}

bool smtp_server_esmtp(const struct smtp_server *s)
{
	return s->esmtp;
}

const struct smtp_mail *smtp_server_mail(const struct smtp_server *s)
{
	return &s->mail;
}

struct arena *smtp_server_arena(const struct smtp_server *s)
{
	return s->arena;
}

const char *smtp_server_state(const struct smtp_server *s)
{
	return state_names[s->state];
}
