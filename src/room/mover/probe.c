/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MOVER_PROBE: does the customer's own server take mail for an address? EHLO, MAIL FROM:<>, RCPT, then goodbye: no
 * message is sent. Only a clear 2xx or 5xx to RCPT itself is an answer; anything else is "unknown", and the caller
 * decides what that means.
 *
 *   greeting -> EHLO -> [STARTTLS -> TLS -> EHLO] -> MAIL -> RCPT -> QUIT
 *
 * Limits: replies of at most LINES_MAX lines of LINE_MAX bytes, PROBE_MS in all. RFC 5321, RFC 3207.
 */
#include "room/mover/mover_priv.h"

#include "base/err.h"
#include "lib/io/stream.h"
#include "lib/tls/tls.h"

enum { LINE_MAX_BYTES = 2048, LINES_MAX = 100, PROBE_MS = 20000, TEXT_MAX = 300, ADDRESS_MAX = 320 };

enum step { GREETING, EHLO, STARTTLS, TLS, MAIL, RCPT, QUIT };

struct probe {
	struct ipc_call *call;
	struct mover *mover;
	const Postern__ProbeRequest *req;
	struct resolve *resolve;
	struct stream *stream;
	struct sockaddr_storage address;
	enum step step;
	size_t lines;
	bool offers_tls, offers_utf8;
	uv_timer_t end;
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_over(uv_timer_t *timer)
{
	struct probe *p = timer->data;

	resolve_cancel(&p->resolve);
	stream_free(&p->stream);
	uv_close((uv_handle_t *)timer, on_closed);
}

static void answer(struct probe *p, Postern__ProbeAnswer what, unsigned code, struct slice text)
{
	Postern__ProbeReply reply = POSTERN__PROBE_REPLY__INIT;

	if (!p->call)
		return;
	text = slice_sub(text, 0, TEXT_MAX);
	reply.answer = what;
	reply.code = code;
	reply.text = (ProtobufCBinaryData){ text.n, (uint8_t *)text.p };
	ipc_reply(p->call, &reply.base, -1);
	p->call = NULL;
	bug_if(uv_timer_start(&p->end, on_over, 0, 0) < 0);
}

static void unknown(struct probe *p, const char *text)
{
	answer(p, POSTERN__PROBE_ANSWER__PROBE_UNKNOWN, 0, slice_str(text));
}

static void say(struct probe *p, enum step step, const char *line)
{
	p->step = step;
	stream_write(p->stream, slice_str(line));
	stream_write(p->stream, SLICE("\r\n"));
}

static bool wants_tls(const struct probe *p)
{
	return !stream_is_tls(p->stream) && p->req->tls != POSTERN__RELAY_TLS__RELAY_TLS_NONE;
}

static void say_rcpt(struct probe *p)
{
	struct buf line = BUF_INIT(ADDRESS_MAX + 64);

	buf_str(&line, "RCPT TO:<");
	buf_append(&line, p->req->address.data, p->req->address.len);
	buf_byte(&line, '>');
	say(p, RCPT, buf_cstr(&line));
	buf_fini(&line);
}

static void greeted(struct probe *p)
{
	if (wants_tls(p) && p->offers_tls)
		say(p, STARTTLS, "STARTTLS");
	else if (wants_tls(p) && p->req->tls != POSTERN__RELAY_TLS__RELAY_TLS_OPPORTUNISTIC)
		unknown(p, "the server does not offer STARTTLS");
	else
		say(p, MAIL, p->offers_utf8 ? "MAIL FROM:<> SMTPUTF8" : "MAIL FROM:<>");
}

static void say_ehlo(struct probe *p)
{
	struct buf line = BUF_INIT(300);

	p->offers_tls = p->offers_utf8 = false;
	buf_printf(&line, "EHLO %s", conf_str(p->mover->room->conf, "host.name"));
	say(p, EHLO, buf_cstr(&line));
	buf_fini(&line);
}

static void start_tls(struct probe *p)
{
	bool verify = p->req->tls == POSTERN__RELAY_TLS__RELAY_TLS_VERIFIED;

	p->step = TLS;
	if (stream_tls_client(p->stream, verify ? p->mover->tls_name : p->mover->tls_any, p->req->host) < 0)
		unknown(p, "TLS could not be started");
}

static void final_reply(struct probe *p, unsigned code, struct slice text)
{
	Postern__ProbeAnswer what = code / 100 == 2 ? POSTERN__PROBE_ANSWER__PROBE_YES :
				    code / 100 == 5 ? POSTERN__PROBE_ANSWER__PROBE_NO :
						      POSTERN__PROBE_ANSWER__PROBE_UNKNOWN;
	say(p, QUIT, "QUIT");
	stream_flush(p->stream);
	answer(p, what, code, text);
}

static void take_reply(struct probe *p, unsigned code, struct slice text)
{
	bool ok = code / 100 == 2;

	if (p->step == RCPT)
		final_reply(p, code, text);
	else if (!ok)
		answer(p, POSTERN__PROBE_ANSWER__PROBE_UNKNOWN, code, text);
	else if (p->step == GREETING)
		say_ehlo(p);
	else if (p->step == EHLO)
		greeted(p);
	else if (p->step == STARTTLS)
		start_tls(p);
	else if (p->step == MAIL)
		say_rcpt(p);
}

/* One line of a reply, without its end. */
static void take_line(struct probe *p, struct slice line)
{
	uint64_t code;
	struct slice text = slice_sub(line, 4, line.n);

	if (line.n < 3 || slice_u64(slice_sub(line, 0, 3), 599, &code) < 0 || code < 200 ||
	    (line.n > 3 && line.p[3] != '-' && line.p[3] != ' ') || ++p->lines > LINES_MAX) {
		unknown(p, "what answers there does not speak SMTP");
		return;
	}
	if (p->step == EHLO && slice_eq_ci(slice_trim(text), SLICE("STARTTLS")))
		p->offers_tls = true;
	if (p->step == EHLO && slice_eq_ci(slice_trim(text), SLICE("SMTPUTF8")))
		p->offers_utf8 = true;
	if (line.n > 3 && line.p[3] == '-')
		return;
	p->lines = 0;
	take_reply(p, (unsigned)code, text);
}

static size_t on_input(void *ctx, struct slice in)
{
	struct probe *p = ctx;
	ptrdiff_t lf = slice_find_byte(in, '\n', 0);

	if (!p->call || p->step == TLS)
		return in.n;
	if (lf < 0 && in.n < LINE_MAX_BYTES)
		return 0;
	if (lf < 0 || lf > LINE_MAX_BYTES) {
		unknown(p, "the server's answer is too long");
		return in.n;
	}
	take_line(p, slice_trim(slice_sub(in, 0, (size_t)lf)));
	return p->step == TLS ? in.n : (size_t)lf + 1;
}

static void on_tls(void *ctx)
{
	say_ehlo(ctx);
}

static void on_end(void *ctx, int err)
{
	unknown(ctx, err == ERR_TIMEOUT ? "the server does not answer in time" : "no connection to the server");
}

static const struct stream_ops ops = { .on_input = on_input, .on_tls = on_tls, .on_end = on_end };

static void on_addresses(void *ctx, int err, const struct sockaddr_storage *addresses, size_t n)
{
	struct probe *p = ctx;

	p->resolve = NULL;
	if (err < 0 || n == 0) {
		unknown(p, "the server's name cannot be looked up");
		return;
	}
	p->address = addresses[0];
	p->stream = stream_connect(p->mover->room->loop, (struct sockaddr *)&p->address, &ops, p);
	stream_deadline(p->stream, PROBE_MS);
}

/* The address stands inside "<...>" of a command: nothing in it may end that. */
static bool address_ok(const Postern__ProbeRequest *req)
{
	if (req->address.len == 0 || req->address.len > ADDRESS_MAX)
		return false;
	for (size_t i = 0; i < req->address.len; i++) {
		uint8_t b = req->address.data[i];
		if (b <= ' ' || b == 0x7f || b == '<' || b == '>')
			return false;
	}
	return true;
}

void mover_probe(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct probe *p;

	if (!address_ok((const Postern__ProbeRequest *)call->req)) {
		ipc_fail(call, ERR_INVALID, "no address that can be asked about");
		return;
	}
	p = calloc(1, sizeof(*p));
	bug_if(!p);
	p->call = call;
	p->mover = room->state;
	p->req = (const Postern__ProbeRequest *)call->req;
	p->end.data = p;
	bug_if(uv_timer_init(room->loop, &p->end) < 0);
	p->resolve = resolve_addr(p->mover->resolver, p->req->host, (uint16_t)p->req->port, on_addresses, p);
}
