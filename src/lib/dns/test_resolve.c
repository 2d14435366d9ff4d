/* SPDX-License-Identifier: Apache-2.0 */
/* The resolver against a DNS server of our own on loopback, in the same loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/dns/resolve.h"

#include "base/buf.h"
#include "base/err.h"

#include <arpa/nameser.h>

static uv_loop_t loop;
static uv_udp_t server;
static struct sockaddr_in server_addr;
static struct resolver *resolver;

struct answer {
	int err;
	size_t n;
	unsigned calls;
	struct resolve_mx mx[RESOLVE_MAX];
	char addrs[RESOLVE_MAX][64];
};

static void u16(struct buf *b, unsigned v)
{
	buf_byte(b, (uint8_t)(v >> 8));
	buf_byte(b, (uint8_t)v);
}

static void name(struct buf *b, const char *dotted)
{
	while (*dotted) {
		size_t n = strcspn(dotted, ".");
		buf_byte(b, (uint8_t)n);
		buf_append(b, dotted, n);
		dotted += n + (dotted[n] == '.');
	}
	buf_byte(b, 0);
}

static void record(struct buf *b, unsigned type, struct buf *data)
{
	u16(b, 0xc00c);
	u16(b, type);
	u16(b, ns_c_in);
	u16(b, 0);
	u16(b, 60);
	u16(b, (unsigned)data->n);
	buf_slice(b, buf_view(data));
	buf_fini(data);
}

static void mx(struct buf *b, unsigned preference, const char *host)
{
	struct buf data = BUF_INIT(300);
	u16(&data, preference);
	name(&data, host);
	record(b, ns_t_mx, &data);
}

static void a(struct buf *b, unsigned last)
{
	struct buf data = BUF_INIT(4);
	buf_append(&data, (uint8_t[]){ 192, 0, 2, (uint8_t)last }, 4);
	record(b, ns_t_a, &data);
}

static void aaaa(struct buf *b)
{
	struct buf data = BUF_INIT(16);
	buf_append(&data, (uint8_t[16]){ 0x20, 1, 0xd, 0xb8, [15] = 1 }, 16);
	record(b, ns_t_aaaa, &data);
}

/* Fills the answer section; returns its records, or a negated rcode, or -100 for silence. */
static int answer_of(const char *first, unsigned type, struct buf *b)
{
	if (!strcmp(first, "two") && type == ns_t_mx) {
		mx(b, 20, "b.test");
		mx(b, 10, "a.test");
		return 2;
	}
	if (!strcmp(first, "null") && type == ns_t_mx) {
		mx(b, 0, "");
		return 1;
	}
	if (!strcmp(first, "many") && type == ns_t_mx) {
		for (unsigned i = 0; i < 21; i++)
			mx(b, i, "m.test");
		return 21;
	}
	if (!strcmp(first, "host") && type == ns_t_aaaa) {
		aaaa(b);
		return 1;
	}
	if ((!strcmp(first, "host") || !strcmp(first, "v4")) && type == ns_t_a) {
		a(b, 1);
		return 1;
	}
	if (!strcmp(first, "broken"))
		return -2;
	if (!strcmp(first, "gone"))
		return -3;
	return 0;
}

static void on_sent(uv_udp_send_t *req, int status)
{
	free(req->data);
	free(req);
}

static void reply(const uint8_t *q, size_t n, const struct sockaddr *to)
{
	struct buf out = BUF_INIT(4096), section = BUF_INIT(4000);
	char first[64] = { 0 };
	memcpy(first, q + 13, q[12]);
	size_t end = 12;
	while (q[end])
		end += q[end] + 1u;
	unsigned type = q[end + 1] << 8 | q[end + 2];
	int count = answer_of(first, type, &section);
	buf_append(&out, q, 2);
	u16(&out, 0x8180u | (unsigned)(count < 0 ? -count : 0));
	u16(&out, 1);
	u16(&out, (unsigned)(count < 0 ? 0 : count));
	u16(&out, 0);
	u16(&out, 0);
	buf_append(&out, q + 12, end + 5 - 12);
	buf_slice(&out, buf_view(&section));
	uv_udp_send_t *req = calloc(1, sizeof(*req));
	req->data = out.p;
	uv_buf_t b = uv_buf_init((char *)out.p, (unsigned)out.n);
	assert_int_equal(uv_udp_send(req, &server, &b, 1, to, on_sent), 0);
	buf_fini(&section);
}

static void on_alloc(uv_handle_t *h, size_t hint, uv_buf_t *b)
{
	static char space[65536];
	*b = uv_buf_init(space, sizeof(space));
}

