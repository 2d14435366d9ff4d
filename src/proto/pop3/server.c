/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A POP3 session: states, lines, time, long responses.
 *
 *   GREETING -> AUTHORIZATION -> (SASL) -> LOGIN -> TRANSACTION <-> FETCH -> SENDING
 *                     ^---- TARPIT <--------'           '--QUIT--> UPDATE -> CLOSING
 *
 * Invariants: the state changes in pop3_enter_state only; a response is made no faster than its reader takes
 * it; whoever is not logged in has a budget of errors. Autologout never deletes (RFC 1939 3).
 */
#include "proto/pop3/server_priv.h"

#include "base/err.h"
#include "base/text.h"

enum { LINE_TEXT_MAX = 512 };

static const unsigned legal[POP3_ST_COUNT] = {
	[POP3_ST_GREETING] = POP3_BIT(AUTHORIZATION),
	[POP3_ST_AUTHORIZATION] = POP3_BIT(AUTHORIZATION) | POP3_BIT(SASL) | POP3_BIT(LOGIN),
	[POP3_ST_SASL] = POP3_BIT(SASL) | POP3_BIT(LOGIN) | POP3_BIT(AUTHORIZATION),
	[POP3_ST_LOGIN] = POP3_BIT(TRANSACTION) | POP3_BIT(TARPIT) | POP3_BIT(AUTHORIZATION),
	[POP3_ST_TARPIT] = POP3_BIT(AUTHORIZATION),
	[POP3_ST_TRANSACTION] = POP3_BIT(TRANSACTION) | POP3_BIT(FETCH) | POP3_BIT(SENDING) | POP3_BIT(UPDATE),
	[POP3_ST_FETCH] = POP3_BIT(TRANSACTION) | POP3_BIT(SENDING),
	[POP3_ST_SENDING] = POP3_BIT(TRANSACTION),
};

static bool asks(enum pop3_state state)
{
	return 1u << state & (POP3_BIT(LOGIN) | POP3_BIT(TARPIT) | POP3_BIT(FETCH) | POP3_BIT(SENDING) | POP3_BIT(UPDATE));
}

static unsigned state_ms(const struct pop3_server *s)
{
	if (s->state == POP3_ST_TARPIT)
		return POP3_TARPIT_MS;
	return asks(s->state) || s->state == POP3_ST_CLOSING ? 0 : s->idle_ms;
}

void pop3_enter_state(struct pop3_server *s, enum pop3_state next)
{
	enum pop3_state from = s->state;
	bug_if(!(legal[from] & 1u << next) && (next != POP3_ST_CLOSING || from == next));
	s->state = next;
	if (asks(from) != asks(next))
		s->ops->wait(s->ctx, asks(next));
	s->ops->timer(s->ctx, state_ms(s));
}

static void say(struct pop3_server *s, const char *word, const char *text)
{
	char line[LINE_TEXT_MAX];
	int n = snprintf(line, sizeof(line), "%s%s%.400s\r\n", word, text[0] ? " " : "", text);
	s->ops->write(s->ctx, slice_of(line, (size_t)n));
}

/* In the language of who is logged in. */
static void refuse(struct pop3_server *s, const char *text)
{
	struct buf out = BUF_INIT(LINE_TEXT_MAX);
	text_ascii(text_in(s->language, text), &out);
	say(s, "-ERR", buf_cstr(&out));
	buf_fini(&out);
}

void pop3_server_language(struct pop3_server *s, const char *language)
{
	s->language = text_language(slice_str(language));
}

void pop3_ok(struct pop3_server *s, const char *text)
{
	say(s, "+OK", text);
}

void pop3_close(struct pop3_server *s)
{
	if (s->state == POP3_ST_CLOSING)
		return;
	pop3_enter_state(s, POP3_ST_CLOSING);
	s->ops->close(s->ctx);
}

void pop3_err(struct pop3_server *s, const char *text)
{
	refuse(s, text);
	if (++s->errors >= POP3_ERRORS_MAX)
		pop3_close(s);
}

