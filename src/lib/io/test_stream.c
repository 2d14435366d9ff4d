/* SPDX-License-Identifier: Apache-2.0 */
/* Two streams on a socket pair, in clear and under TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "lib/io/stream.h"
#include "lib/tls/tls.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct side {
	struct stream *s;
	struct buf got;
	size_t least; /* takes nothing below that many bytes */
	size_t line; /* takes multiples of that many, and pauses every now and then */
	bool ended, tls_up, drained, starttls;
	int end;
	struct tls_ctx *ctx;
};

static size_t on_input(void *ctx, struct slice in)
{
	struct side *side = ctx;
	if (in.n < side->least)
		return 0;
	if (side->starttls && slice_starts(in, SLICE("STARTTLS\r\n"))) {
		side->starttls = false;
		assert_int_equal(stream_tls_server(side->s, side->ctx), 0);
		return 10;
	}
	if (side->line) {
		in.n -= in.n % side->line;
		if (in.n && in.n % 5 == 0) {
			in.n = side->line;
			stream_pause(side->s, true);
		}
	}
	buf_slice(&side->got, in);
	return in.n;
}

static void on_tls(void *ctx)
{
	((struct side *)ctx)->tls_up = true;
}

static void on_drained(void *ctx)
{
	((struct side *)ctx)->drained = true;
}

static void on_end(void *ctx, int err)
{
	struct side *side = ctx;
	assert_false(side->ended);
	side->ended = true;
	side->end = err;
	stream_free(&side->s);
}

static const struct stream_ops ops = { .on_input = on_input, .on_tls = on_tls, .on_drained = on_drained, .on_end = on_end };

