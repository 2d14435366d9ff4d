/* SPDX-License-Identifier: Apache-2.0 */
/* A source against a server that follows a script, on loopback; what the client said is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "lib/io/stream.h"
#include "lib/tls/tls.h"
#include "room/mover/source.h"

#include <arpa/inet.h>

enum { LINES_MAX = 16 };

struct server {
	uv_loop_t loop;
	uv_tcp_t listener;
	uv_timer_t guard;
	struct stream *conn;
	const char *const *replies;	/* one a line that comes in; "$" becomes the line's tag, "!" hangs up */
	size_t n_replies;
	struct buf said;		/* what the client sent */
	struct source *source;
	struct source_config config;
	bool ready, failed;
	enum source_fault fault;
	char text[300];
	unsigned responses;
};

static void reply(struct server *v, struct slice line)
{
	const char *r = v->replies[v->n_replies];
	ptrdiff_t blank = slice_find_byte(line, ' ', 0);

	if (!r)
		return;
	v->n_replies++;
	for (; *r; r++) {
		if (*r == '$')
			stream_write(v->conn, slice_sub(line, 0, blank < 0 ? line.n : (size_t)blank));
		else
			stream_write(v->conn, slice_of(r, 1));
	}
}

static size_t server_input(void *ctx, struct slice in)
{
	struct server *v = ctx;
	ptrdiff_t lf = slice_find_byte(in, '\n', 0);

	if (v->replies[v->n_replies] && v->replies[v->n_replies][0] == '!') {
		stream_free(&v->conn);
		return in.n;
	}
	if (lf < 0)
		return 0;
	buf_append(&v->said, in.p, (size_t)lf + 1);
	reply(v, slice_sub(in, 0, (size_t)lf));
	return (size_t)lf + 1;
}

static void server_end(void *ctx, int err)
{
	stream_free(&((struct server *)ctx)->conn);
}

static const struct stream_ops server_ops = { .on_input = server_input, .on_end = server_end };

static void on_accept(uv_stream_t *listener, int status)
{
	struct server *v = listener->data;
	uv_os_fd_t fd;
	assert_int_equal(uv_fileno((uv_handle_t *)listener, &fd), 0);
	uv_tcp_t conn;
	uv_os_fd_t conn_fd;
	uv_tcp_init(&v->loop, &conn);
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&conn), 0);
	uv_fileno((uv_handle_t *)&conn, &conn_fd);
	v->conn = stream_new(&v->loop, dup(conn_fd), &server_ops, v);
	uv_close((uv_handle_t *)&conn, NULL);
	uv_run(&v->loop, UV_RUN_NOWAIT);
	reply(v, SLICE(""));
}

static void on_ready(void *ctx)
{
	((struct server *)ctx)->ready = true;
}

static void on_response(void *ctx, const struct imapc_response *r)
{
	((struct server *)ctx)->responses++;
}

static void on_done(void *ctx, int what, const struct imapc_response *r)
{
}

static void on_failed(void *ctx, enum source_fault fault, const char *text)
{
	struct server *v = ctx;

	v->failed = true;
	v->fault = fault;
	snprintf(v->text, sizeof(v->text), "%s", text);
	source_free(&v->source);
}

static int no_begin(void *ctx, uint64_t size)
{
	return 0;
}

static int no_bytes(void *ctx, struct slice bytes)
{
	return 0;
}

static const struct source_ops ops = { on_ready, on_response, on_done, on_failed, { no_begin, no_bytes } };

static void close_handle(uv_handle_t *h, void *arg)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void on_guard(uv_timer_t *t)
{
	fail_msg("the source neither got ready nor failed");
}

static void listen_on(struct server *v, struct sockaddr_in *addr)
{
	int len = sizeof(*addr);

	uv_ip4_addr("127.0.0.1", 0, addr);
	uv_tcp_init(&v->loop, &v->listener);
	v->listener.data = v;
	assert_int_equal(uv_tcp_bind(&v->listener, (struct sockaddr *)addr, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&v->listener, 1, on_accept), 0);
	uv_tcp_getsockname(&v->listener, (struct sockaddr *)addr, &len);
}

/* Plays the script; v->ready or v->failed afterwards. */
static void play(struct server *v, const char *const *replies, Postern__SourceTls tls, const char *master)
{
	struct resolver *resolver = NULL;
	struct tls_ctx *any = NULL;
	struct sockaddr_in addr;

	*v = (struct server){ .replies = replies, .said = BUF_INIT(65536) };
	uv_loop_init(&v->loop);
	listen_on(v, &addr);
	uv_timer_init(&v->loop, &v->guard);
	uv_timer_start(&v->guard, on_guard, 60000, 0);
	assert_int_equal(resolver_new(&v->loop, "127.0.0.1:9", &resolver), 0);
	assert_int_equal(tls_client_new(TLS_VERIFY_NONE, slice_of(NULL, 0), &any), 0);
	v->config = (struct source_config){
		.loop = &v->loop, .resolver = resolver, .tls_any = any, .tls_name = any, .host = "127.0.0.1",
		.port = ntohs(addr.sin_port), .tls = tls, .user = SLICE("joe"), .password = SLICE("Secret-pass"),
		.master_user = slice_str(master), .body_max = 1000,
	};
	v->source = source_new(&v->config, &ops, v);
	while (!v->ready && !v->failed)
		uv_run(&v->loop, UV_RUN_ONCE);
	source_free(&v->source);
	stream_free(&v->conn);
	resolver_free(&resolver);
	tls_unref(&any);
	uv_walk(&v->loop, close_handle, NULL);
	while (uv_run(&v->loop, UV_RUN_DEFAULT))
		;
	assert_int_equal(uv_loop_close(&v->loop), 0);
}