struct pop3_server *pop3_server_new(unsigned idle_ms, const struct pop3_server_ops *ops, void *ctx)
{
	struct pop3_server *s = calloc(1, sizeof(*s));
	bug_if(!s);
	s->idle_ms = idle_ms;
	s->ops = ops;
	s->ctx = ctx;
	return s;
}

void pop3_forget_login(struct pop3_server *s)
{
	if (s->sasl)
		sasl_wipe(s->sasl);
	free(s->sasl);
	s->sasl = NULL;
	s->user_given = false;
}

static void release_message(struct pop3_server *s)
{
	if (s->job == POP3_JOB_MESSAGE)
		s->ops->release(s->ctx);
	s->job = POP3_JOB_NONE;
}

void pop3_server_free(struct pop3_server **s)
{
	if (!*s)
		return;
	pop3_forget_login(*s);
	release_message(*s);
	free((*s)->messages);
	free(*s);
	*s = NULL;
}

void pop3_server_start(struct pop3_server *s)
{
	pop3_enter_state(s, POP3_ST_AUTHORIZATION);
	pop3_ok(s, "POP3 ready");
}

/* ---- input ---- */

static size_t take_line(struct pop3_server *s, struct slice in)
{
	bool sasl = s->state == POP3_ST_SASL;
	size_t max = sasl || slice_starts_ci(in, SLICE("AUTH ")) ? SASL_LINE_MAX : POP3_LINE_MAX;
	ptrdiff_t lf = slice_find_byte(slice_sub(in, 0, max), '\n', 0);
	if (lf < 0 && in.n < max)
		return 0;
	if (lf <= 0 || in.p[lf - 1] != '\r') {
		say(s, "-ERR", lf < 0 ? "The line is too long" : "Lines end in CRLF");
		pop3_close(s);
		return in.n;
	}
	struct slice line = slice_sub(in, 0, (size_t)lf - 1);
	if (sasl)
		pop3_sasl_line(s, line);
	else
		pop3_command_line(s, line);
	return (size_t)lf + 1;
}

size_t pop3_server_input(struct pop3_server *s, struct slice in)
{
	size_t used = 0;
	while (used < in.n && !asks(s->state)) {
		if (s->state == POP3_ST_CLOSING)
			return in.n;
		size_t n = take_line(s, slice_sub(in, used, in.n));
		if (n == 0)
			break;
		used += n;
		if (!asks(s->state) && s->ops->congested(s->ctx))
			break;
	}
	return used;
}

void pop3_server_timeout(struct pop3_server *s)
{
	static const char *const texts[] = {
		[POP3_WRONG_LOGIN] = "[AUTH] Login failed",
		[POP3_IN_USE] = N_("[IN-USE] The mailbox is in use by another session"),
		[POP3_NOT_NOW] = N_("[SYS/TEMP] Login is not possible now"),
	};
	if (s->state == POP3_ST_TARPIT) {
		pop3_enter_state(s, POP3_ST_AUTHORIZATION);
		pop3_err(s, s->refusal == POP3_TOLD ? s->told : texts[s->refusal]);
		if (s->logins_failed >= POP3_LOGINS_MAX)
			pop3_close(s);
	} else if (!asks(s->state)) {
		pop3_server_goodbye(s, N_("[SYS/TEMP] Autologout"));
	}
}

void pop3_server_goodbye(struct pop3_server *s, const char *text)
{
	if (s->state != POP3_ST_CLOSING && s->state != POP3_ST_SENDING)
		refuse(s, text);
	pop3_close(s);
}

/* ---- answers ---- */

void pop3_server_opened(struct pop3_server *s, uint32_t uidvalidity, struct pop3_message *messages, size_t n)
{
	if (s->state == POP3_ST_CLOSING) {	/* the session ended meanwhile */
		free(messages);
		return;
	}
	bug_if(s->state != POP3_ST_LOGIN);
	pop3_forget_login(s);
	s->uidvalidity = uidvalidity;
	s->messages = messages;
	s->n_messages = n;
	s->errors = 0;
	pop3_enter_state(s, POP3_ST_TRANSACTION);
	pop3_ok(s, "Logged in");
}

