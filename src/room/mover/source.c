/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands are written behind each other; one with a literal that the server must invite first holds back what
 * follows it. The server may lie: sizes are bounded by the parser, silence by a deadline.
 *
 * Threats: I07 (injection: imapc_put_string), I08 (PREAUTH, stripped STARTTLS, referrals), I09.
 * RFC 3501 6.1-6.2, RFC 4616, RFC 4959 (SASL-IR), RFC 8314 (TLS before the first byte).
 */
#include "room/mover/source.h"

#include "base/err.h"
#include "lib/tls/tls.h"
#include "room/mover/dial.h"

enum {
	STOPS_MAX = 16,
	HELD_MAX = 1 << 20,
	CAPABILITY_MAX = 4096,
};

enum step {
	CONNECTING,
	TLS,
	GREETING,
	CAPABILITY_FIRST,
	STARTTLS,
	TLS_LATER,
	CAPABILITY_TLS,
	LOGIN,
	CAPABILITY_LAST,
	READY,
};

/* Our own commands; source_send's are >= 0. */
enum { WHAT_CAPABILITY = -1, WHAT_STARTTLS = -2, WHAT_LOGIN = -3 };

struct source {
	const struct source_config *config;
	const struct source_ops *ops;
	void *ctx;
	enum step step;
	struct dial *dial;
	struct stream *stream;
	struct imapc_parser *parser;
	struct buf capabilities;
	struct buf held;		/* commands that are not sent yet */
	struct stop {
		size_t at, end;		/* in held: where the server's "+" is waited for, where the command ends */
		uint32_t tag;
	} stops[STOPS_MAX], stopped;	/* stopped: where we are, its at already sent */
	size_t n_stops;
	bool at_stop;
	uint32_t next_tag;
	struct {
		uint32_t tag;
		int what;
	} pending[SOURCE_PIPELINE_MAX];
	size_t n_pending;
	bool paused, failed;
	int depth;			/* of callbacks */
	bool zombie;			/* freed in one of them */
};

static void destroy(struct source *s)
{
	dial_free(&s->dial);
	stream_free(&s->stream);
	imapc_parser_free(&s->parser);
	buf_fini(&s->capabilities);
	if (s->held.p)
		explicit_bzero(s->held.p, s->held.cap);
	buf_fini(&s->held);
	free(s);
}

void source_free(struct source **ret)
{
	struct source *s = *ret;

	*ret = NULL;
	if (!s)
		return;
	s->zombie = true;
	dial_free(&s->dial);
	stream_free(&s->stream);
	if (!s->depth)
		destroy(s);
}

static void enter(struct source *s)
{
	s->depth++;
}

/* false: it was freed meanwhile and is gone now. */
static bool leave(struct source *s)
{
	s->depth--;
	if (!s->zombie)
		return true;
	if (!s->depth)
		destroy(s);
	return false;
}

static void fail(struct source *s, enum source_fault fault, const char *text)
{
	if (s->failed || s->zombie)
		return;
	s->failed = true;
	stream_free(&s->stream);
	s->ops->on_failed(s->ctx, fault, text);
}

static void fail_said(struct source *s, enum source_fault fault, const char *what, const struct imapc_response *r)
{
	struct buf text = BUF_INIT(512);

	buf_str(&text, what);
	for (size_t i = 0; i < r->text.n && i < 200; i++)
		buf_byte(&text, r->text.p[i] < 0x20 || r->text.p[i] > 0x7e ? '?' : r->text.p[i]);
	fail(s, fault, buf_cstr(&text));
	buf_fini(&text);
}

/* -- writing ------------------------------------------------------------------------------------ */

/* n bytes of held are sent, or not wanted any more. */
static void drop_held(struct source *s, size_t n)
{
	if (n == 0)
		return;
	explicit_bzero(s->held.p, n);
	buf_consume(&s->held, n);
	for (size_t i = 0; i < s->n_stops; i++) {
		s->stops[i].at -= n;
		s->stops[i].end -= n;
	}
}

static void release(struct source *s)
{
	size_t n = s->n_stops ? s->stops[0].at : s->held.n;

	if (s->at_stop || !s->stream || n == 0)
		return;
	stream_write(s->stream, slice_sub(buf_view(&s->held), 0, n));
	if (s->n_stops) {
		s->at_stop = true;
		s->stopped = s->stops[0];
		s->stopped.end -= n;
		s->n_stops--;
		memmove(s->stops, s->stops + 1, s->n_stops * sizeof(s->stops[0]));
	}
	drop_held(s, n);
}

