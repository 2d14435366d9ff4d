/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands wait in a ring; with PIPELINING several are under way, else one. The server may lie: lines and messages
 * are bounded by the parser, silence by a deadline.
 */
#include "room/mover/drop.h"

#include "base/codec.h"
#include "base/err.h"
#include "lib/tls/tls.h"
#include "room/mover/dial.h"

#include <stdarg.h>

enum { CAPA_MAX = 4096, LOGIN_MAX = 4096 };

enum step { CONNECTING, TLS, GREETING, CAPA_FIRST, STLS, TLS_LATER, CAPA_TLS, USER, PASS, AUTH, CAPA_LAST, READY };

/* Our own commands; drop_ask's are >= 0. */
enum { WHAT_GREETING = -1, WHAT_CAPA = -2, WHAT_STLS = -3, WHAT_LOGIN = -4 };

struct command {
	enum pop3c_want want;
	int what;
	char line[DROP_COMMAND_MAX];	/* empty: it was written already */
};

struct drop {
	const struct source_config *config;
	const struct drop_ops *ops;
	void *ctx;
	enum step step;
	struct dial *dial;
	struct stream *stream;
	struct pop3c parser;
	bool expecting;			/* the parser knows what comes */
	struct buf capabilities;	/* lines */
	struct command ring[DROP_WAITING_MAX];
	size_t head, n, n_sent;		/* the first n_sent are written */
	bool paused, failed;
	int depth;			/* of callbacks */
	bool zombie;			/* freed in one of them */
};

static void destroy(struct drop *d)
{
	dial_free(&d->dial);
	stream_free(&d->stream);
	buf_fini(&d->capabilities);
	free(d);
}

void drop_free(struct drop **ret)
{
	struct drop *d = *ret;

	*ret = NULL;
	if (!d)
		return;
	d->zombie = true;
	dial_free(&d->dial);
	stream_free(&d->stream);
	if (!d->depth)
		destroy(d);
}

static void enter(struct drop *d)
{
	d->depth++;
}

/* false: it was freed meanwhile and is gone now. */
static bool leave(struct drop *d)
{
	d->depth--;
	if (!d->zombie)
		return true;
	if (!d->depth)
		destroy(d);
	return false;
}

static void fail(struct drop *d, enum source_fault fault, const char *text)
{
	if (d->failed || d->zombie)
		return;
	d->failed = true;
	stream_free(&d->stream);
	d->ops->on_failed(d->ctx, fault, text);
}

static void fail_said(struct drop *d, enum source_fault fault, const char *what, struct slice said)
{
	struct buf text = BUF_INIT(512);

	buf_str(&text, what);
	for (size_t i = 0; i < said.n && i < 200; i++)
		buf_byte(&text, said.p[i] < 0x20 || said.p[i] > 0x7e ? '?' : said.p[i]);
	fail(d, fault, buf_cstr(&text));
	buf_fini(&text);
}

static bool cut(struct slice *rest, uint8_t at, struct slice *ret)
{
	ptrdiff_t i = slice_find_byte(*rest, at, 0);
	size_t n = i < 0 ? rest->n : (size_t)i;

	*ret = slice_sub(*rest, 0, n);
	*rest = slice_sub(*rest, n + (i >= 0), rest->n);
	return ret->n > 0 || i >= 0;
}

/* One of the words of CAPA: "SASL", or "SASL" with "PLAIN" among what stands behind it. */
static bool can(const struct drop *d, const char *word, const char *with)
{
	struct slice rest = buf_view(&d->capabilities), line, first, next;

	while (cut(&rest, '\n', &line)) {
		if (!cut(&line, ' ', &first) || !slice_eq_ci(first, slice_str(word)))
			continue;
		if (!with)
			return true;
		while (cut(&line, ' ', &next))
			if (slice_eq_ci(next, slice_str(with)))
				return true;
	}
	return false;
}

/* -- writing ------------------------------------------------------------------------------------ */