static void done(struct server *v)
{
	buf_fini(&v->said);
}

#define NONE POSTERN__SOURCE_TLS__SOURCE_TLS_NONE
#define START POSTERN__SOURCE_TLS__SOURCE_TLS_STARTTLS

static void logs_in(void **state)
{
	static const struct {
		const char *replies[LINES_MAX];
		const char *master, *said;
	} cases[] = {
		{ { "* OK hi\r\n", "* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\n$ OK\r\n", "$ OK in\r\n", "* CAPABILITY IMAP4rev1\r\n$ OK\r\n" },
		  "", "p2 AUTHENTICATE PLAIN AGpvZQBTZWNyZXQtcGFzcw==\r\n" },
		{ { "* OK hi\r\n", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n$ OK\r\n", "+ \r\n", "p2 OK in\r\n", "$ OK\r\n" },
		  "", "p2 AUTHENTICATE PLAIN\r\nAGpvZQBTZWNyZXQtcGFzcw==\r\n" },
		{ { "* OK hi\r\n", "* CAPABILITY AUTH=PLAIN SASL-IR\r\n$ OK\r\n", "$ OK in\r\n", "$ OK\r\n" },
		  "boss", "p2 AUTHENTICATE PLAIN am9lAGJvc3MAU2VjcmV0LXBhc3M=\r\n" },
		{ { "* OK hi\r\n", "* CAPABILITY IMAP4rev1\r\n$ OK\r\n", "$ OK in\r\n", "$ OK\r\n" },
		  "boss", "p2 LOGIN \"joe*boss\" \"Secret-pass\"\r\n" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct server v;
		play(&v, cases[i].replies, NONE, cases[i].master);
		assert_true(v.ready);
		assert_non_null(strstr(buf_cstr(&v.said), cases[i].said));
		done(&v);
	}
}

/* Nothing of these sees a password (I08). */
static void refuses(void **state)
{
	static const struct {
		const char *replies[LINES_MAX];
		Postern__SourceTls tls;
		const char *text;
	} cases[] = {
		{ { "* PREAUTH welcome\r\n" }, NONE, "PREAUTH" },
		{ { "* PREAUTH welcome\r\n" }, START, "PREAUTH" },
		{ { "* OK hi\r\n", "* PREAUTH now\r\n" }, NONE, "PREAUTH" },
		{ { "* OK hi\r\n", "* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n$ OK\r\n" }, START, "does not offer STARTTLS" },
		{ { "* OK hi\r\n", "* CAPABILITY STARTTLS\r\n$ OK\r\n", "$ NO not now\r\n" }, START, "STARTTLS refused: not now" },
		{ { "* OK hi\r\n", "* CAPABILITY STARTTLS\r\n$ OK\r\n", "$ OK go\r\n* CAPABILITY AUTH=PLAIN\r\np3 OK\r\n", "!" }, START, "TLS failed" },
		{ { "* OK hi\r\n", "* CAPABILITY LOGINDISABLED\r\n$ OK\r\n" }, NONE, "LOGINDISABLED" },
		{ { "* BYE busy\r\n" }, NONE, "turns us away: busy" },
		{ { "220 smtp here\r\n" }, NONE, "cannot be understood" },
		{ { "* OK hi\r\n", "p77 OK\r\n" }, NONE, "what was not asked" },
		{ { "* OK hi\r\n", "* BYE \x07gone\r\n" }, NONE, "goodbye: ?gone" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct server v;
		play(&v, cases[i].replies, cases[i].tls, "");
		assert_true(v.failed && !v.ready);
		if (!strstr(v.text, cases[i].text))
			fail_msg("case %zu: \"%s\"", i, v.text);
		assert_null(strstr(buf_cstr(&v.said), "Secret"));
		assert_null(strstr(buf_cstr(&v.said), "LOGIN"));
		assert_null(strstr(buf_cstr(&v.said), "AUTHENTICATE"));
		done(&v);
	}
}

/* A referral is a refusal like any other: nobody follows it. */
static void referral(void **state)
{
	static const char *const script[] = { "* OK hi\r\n", "* CAPABILITY AUTH=PLAIN SASL-IR\r\n$ OK\r\n",
					      "$ NO [REFERRAL imaps://evil.test/] try there\r\n", NULL };
	struct server v;

	play(&v, script, NONE, "");
	assert_true(v.failed);
	assert_int_equal(v.fault, SOURCE_REFUSED);
	assert_string_equal(v.text, "login refused: try there");
	done(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(logs_in), cmocka_unit_test(refuses), cmocka_unit_test(referral) };

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