static void pair(uv_loop_t *loop, struct side *a, struct side *b)
{
	int fds[2];
	assert_int_equal(uv_loop_init(loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	*a = (struct side){ .got = BUF_INIT(1 << 24) };
	*b = (struct side){ .got = BUF_INIT(1 << 24) };
	a->s = stream_new(loop, fds[0], &ops, a);
	b->s = stream_new(loop, fds[1], &ops, b);
}

static void over(uv_loop_t *loop, struct side *a, struct side *b)
{
	stream_free(&a->s);
	stream_free(&b->s);
	uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(loop), 0);
	buf_fini(&a->got);
	buf_fini(&b->got);
	tls_unref(&a->ctx);
	tls_unref(&b->ctx);
}

static void turns(uv_loop_t *loop, int n)
{
	for (int i = 0; i < n; i++)
		uv_run(loop, UV_RUN_NOWAIT);
}

static void clear_text(void **state)
{
	uv_loop_t loop;
	struct side a, b;
	pair(&loop, &a, &b);
	b.least = 3;
	stream_write(a.s, SLICE("x"));
	turns(&loop, 5);
	assert_int_equal(b.got.n, 0);
	stream_write(a.s, SLICE("yz"));
	turns(&loop, 5);
	assert_string_equal(buf_cstr(&b.got), "xyz");
	stream_close(a.s);
	turns(&loop, 5);
	assert_true(a.ended && b.ended);
	assert_int_equal(a.end, 0);
	assert_int_equal(b.end, 0);
	over(&loop, &a, &b);
}

static void pause_and_limit(void **state)
{
	uv_loop_t loop;
	struct side a, b;
	pair(&loop, &a, &b);
	stream_set_in_max(b.s, 1000);
	b.least = 1 << 20;
	static uint8_t big[1001];
	stream_write(a.s, slice_of(big, 1000));
	turns(&loop, 5);
	assert_false(b.ended);
	stream_pause(b.s, true);
	stream_write(a.s, SLICE("z"));
	stream_close(a.s);
	turns(&loop, 5);
	assert_false(b.ended);
	stream_pause(b.s, false);
	turns(&loop, 5);
	assert_true(b.ended);
	assert_int_equal(b.end, ERR_TOO_BIG);
	over(&loop, &a, &b);
}

/* What is left over counts, not what came in while a beginning was left over. */
static void beginnings_are_no_excess(void **state)
{
	for (int tls = 0; tls < 2; tls++) {
		uv_loop_t loop;
		struct side a, b;
		struct buf pem = BUF_INIT(16384);
		static uint8_t chunk[77 * 1000];
		size_t sent = 0;
		pair(&loop, &a, &b);
		stream_set_in_max(b.s, 100);
		b.line = 77;
		if (tls) {
			assert_int_equal(tls_self_signed("localhost", 1, &pem), 0);
			assert_int_equal(tls_server_new(buf_view(&pem), &b.ctx), 0);
			assert_int_equal(tls_client_new(TLS_VERIFY_NONE, SLICE(""), &a.ctx), 0);
			assert_int_equal(stream_tls_server(b.s, b.ctx), 0);
			assert_int_equal(stream_tls_client(a.s, a.ctx, "localhost"), 0);
		}
		for (size_t i = 0; i < sizeof(chunk); i++)
			chunk[i] = (uint8_t)(i * 7 + i / 251);
		while (b.got.n < 20 * sizeof(chunk) && !b.ended) {
			if (sent < 20 && !stream_congested(a.s)) {
				stream_write(a.s, slice_of(chunk, sizeof(chunk)));
				sent++;
			}
			turns(&loop, 1);
			if (!b.ended)
				stream_pause(b.s, false);
		}
		assert_false(b.ended);
		for (size_t i = 0; i < b.got.n; i++)
			if (b.got.p[i] != chunk[i % sizeof(chunk)])
				fail_msg("byte %zu", i);
		buf_fini(&pem);
		over(&loop, &a, &b);
	}
}

static void held_output(void **state)
{
	uv_loop_t loop;
	struct side a, b;
	struct buf much = BUF_INIT(STREAM_OUT_HIGH + 1);
	pair(&loop, &a, &b);
	stream_hold(a.s, true);
	stream_write(a.s, SLICE("first "));
	turns(&loop, 5);
	assert_int_equal(b.got.n, 0);
	stream_write(a.s, SLICE("second"));
	turns(&loop, 5);
	assert_int_equal(b.got.n, 0);
	stream_hold(a.s, false);
	turns(&loop, 5);
	assert_true(slice_eq(buf_view(&b.got), SLICE("first second")));
	/* One octet less than what may be held, and that one. */
	buf_clear(&b.got);
	while (much.n < STREAM_OUT_HIGH)
		buf_byte(&much, 'm');
	stream_hold(a.s, true);
	stream_write(a.s, buf_view(&much));
	turns(&loop, 5);
	assert_int_equal(b.got.n, 0);
	stream_write(a.s, SLICE("m"));
	while (b.got.n < STREAM_OUT_HIGH + 1)
		uv_run(&loop, UV_RUN_ONCE);
	/* The end is no reason to keep it. */
	stream_write(a.s, SLICE("goodbye"));
	turns(&loop, 5);
	assert_int_equal(b.got.n, STREAM_OUT_HIGH + 1);
	stream_close(a.s);
	while (!b.ended)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(b.got.n, STREAM_OUT_HIGH + 8);
	buf_fini(&much);
	over(&loop, &a, &b);
}

static void deadline(void **state)
{
	uv_loop_t loop;
	struct side a, b;
	pair(&loop, &a, &b);
	stream_deadline(b.s, 20);
	while (!b.ended)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(b.end, ERR_TIMEOUT);
	over(&loop, &a, &b);
}

static void slow_reader(void **state)
{
	uv_loop_t loop;
	struct side a, b;
	pair(&loop, &a, &b);
	stream_pause(b.s, true);
	static uint8_t chunk[100000];
	int n = 0;
	while (!stream_congested(a.s)) {
		stream_write(a.s, slice_of(chunk, sizeof(chunk)));
		turns(&loop, 2);
		n++;
	}
	stream_pause(b.s, false);
	while (!a.drained)
		uv_run(&loop, UV_RUN_ONCE);
	turns(&loop, 50);
	assert_int_equal(b.got.n, n * sizeof(chunk));
	stream_pause(b.s, true);
	while (!a.ended) {
		stream_write(a.s, slice_of(chunk, sizeof(chunk)));
		turns(&loop, 1);
	}
	assert_int_equal(a.end, ERR_TOO_BIG);
	over(&loop, &a, &b);
}

static void make_tls(struct side *server, struct side *client)
{
	struct buf pem = BUF_INIT(1 << 16);
	assert_int_equal(tls_self_signed("mail.example.test", 30, &pem), 0);
	assert_int_equal(tls_server_new(buf_view(&pem), &server->ctx), 0);
	assert_int_equal(tls_client_new(TLS_VERIFY_NAME, buf_view(&pem), &client->ctx), 0);
	buf_fini(&pem);
}

static void tls_both_ways(void **state)
{
	uv_loop_t loop;
	struct side a, b;
	pair(&loop, &a, &b);
	make_tls(&a, &b);
	assert_int_equal(stream_tls_server(a.s, a.ctx), 0);
	assert_int_equal(stream_tls_client(b.s, b.ctx, "mail.example.test"), 0);
	stream_write(a.s, SLICE("greeting"));
	static uint8_t big[300000];
	memset(big, 'b', sizeof(big));
	stream_write(b.s, slice_of(big, sizeof(big)));
	while (a.got.n < sizeof(big) || b.got.n < 8)
		uv_run(&loop, UV_RUN_ONCE);
	assert_true(a.tls_up && b.tls_up);
	assert_string_equal(stream_tls_version(a.s), "TLSv1.3");
	assert_string_equal(buf_cstr(&b.got), "greeting");
	stream_close(b.s);
	turns(&loop, 20);
	assert_true(a.ended && b.ended);
	assert_int_equal(a.end, 0);
	over(&loop, &a, &b);
}

static void tls_wrong_name(void **state)
{
	uv_loop_t loop;
	struct side a, b;
	pair(&loop, &a, &b);
	make_tls(&a, &b);
	assert_int_equal(stream_tls_server(a.s, a.ctx), 0);
	assert_int_equal(stream_tls_client(b.s, b.ctx, "other.example.test"), 0);
	turns(&loop, 20);
	assert_true(b.ended);
	assert_false(b.tls_up);
	over(&loop, &a, &b);
}

/* RFC 3207 6, threat S05: what came in clear with STARTTLS in one segment is never seen. */
static void starttls_drops_plaintext(void **state)
{
	uv_loop_t loop;
	struct side a, b;
	pair(&loop, &a, &b);
	make_tls(&a, &b);
	a.starttls = true;
	stream_write(b.s, SLICE("STARTTLS\r\nNOOP\r\n"));
	turns(&loop, 5);
	assert_int_equal(stream_tls_client(b.s, b.ctx, "mail.example.test"), 0);
	turns(&loop, 10);
	stream_write(b.s, SLICE("EHLO\r\n"));
	turns(&loop, 10);
	assert_string_equal(buf_cstr(&a.got), "EHLO\r\n");
	over(&loop, &a, &b);
}

/* The last words arrive although the peer was still sending: no RST overtakes them. */
static void lingering_close(void **state)
{
	uv_loop_t loop;
	struct side a, b = { .got = BUF_INIT(1 << 24) };
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), client, fd;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);
	char got[64];
	static char chatter[200000];
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_true(bind(server, (struct sockaddr *)&at, n) == 0 && listen(server, 1) == 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&at, &n), 0);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&at, n), 0);
	fd = accept(server, NULL, NULL);
	assert_true(fd >= 0);
	a = (struct side){ .got = BUF_INIT(1 << 24) };
	a.s = stream_new(&loop, fd, &ops, &a);
	stream_pause(a.s, true);
	assert_true(send(client, chatter, sizeof(chatter), MSG_DONTWAIT) > 0);
	stream_write(a.s, SLICE("421 Bye\r\n"));
	stream_close(a.s);
	turns(&loop, 10);
	assert_true(a.ended);
	assert_true(send(client, chatter, 1000, MSG_DONTWAIT | MSG_NOSIGNAL) > 0);
	turns(&loop, 10);
	assert_int_equal(recv(client, got, sizeof(got), 0), 9);
	close(client);
	close(server);
	over(&loop, &a, &b);
}