/* The command whose literal the server did not invite was answered: its rest is not sent. */
static void skip_stopped(struct source *s, uint32_t tag)
{
	if (!s->at_stop || s->stopped.tag != tag)
		return;
	while (s->n_stops && s->stops[0].tag == tag) {
		s->n_stops--;
		memmove(s->stops, s->stops + 1, s->n_stops * sizeof(s->stops[0]));
	}
	drop_held(s, s->stopped.end);
	s->at_stop = false;
	release(s);
}

void source_begin(struct source *s, struct imapc_command *c)
{
	imapc_command_init(c, source_can(s, "LITERAL+"));
	imapc_put(c, "p");
	imapc_put_u64(c, ++s->next_tag);
	imapc_put(c, " ");
}

static int send_written(struct source *s, struct imapc_command *c, int what)
{
	int r = imapc_command_end(c);

	if (r == 0 && (s->n_pending == SOURCE_PIPELINE_MAX || s->n_stops + c->n_stops > STOPS_MAX ||
		       s->held.n + c->out.n > HELD_MAX))
		r = ERR_FULL;
	if (r == 0) {
		for (size_t i = 0; i < c->n_stops; i++)
			s->stops[s->n_stops++] = (struct stop){ s->held.n + c->stops[i], s->held.n + c->out.n,
								s->next_tag };
		buf_slice(&s->held, buf_view(&c->out));
		s->pending[s->n_pending].tag = s->next_tag;
		s->pending[s->n_pending++].what = what;
		if (s->stream && !s->paused)
			stream_deadline(s->stream, source_silence_ms(s->config));
		release(s);
	}
	imapc_command_fini(c);
	return r;
}

int source_send(struct source *s, struct imapc_command *c, int what)
{
	bug_if(what < 0 || s->step != READY);
	return send_written(s, c, what);
}

size_t source_pending(const struct source *s)
{
	return s->n_pending;
}

static void send_own(struct source *s, const char *words, int what)
{
	struct imapc_command c;

	source_begin(s, &c);
	imapc_put(&c, words);
	if (send_written(s, &c, what) < 0)
		fail(s, SOURCE_REFUSED, "a command could not be written");
}

bool source_can(const struct source *s, const char *capability)
{
	return imapc_has_word(buf_view(&s->capabilities), capability);
}

/* -- logging in ----------------------------------------------------------------------------------- */

static void start_tls(struct source *s)
{
	struct tls_ctx *ctx = s->config->verify ? s->config->tls_name : s->config->tls_any;

	/* What came in clear is not believed: neither its capabilities nor what stands behind STARTTLS's answer. */
	buf_clear(&s->capabilities);
	if (stream_tls_client(s->stream, ctx, s->config->host) < 0)
		fail(s, SOURCE_REFUSED, "TLS could not be started");
}

static void put_auth_plain(struct source *s, struct imapc_command *c)
{
	const struct source_config *f = s->config;
	bool master = f->master_user.n > 0;
	struct buf plain = BUF_INIT(8 * IMAPC_STRING_MAX);

	imapc_put(c, "AUTHENTICATE PLAIN");
	c->err = imapc_sasl_plain(&plain, master ? f->user : slice_of(NULL, 0), master ? f->master_user : f->user,
				  f->password);
	if (source_can(s, "SASL-IR")) {
		imapc_put(c, " ");
	} else {
		imapc_put(c, "\r\n");
		c->stops[c->n_stops++] = c->out.n;
	}
	buf_slice(&c->out, buf_view(&plain));
	if (plain.p)
		explicit_bzero(plain.p, plain.cap);
	buf_fini(&plain);
}

static void put_login(struct source *s, struct imapc_command *c)
{
	const struct source_config *f = s->config;
	struct buf name = BUF_INIT(2 * IMAPC_STRING_MAX);

	buf_slice(&name, f->user);
	if (f->master_user.n) {		/* the usual form of master logins where PLAIN is not offered */
		buf_byte(&name, '*');
		buf_slice(&name, f->master_user);
	}
	imapc_put(c, "LOGIN ");
	imapc_put_string(c, buf_view(&name));
	imapc_put(c, " ");
	imapc_put_string(c, f->password);
	buf_fini(&name);
}