void pop3_server_refused(struct pop3_server *s, enum pop3_refusal why)
{
	if (s->state == POP3_ST_CLOSING)
		return;
	bug_if(s->state != POP3_ST_LOGIN);
	pop3_forget_login(s);
	s->refusal = why;
	s->logins_failed += why == POP3_WRONG_LOGIN;
	pop3_enter_state(s, POP3_ST_TARPIT);
	if (why != POP3_WRONG_LOGIN)
		pop3_server_timeout(s);
}

void pop3_server_told(struct pop3_server *s, const char *text)
{
	IGNORE(snprintf(s->told, sizeof(s->told), "[AUTH] %.*s", POP3_TOLD_MAX, text) < 0, "cut is fine");
	for (char *p = s->told; *p; p++)
		if ((uint8_t)*p < ' ' || *p == 0x7f)
			*p = ' ';
	pop3_server_refused(s, POP3_TOLD);
}

void pop3_server_fetched(struct pop3_server *s, int err, struct slice message)
{
	if (s->state == POP3_ST_CLOSING)
		return;
	bug_if(s->state != POP3_ST_FETCH);
	if (err < 0) {
		pop3_enter_state(s, POP3_ST_TRANSACTION);
		pop3_err(s, err == ERR_NOT_FOUND ? N_("The message is gone") : N_("[SYS/TEMP] The message cannot be read now"));
		return;
	}
	s->message = message;
	pop3_stuff_init(&s->stuff, s->top_lines);
	pop3_begin_job(s, POP3_JOB_MESSAGE);
}

void pop3_server_expunged(struct pop3_server *s, int err)
{
	if (s->state == POP3_ST_CLOSING)
		return;
	bug_if(s->state != POP3_ST_UPDATE);
	if (err < 0)
		refuse(s, N_("[SYS/TEMP] Deleted messages were not removed"));
	else
		say(s, "+OK", "Bye");
	pop3_close(s);
}

bool pop3_server_busy(const struct pop3_server *s)
{
	return asks(s->state);
}

/* ---- long responses ---- */

static void list_chunk(struct pop3_server *s, struct buf *out)
{
	for (; s->job_at < s->n_messages && out->n < POP3_SEND_CHUNK; s->job_at++) {
		const struct pop3_message *m = &s->messages[s->job_at];
		if (m->deleted)
			continue;
		if (s->job == POP3_JOB_LIST)
			buf_printf(out, "%zu %llu\r\n", s->job_at + 1, (unsigned long long)m->size);
		else
			buf_printf(out, "%zu %u.%u\r\n", s->job_at + 1, s->uidvalidity, m->uid);
	}
}

/* One chunk more; true: that was the last. */
static bool job_chunk(struct pop3_server *s, struct buf *out)
{
	if (s->job != POP3_JOB_MESSAGE) {
		list_chunk(s, out);
		if (s->job_at < s->n_messages)
			return false;
		buf_str(out, ".\r\n");
		return true;
	}
	struct slice piece = slice_sub(s->message, s->job_at, s->job_at + POP3_SEND_CHUNK);
	bool enough = pop3_stuff_step(&s->stuff, piece, out);
	s->job_at += piece.n;
	if (!enough && s->job_at < s->message.n)
		return false;
	pop3_stuff_end(&s->stuff, out);
	return true;
}

void pop3_server_continue(struct pop3_server *s)
{
	while (s->state == POP3_ST_SENDING && !s->ops->congested(s->ctx)) {
		struct buf out = BUF_INIT(3 * POP3_SEND_CHUNK);
		bool last = job_chunk(s, &out);
		bug_if(!buf_ok(&out));
		s->ops->write(s->ctx, buf_view(&out));
		buf_fini(&out);
		if (last) {
			release_message(s);
			pop3_enter_state(s, POP3_ST_TRANSACTION);
		}
	}
}

void pop3_begin_job(struct pop3_server *s, enum pop3_job job)
{
	s->job = job;
	s->job_at = 0;
	pop3_enter_state(s, POP3_ST_SENDING);
	if (job == POP3_JOB_MESSAGE)
		pop3_ok(s, "");
	pop3_server_continue(s);
}