static void on_question(uv_udp_t *h, ssize_t n, const uv_buf_t *b, const struct sockaddr *from,
			unsigned flags)
{
	if (n > 17 && from)
		reply((const uint8_t *)b->base, (size_t)n, from);
}

static int set_up(void **state)
{
	struct sockaddr_in any;
	int len = sizeof(server_addr);
	char text[64];
	uv_loop_init(&loop);
	uv_udp_init(&loop, &server);
	uv_ip4_addr("127.0.0.1", 0, &any);
	if (uv_udp_bind(&server, (struct sockaddr *)&any, 0) ||
	    uv_udp_recv_start(&server, on_alloc, on_question))
		return -1;
	uv_udp_getsockname(&server, (struct sockaddr *)&server_addr, &len);
	snprintf(text, sizeof(text), " 127.0.0.1:%u ", ntohs(server_addr.sin_port));
	return resolver_new(&loop, text, &resolver);
}

static int tear_down(void **state)
{
	resolver_free(&resolver);
	uv_close((uv_handle_t *)&server, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static void got_mx(void *ctx, int err, const struct resolve_mx *list, size_t n)
{
	struct answer *to = ctx;
	to->err = err;
	to->n = n;
	to->calls++;
	memcpy(to->mx, list, n * sizeof(*list));
}

static void got_addr(void *ctx, int err, const struct sockaddr_storage *addrs, size_t n)
{
	struct answer *to = ctx;
	to->err = err;
	to->n = n;
	to->calls++;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(uv_ip_name((const struct sockaddr *)&addrs[i], to->addrs[i], 64),
				 0);
}

static void wait_for(struct answer *answer)
{
	assert_int_equal(answer->calls, 0);	/* never from inside the call */
	while (!answer->calls)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static struct answer ask_mx(const char *domain)
{
	struct answer answer = { 0 };
	resolve_mx(resolver, domain, got_mx, &answer);
	wait_for(&answer);
	return answer;
}

static struct answer ask_addr(const char *host)
{
	struct answer answer = { 0 };
	resolve_addr(resolver, host, 25, got_addr, &answer);
	wait_for(&answer);
	return answer;
}

static void mail_exchangers(void **state)
{
	struct answer r = ask_mx("two.test");
	assert_int_equal(r.err, 0);
	assert_int_equal(r.n, 2);
	assert_string_equal(r.mx[0].host, "a.test");
	assert_int_equal(r.mx[0].preference, 10);
	assert_string_equal(r.mx[1].host, "b.test");
	r = ask_mx("null.test");
	assert_int_equal(r.n, 1);
	assert_string_equal(r.mx[0].host, "");
	assert_int_equal(ask_mx("many.test").n, RESOLVE_MAX);
	assert_int_equal(ask_mx("host.test").err, ERR_NOT_FOUND);
	assert_int_equal(ask_mx("gone.test").err, ERR_NOT_FOUND);
	assert_int_equal(ask_mx("broken.test").err, ERR_UNAVAILABLE);
	assert_int_equal(ask_mx("a..b").err, ERR_NOT_FOUND);
}

static void addresses(void **state)
{
	struct answer r = ask_addr("host.test");
	assert_int_equal(r.n, 2);
	assert_string_equal(r.addrs[0], "192.0.2.1");
	assert_string_equal(r.addrs[1], "2001:db8::1");
	assert_int_equal(ask_addr("v4.test").n, 1);
	assert_int_equal(ask_addr("gone.test").err, ERR_NOT_FOUND);
	assert_int_equal(ask_addr("broken.test").err, ERR_UNAVAILABLE);
	r = ask_addr("127.0.0.5");
	assert_string_equal(r.addrs[0], "127.0.0.5");
	r = ask_addr("::1");
	assert_string_equal(r.addrs[0], "::1");
	r = ask_addr("localhost");
	assert_string_equal(r.addrs[0], "127.0.0.1");
}

static void canceled(void **state)
{
	struct answer never = { 0 };
	struct resolve *q = resolve_mx(resolver, "two.test", got_mx, &never);
	resolve_cancel(&q);
	assert_null(q);
	q = resolve_addr(resolver, "127.0.0.1", 25, got_addr, &never);
	resolve_cancel(&q);
	assert_int_equal(ask_mx("two.test").n, 2);
	assert_int_equal(never.calls, 0);
	resolve_mx(resolver, "two.test", got_mx, &never);	/* open at the end */
}

static void bad_servers(void **state)
{
	struct resolver *none = NULL;
	assert_int_equal(resolver_new(&loop, "nonsense", &none), ERR_SYNTAX);
	assert_null(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_exchangers),
		cmocka_unit_test(addresses),
		cmocka_unit_test(bad_servers),
		cmocka_unit_test(canceled),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