static void release(struct drop *d)
{
	size_t max = can(d, "PIPELINING", NULL) && d->step == READY ? DROP_FLIGHT_MAX : 1;

	while (d->stream && d->n_sent < d->n && d->n_sent < max) {
		struct command *c = &d->ring[(d->head + d->n_sent) % DROP_WAITING_MAX];
		if (c->line[0]) {
			stream_write(d->stream, slice_str(c->line));
			stream_write(d->stream, SLICE("\r\n"));
		}
		d->n_sent++;
	}
	if (d->stream && !d->paused)
		stream_deadline(d->stream, d->n ? source_silence_ms(d->config) : 0);
}

static struct command *add(struct drop *d, enum pop3c_want want, int what)
{
	struct command *c = &d->ring[(d->head + d->n++) % DROP_WAITING_MAX];

	*c = (struct command){ .want = want, .what = what };
	return c;
}

int drop_ask(struct drop *d, enum pop3c_want want, int what, const char *fmt, ...)
{
	va_list args;

	bug_if(what < 0 || d->step != READY);
	if (d->n == DROP_WAITING_MAX)
		return ERR_FULL;
	struct command *c = add(d, want, what);
	va_start(args, fmt);
	int n = vsnprintf(c->line, sizeof(c->line), fmt, args);
	va_end(args);
	bug_if(n < 0 || (size_t)n >= sizeof(c->line));
	release(d);
	return 0;
}

static void send_own(struct drop *d, const char *line, enum pop3c_want want, int what, enum step step)
{
	d->step = step;
	struct command *c = add(d, want, what);
	snprintf(c->line, sizeof(c->line), "%s", line);
	release(d);
}

/* A line that is longer than commands are, and that nothing may keep. */
static void send_login(struct drop *d, const char *word, struct slice a, struct slice b, enum step step)
{
	struct buf line = BUF_INIT(LOGIN_MAX);

	buf_str(&line, word);
	buf_slice(&line, a);
	buf_slice(&line, b);
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] == '\r' || line.p[i] == '\n' || line.p[i] == 0)
			line.over = true;
	buf_str(&line, "\r\n");
	d->step = step;
	add(d, POP3C_STATUS, WHAT_LOGIN);
	if (buf_ok(&line))
		stream_write(d->stream, buf_view(&line));
	else
		fail(d, SOURCE_REFUSED, "user name or password hold characters that POP3 cannot carry");
	if (line.p)
		explicit_bzero(line.p, line.cap);
	buf_fini(&line);
	release(d);
}

/* -- logging in ----------------------------------------------------------------------------------- */

static void start_tls(struct drop *d)
{
	struct tls_ctx *ctx = d->config->verify ? d->config->tls_name : d->config->tls_any;

	/* What came in clear is not believed. */
	buf_clear(&d->capabilities);
	if (stream_tls_client(d->stream, ctx, d->config->host) < 0)
		fail(d, SOURCE_REFUSED, "TLS could not be started");
}

static void send_plain(struct drop *d)
{
	const struct source_config *f = d->config;
	bool master = f->master_user.n > 0;
	struct buf plain = BUF_INIT(8 * IMAPC_STRING_MAX);

	if (imapc_sasl_plain(&plain, master ? f->user : slice_of(NULL, 0), master ? f->master_user : f->user,
			     f->password) < 0)
		fail(d, SOURCE_REFUSED, "user name or password hold characters that POP3 cannot carry");
	else {
		buf_str(&plain, "\r\n");
		stream_write(d->stream, buf_view(&plain));
	}
	if (plain.p)
		explicit_bzero(plain.p, plain.cap);
	buf_fini(&plain);
}