static void log_in(struct source *s)
{
	struct imapc_command c;
	bool plain = source_can(s, "AUTH=PLAIN");

	s->step = LOGIN;
	if (!plain && source_can(s, "LOGINDISABLED")) {
		fail(s, SOURCE_REFUSED, "the server offers no login here (LOGINDISABLED); it may want TLS");
		return;
	}
	source_begin(s, &c);
	if (plain)
		put_auth_plain(s, &c);
	else
		put_login(s, &c);
	if (send_written(s, &c, WHAT_LOGIN) < 0)
		fail(s, SOURCE_REFUSED, "user name or password hold characters that IMAP cannot carry");
}

static void capabilities_known(struct source *s)
{
	if (s->step == CAPABILITY_LAST) {
		s->step = READY;
		s->ops->on_ready(s->ctx);
	} else if (s->step == CAPABILITY_FIRST && s->config->tls == POSTERN__SOURCE_TLS__SOURCE_TLS_STARTTLS) {
		if (!source_can(s, "STARTTLS")) {
			fail(s, SOURCE_REFUSED, "the server does not offer STARTTLS");
			return;
		}
		s->step = STARTTLS;
		send_own(s, "STARTTLS", WHAT_STARTTLS);
	} else {
		log_in(s);
	}
}

static void ask_capabilities(struct source *s, enum step step)
{
	s->step = step;
	buf_clear(&s->capabilities);
	send_own(s, "CAPABILITY", WHAT_CAPABILITY);
}

static void own_done(struct source *s, int what, const struct imapc_response *r)
{
	if (r->condition != IMAPC_OK) {
		fail_said(s, SOURCE_REFUSED,
			  what == WHAT_LOGIN	   ? "login refused: " :
			  what == WHAT_STARTTLS ? "STARTTLS refused: " :
						  "CAPABILITY refused: ", r);
		return;
	}
	if (what == WHAT_CAPABILITY) {
		capabilities_known(s);
	} else if (what == WHAT_STARTTLS) {
		s->step = TLS_LATER;
		start_tls(s);
	} else {
		ask_capabilities(s, CAPABILITY_LAST);
	}
}

static void greeted(struct source *s, const struct imapc_response *r)
{
	if (r->kind != IMAPC_STATUS || r->tag.n) {
		fail(s, SOURCE_REFUSED, "what answers there does not speak IMAP");
	} else if (r->condition == IMAPC_PREAUTH) {
		fail(s, SOURCE_REFUSED, "the server logs in without a password (PREAUTH): refused");
	} else if (r->condition != IMAPC_OK) {
		fail_said(s, SOURCE_LOST, "the server turns us away: ", r);
	} else {
		ask_capabilities(s, CAPABILITY_FIRST);
	}
}

/* -- reading -------------------------------------------------------------------------------------- */

static int take_pending(struct source *s, struct slice tag, int *ret_what, uint32_t *ret_tag)
{
	uint64_t n;

	if (tag.n < 2 || tag.p[0] != 'p' || slice_u64(slice_sub(tag, 1, tag.n), UINT32_MAX, &n) < 0)
		return ERR_SYNTAX;
	for (size_t i = 0; i < s->n_pending; i++) {
		if (s->pending[i].tag != n)
			continue;
		*ret_what = s->pending[i].what;
		*ret_tag = s->pending[i].tag;
		s->n_pending--;
		memmove(&s->pending[i], &s->pending[i + 1], (s->n_pending - i) * sizeof(s->pending[0]));
		return 0;
	}
	return ERR_SYNTAX;
}

static void tagged(struct source *s, const struct imapc_response *r)
{
	uint32_t tag;
	int what;

	if (take_pending(s, r->tag, &what, &tag) < 0) {
		fail(s, SOURCE_LOST, "the server answers what was not asked");
		return;
	}
	skip_stopped(s, tag);
	if (what < 0)
		own_done(s, what, r);
	else
		s->ops->on_done(s->ctx, what, r);
}

static void untagged(struct source *s, const struct imapc_response *r)
{
	if (r->kind == IMAPC_STATUS && r->condition == IMAPC_BYE) {
		fail_said(s, SOURCE_LOST, "the server says goodbye: ", r);
	} else if (r->kind == IMAPC_STATUS && r->condition == IMAPC_PREAUTH) {
		fail(s, SOURCE_REFUSED, "the server logs in without a password (PREAUTH): refused");
	} else if (r->kind == IMAPC_CAPABILITY) {
		buf_clear(&s->capabilities);
		buf_slice(&s->capabilities, r->text);
	} else if (s->step == READY) {
		s->ops->on_response(s->ctx, r);
	}
}