/* The peer's last words and its reset are seen in one event, of which libuv tells as an error, and then no more: the end comes
 * all the same, and in their order. */
static void words_before_a_reset(void **state)
{
	for (size_t least = 0; least < 10; least += 9) {
		uv_loop_t loop;
		struct side a;
		int fds[2];
		assert_int_equal(uv_loop_init(&loop), 0);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		a = (struct side){ .got = BUF_INIT(1 << 24), .least = least };
		a.s = stream_new(&loop, fds[0], &ops, &a);
		stream_write(a.s, SLICE("never read"));
		turns(&loop, 3);
		assert_int_equal(send(fds[1], "words", 5, MSG_NOSIGNAL), 5);
		close(fds[1]);
		turns(&loop, 10);
		assert_int_equal(a.got.n, least ? 0 : 5);
		assert_true(a.ended);
		assert_int_equal(a.end, ERR_CLOSED);
		struct side none = { 0 };
		over(&loop, &a, &none);
	}
}

static void bad_pem(void **state)
{
	struct tls_ctx *ctx = NULL;
	assert_int_equal(tls_server_new(SLICE("nothing"), &ctx), ERR_SYNTAX);
	struct buf one = BUF_INIT(1 << 16), two = BUF_INIT(1 << 16), mixed = BUF_INIT(1 << 16);
	assert_int_equal(tls_self_signed("a.test", 1, &one), 0);
	assert_int_equal(tls_self_signed("a.test", 1, &two), 0);
	ptrdiff_t key = slice_find(buf_view(&two), SLICE("-----BEGIN PRIVATE"), 0);
	ptrdiff_t mine = slice_find(buf_view(&one), SLICE("-----BEGIN PRIVATE"), 0);
	assert_true(key > 0 && mine > 0);
	buf_slice(&mixed, slice_sub(buf_view(&one), 0, (size_t)mine));
	buf_slice(&mixed, slice_sub(buf_view(&two), (size_t)key, two.n));
	assert_int_equal(tls_server_new(buf_view(&mixed), &ctx), ERR_INVALID);
	assert_null(ctx);
	buf_clear(&mixed);
	assert_int_equal(tls_self_signed("a,DNS:evil", 1, &mixed), ERR_INVALID);
	buf_fini(&one);
	buf_fini(&two);
	buf_fini(&mixed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clear_text), cmocka_unit_test(pause_and_limit), cmocka_unit_test(beginnings_are_no_excess),
		cmocka_unit_test(held_output), cmocka_unit_test(deadline),
		cmocka_unit_test(slow_reader), cmocka_unit_test(tls_both_ways), cmocka_unit_test(tls_wrong_name),
		cmocka_unit_test(starttls_drops_plaintext), cmocka_unit_test(lingering_close), cmocka_unit_test(words_before_a_reset),
		cmocka_unit_test(bad_pem),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