static void log_in(struct drop *d)
{
	const struct source_config *f = d->config;
	bool plain = can(d, "SASL", "PLAIN");

	if (plain && (f->master_user.n || !can(d, "USER", NULL)))
		send_own(d, "AUTH PLAIN", POP3C_STATUS, WHAT_LOGIN, AUTH);
	else if (f->master_user.n) {	/* the usual form of master logins where PLAIN is not offered */
		struct buf name = BUF_INIT(LOGIN_MAX);
		buf_slice(&name, f->user);
		buf_byte(&name, '*');
		buf_slice(&name, f->master_user);
		send_login(d, "USER ", buf_view(&name), slice_of(NULL, 0), USER);
		buf_fini(&name);
	} else {
		send_login(d, "USER ", f->user, slice_of(NULL, 0), USER);
	}
}

static void capabilities_known(struct drop *d)
{
	if (d->step == CAPA_LAST) {
		d->step = READY;
		d->ops->on_ready(d->ctx);
	} else if (d->step == CAPA_FIRST && d->config->tls == POSTERN__SOURCE_TLS__SOURCE_TLS_STARTTLS) {
		if (can(d, "STLS", NULL))
			send_own(d, "STLS", POP3C_STATUS, WHAT_STLS, STLS);
		else
			fail(d, SOURCE_REFUSED, "the server does not offer STLS");
	} else {
		log_in(d);
	}
}

static void ask_capabilities(struct drop *d, enum step step)
{
	buf_clear(&d->capabilities);
	send_own(d, "CAPA", POP3C_LINES, WHAT_CAPA, step);
}

static void login_step(struct drop *d)
{
	if (d->step == USER)
		send_login(d, "PASS ", d->config->password, slice_of(NULL, 0), PASS);
	else
		ask_capabilities(d, CAPA_LAST);
}

static void own_done(struct drop *d, int what, bool ok, struct slice text)
{
	if (what == WHAT_CAPA) {	/* RFC 2449 is an extension: a server without it has none */
		capabilities_known(d);
	} else if (!ok) {
		fail_said(d, what == WHAT_GREETING ? SOURCE_LOST : SOURCE_REFUSED,
			  what == WHAT_LOGIN	   ? "login refused: " :
			  what == WHAT_STLS	   ? "STLS refused: " :
						     "the server turns us away: ", text);
	} else if (what == WHAT_STLS) {
		d->step = TLS_LATER;
		start_tls(d);
	} else if (what == WHAT_LOGIN) {
		login_step(d);
	} else {
		ask_capabilities(d, CAPA_FIRST);
	}
}

/* -- reading -------------------------------------------------------------------------------------- */

static void done(struct drop *d, const struct command *c, bool ok, struct slice text)
{
	int what = c->what;

	d->head = (d->head + 1) % DROP_WAITING_MAX;
	d->n--;
	d->n_sent--;
	d->expecting = false;
	if (what < 0)
		own_done(d, what, ok, text);
	else
		d->ops->on_done(d->ctx, what, ok, text);
	if (!d->zombie && !d->failed)
		release(d);
}

static void take_line(struct drop *d, const struct command *c, struct slice line)
{
	if (c->what != WHAT_CAPA) {
		d->ops->on_line(d->ctx, c->what, line);
		return;
	}
	buf_slice(&d->capabilities, line);
	buf_byte(&d->capabilities, '\n');
}

static void take_event(struct drop *d, const struct pop3c_event *e)
{
	const struct command *c = &d->ring[d->head];

	if (e->kind == POP3C_CONTINUE && d->step == AUTH) {
		send_plain(d);
	} else if (e->kind == POP3C_CONTINUE) {
		fail(d, SOURCE_LOST, "the server's answer cannot be understood");
	} else if (e->kind == POP3C_LINE) {
		take_line(d, c, e->text);
	} else if (e->kind == POP3C_BYTES) {
		if (d->ops->on_bytes(d->ctx, c->what, e->text) < 0)
			fail(d, SOURCE_LOST, "no memory for a message");
	} else if (pop3c_is_over(&d->parser, e)) {
		done(d, c, e->kind != POP3C_ERR, e->text);
	}
}