static void take_response(struct source *s, const struct imapc_response *r)
{
	if (s->step == GREETING) {
		greeted(s, r);
	} else if (r->kind == IMAPC_CONTINUE) {
		s->at_stop = false;
		release(s);
	} else if (r->tag.n) {
		tagged(s, r);
	} else {
		untagged(s, r);
	}
}

static bool wants_more(const struct source *s, enum step step)
{
	return !s->zombie && !s->failed && !s->paused && !(s->step != step && s->step == TLS_LATER);
}

static size_t on_input(void *ctx, struct slice in)
{
	struct source *s = ctx;
	enum step step = s->step;
	size_t used = 0;

	enter(s);
	while (used < in.n && wants_more(s, step)) {
		struct imapc_response r;
		size_t n;
		int err = imapc_next(s->parser, slice_sub(in, used, in.n), &n, &r);
		used += n;
		if (err == 1)
			take_response(s, &r);
		else if (err < 0)
			fail(s, err == ERR_TOO_BIG ? SOURCE_REFUSED : SOURCE_LOST,
			     err == ERR_TOO_BIG ? "the server sends more than it may" :
						  "the server's answer cannot be understood");
	}
	if (!s->zombie && !s->failed && !s->paused)
		stream_deadline(s->stream, source_silence_ms(s->config));
	return leave(s) ? used : in.n;
}

static void on_tls(void *ctx)
{
	struct source *s = ctx;

	if (s->step == TLS) {
		s->step = GREETING;
		return;
	}
	enter(s);
	ask_capabilities(s, CAPABILITY_TLS);
	leave(s);
}

static const char *end_text(const struct source *s, int err)
{
	if (err == ERR_TIMEOUT)
		return "the server does not answer in time";
	if (s->step == TLS || s->step == TLS_LATER)
		return s->config->verify ? "TLS failed, or the certificate is not valid for this name" : "TLS failed";
	return "the server closed the connection";
}

static void on_end(void *ctx, int err)
{
	struct source *s = ctx;
	bool tls = s->step == TLS || s->step == TLS_LATER;

	enter(s);
	fail(s, tls && err != ERR_TIMEOUT ? SOURCE_REFUSED : SOURCE_LOST, end_text(s, err));
	leave(s);
}

static const struct stream_ops stream_ops = { .on_input = on_input, .on_tls = on_tls, .on_end = on_end };

/* -- connecting ------------------------------------------------------------------------------------- */

static void on_connected(void *ctx, struct stream *stream)
{
	struct source *s = ctx;

	dial_free(&s->dial);
	s->stream = stream;
	stream_set_ops(stream, &stream_ops, s);
	stream_deadline(stream, source_silence_ms(s->config));
	if (s->config->tls == POSTERN__SOURCE_TLS__SOURCE_TLS_TLS) {
		s->step = TLS;
		enter(s);
		start_tls(s);
		leave(s);
	} else {
		s->step = GREETING;
	}
}

static void on_no_connection(void *ctx, bool lasting, const char *text)
{
	struct source *s = ctx;

	dial_free(&s->dial);
	enter(s);
	fail(s, lasting ? SOURCE_REFUSED : SOURCE_LOST, text);
	leave(s);
}

static const struct dial_ops dial_ops = { on_connected, on_no_connection };

struct source *source_new(const struct source_config *config, const struct source_ops *ops, void *ctx)
{
	struct source *s = calloc(1, sizeof(*s));

	bug_if(!s);
	s->config = config;
	s->ops = ops;
	s->ctx = ctx;
	s->capabilities = BUF_INIT(CAPABILITY_MAX);
	s->held = BUF_INIT(HELD_MAX);
	s->parser = imapc_parser_new(config->body_max, &ops->body, ctx);
	s->dial = dial_new(config->loop, config->resolver, config->host, config->port, &dial_ops, s);
	return s;
}

void source_pause(struct source *s, bool on)
{
	if (s->paused == on || !s->stream)
		return;
	s->paused = on;
	stream_pause(s->stream, on);
	stream_deadline(s->stream, on ? 0 : source_silence_ms(s->config));
}