/* false: nothing was asked, so nothing may come. */
static bool expect(struct drop *d)
{
	if (d->expecting)
		return true;
	if (!d->n_sent) {
		fail(d, SOURCE_LOST, "the server answers what was not asked");
		return false;
	}
	d->expecting = true;
	pop3c_expect(&d->parser, d->ring[d->head].want, d->config->body_max);
	return true;
}

static bool wants_more(const struct drop *d, enum step step)
{
	return !d->zombie && !d->failed && !d->paused && !(d->step != step && d->step == TLS_LATER);
}

static size_t on_input(void *ctx, struct slice in)
{
	struct drop *d = ctx;
	enum step step = d->step;
	size_t used = 0;

	enter(d);
	while (used < in.n && wants_more(d, step) && expect(d)) {
		struct pop3c_event e;
		size_t n;
		int r = pop3c_next(&d->parser, slice_sub(in, used, in.n), &n, &e);
		used += n;
		if (r == 1)
			take_event(d, &e);
		else if (r < 0)
			fail(d, r == ERR_TOO_BIG ? SOURCE_REFUSED : SOURCE_LOST,
			     r == ERR_TOO_BIG ? "the server sends more than it may" :
						"the server's answer cannot be understood");
		else
			break;
	}
	if (!d->zombie && !d->failed && !d->paused)
		stream_deadline(d->stream, d->n ? source_silence_ms(d->config) : 0);
	return leave(d) ? used : in.n;
}

static void on_tls(void *ctx)
{
	struct drop *d = ctx;

	if (d->step == TLS) {
		d->step = GREETING;
		return;
	}
	enter(d);
	ask_capabilities(d, CAPA_TLS);
	leave(d);
}

static void on_end(void *ctx, int err)
{
	struct drop *d = ctx;
	bool tls = (d->step == TLS || d->step == TLS_LATER) && err != ERR_TIMEOUT;

	enter(d);
	if (tls)
		fail(d, SOURCE_REFUSED,
		     d->config->verify ? "TLS failed, or the certificate is not valid for this name" : "TLS failed");
	else
		fail(d, SOURCE_LOST, err == ERR_TIMEOUT ? "the server does not answer in time" :
				     err == 0	     ? "the server closed the connection" :
						       err_text(err));
	leave(d);
}

static const struct stream_ops stream_ops = { .on_input = on_input, .on_tls = on_tls, .on_end = on_end };

/* -- connecting ------------------------------------------------------------------------------------- */

static void on_connected(void *ctx, struct stream *stream)
{
	struct drop *d = ctx;

	dial_free(&d->dial);
	d->stream = stream;
	stream_set_ops(stream, &stream_ops, d);
	add(d, POP3C_STATUS, WHAT_GREETING);
	enter(d);
	release(d);
	d->step = d->config->tls == POSTERN__SOURCE_TLS__SOURCE_TLS_TLS ? TLS : GREETING;
	if (d->step == TLS)
		start_tls(d);
	leave(d);
}

static void on_no_connection(void *ctx, bool lasting, const char *text)
{
	struct drop *d = ctx;

	dial_free(&d->dial);
	enter(d);
	fail(d, lasting ? SOURCE_REFUSED : SOURCE_LOST, text);
	leave(d);
}

static const struct dial_ops dial_ops = { on_connected, on_no_connection };

struct drop *drop_new(const struct source_config *config, const struct drop_ops *ops, void *ctx)
{
	struct drop *d = calloc(1, sizeof(*d));

	bug_if(!d);
	d->config = config;
	d->ops = ops;
	d->ctx = ctx;
	d->capabilities = BUF_INIT(CAPA_MAX);
	pop3c_init(&d->parser);
	d->dial = dial_new(config->loop, config->resolver, config->host, config->port, &dial_ops, d);
	return d;
}

void drop_pause(struct drop *d, bool on)
{
	if (d->paused == on || !d->stream)
		return;
	d->paused = on;
	stream_pause(d->stream, on);
	stream_deadline(d->stream, on || !d->n ? 0 : source_silence_ms(d->config));
}
