/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/api/web.h"

#define T(text) slice_str(text)
#define OLD "panel.old.test\told"

static void authorities(void **state)
{
	static const struct {
		const char *url, *authority;
	} cases[] = {
		{ "https://mail.example.test", "mail.example.test" },
		{ "https://mail.example.test/", "mail.example.test" },
		{ "HTTPS://mail.example.test:2443/x?y", "mail.example.test:2443" },
		{ "https://[2001:db8::1]:443/", "[2001:db8::1]:443" },
		{ "http://mail.example.test", NULL },
		{ "https://", NULL },
		{ "https:///x", NULL },
		{ "https://good@evil/", NULL },
		{ "https://a b/", NULL },
		{ "mail.example.test", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct slice got = { 0 };
		assert_int_equal(web_authority(T(cases[i].url), &got), cases[i].authority ? 0 : ERR_SYNTAX);
		if (cases[i].authority)
			assert_true(slice_eq(got, T(cases[i].authority)));
	}
}

static void hosts(void **state)
{
	static const struct {
		const char *host;
		int err;
	} cases[] = {
		{ "mail.example.test", 0 },
		{ "MAIL.example.test", 0 },
		{ "mail.example.test:2443", 0 },
		{ "mail.example.test:443", 0 },
		{ "evil", ERR_NOT_FOUND },
		{ "mail.example.test.evil", ERR_NOT_FOUND },
		{ "evil.mail.example.test", ERR_NOT_FOUND },
		{ "127.0.0.1", ERR_NOT_FOUND },
		{ "[::1]", ERR_NOT_FOUND },
		{ "mail.example.test.", ERR_NOT_FOUND },
		{ "", ERR_SYNTAX },
		{ "mail.example.test:@evil", ERR_SYNTAX },
		{ "mail.example.test:443@evil", ERR_SYNTAX },
		{ "evil@mail.example.test", ERR_SYNTAX },
		{ "mail.example.test:", ERR_SYNTAX },
		{ "mail.example.test:0", ERR_SYNTAX },
		{ "mail.example.test:65536", ERR_SYNTAX },
		{ "mail.example.test, evil", ERR_SYNTAX },
		{ "mail.example.test evil", ERR_SYNTAX },
		{ "mail.example.test/evil", ERR_SYNTAX },
		{ "mail.example.test\\evil", ERR_SYNTAX },
		{ "mail.example.test#evil", ERR_SYNTAX },
		{ "[::1", ERR_SYNTAX },
		{ "[evil]", ERR_SYNTAX },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(web_host_check(T(cases[i].host), T("mail.example.test:2443")), cases[i].err);
}

static void names_of_hosts(void **state)
{
	static const struct {
		const char *host, *name;
	} cases[] = {
		{ "A.example.test", "A.example.test" }, { "a.example.test:8443", "a.example.test" },
		{ "[::1]:443", "[::1]" }, { "a:@evil", NULL }, { "evil@a", NULL }, { "a:", NULL }, { "", NULL }, { "a b", NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct slice name = SLICE("untouched");
		int r = web_host_name(T(cases[i].host), &name);
		assert_int_equal(r, cases[i].name ? 0 : ERR_SYNTAX);
		assert_true(slice_eq(name, T(cases[i].name ? cases[i].name : "untouched")));
	}
}

static void old_names(void **state)
{
	static const struct {
		const char *host, *names;
		bool old;
	} cases[] = {
		{ "panel.old.test", OLD, true },
		{ "PANEL.old.test:443", OLD, true },
		{ "old", OLD, true },
		{ "old", "a  old", true },
		{ "mail.example.test", "mail.example.test old", false },
		{ "old", "", false },
		{ "", " ", false },
		{ "panel.old.test.", OLD, false },
		{ "x.panel.old.test", OLD, false },
		{ "panel.old.test.evil", OLD, false },
		{ "panel", OLD, false },
		{ "old:@evil", OLD, false },
		{ "evil@old", OLD, false },
		{ "panel.old.test old", OLD, false },
		{ "old, evil", OLD, false },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(web_is_old(T(cases[i].host), T("mail.example.test:2443"), T(cases[i].names)), cases[i].old);
}

static void moves(void **state)
{
	static const char *const yes[] = { "/", "/login?x=/api/", "/apis", "/ap", "/api-old" };
	static const char *const no[] = { "/api", "/api/", "/api/v1/session", "/api?x" };
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
		assert_true(web_may_move(SLICE("GET"), T(yes[i])));
		assert_true(web_may_move(SLICE("HEAD"), T(yes[i])));
		assert_false(web_may_move(SLICE("POST"), T(yes[i])));
		assert_false(web_may_move(SLICE("DELETE"), T(yes[i])));
	}
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		assert_false(web_may_move(SLICE("GET"), T(no[i])));
}

static void forwarded(void **state)
{
	static const char *const yes[] = { "X-Forwarded-Host", "x-forwarded-for", "X-FORWARDED-PROTO", "Forwarded",
					   "X-Original-URL", "X-Rewrite-URL", "X-Host", "X-HTTP-Method-Override" };
	static const char *const no[] = { "Host", "X-Forward", "Accept", "Authorization" };
	for (size_t i = 0; i < ARRAY_SIZE(yes); i++)
		assert_true(web_is_forwarded(T(yes[i])));
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		assert_false(web_is_forwarded(T(no[i])));
}

static void check_redirect(const char *in, const char *location)
{
	char want[512];
	/* at every byte: nothing before the head is whole */
	for (size_t n = 0; n <= strlen(in); n++) {
		struct buf out = BUF_INIT(WEB_REDIRECT_OUT_MAX);
		int r = web_redirect(slice_of(in, n), T("mail.example.test:2443"), T(OLD), &out);
		assert_int_equal(r, n == strlen(in));
		if (!r) {
			assert_int_equal(out.n, 0);
		} else if (location) {
			snprintf(want, sizeof(want), "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://mail.example.test:2443%s\r\n",
				 location);
			assert_true(slice_starts(buf_view(&out), T(want)));
			assert_int_equal(slice_find(buf_view(&out), SLICE("evil"), 0), -1);
		} else {
			assert_true(slice_starts(buf_view(&out), SLICE("HTTP/1.1 400 ")));
			assert_int_equal(slice_find(buf_view(&out), SLICE("Location"), 0), -1);
		}
		buf_fini(&out);
	}
}

static void moved_in_clear(void **state)
{
	static const struct {
		const char *in, *start;
	} cases[] = {
		{ "GET /x?y HTTP/1.1\r\nHost: Panel.Old.test:80\r\n\r\n",
		  "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://h.test/\r\nCache-Control: max-age=300\r\n" },
		{ "HEAD / HTTP/1.0\nhost:old\n\n", "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://h.test/\r\nCache" },
		{ "GET /api/v1/x HTTP/1.1\r\nHost: old\r\n\r\n", "HTTP/1.1 421 Misdirected Request\r\nContent-Length: 0\r\n" },
		{ "GET / HTTP/1.1\r\nAuthorization: a\r\nHost: old\r\n\r\n", "HTTP/1.1 421 " },
		{ "POST / HTTP/1.1\r\nHost: old\r\n\r\n", "HTTP/1.1 400 " },
		{ "GET //evil HTTP/1.1\r\nHost: old\r\n\r\n", "HTTP/1.1 400 " },
		/* no old name: the same path, as ever */
		{ "GET /x HTTP/1.1\r\nHost: old\r\nHost: old\r\n\r\n",
		  "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://h.test/x\r\nContent-Length: 0\r\n" },
		{ "GET /x HTTP/1.1\r\nHost: old:@evil\r\n\r\n", "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://h.test/x\r\nCont" },
		{ "GET /x HTTP/1.1\r\nX-Host: old\r\n\r\n", "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://h.test/x\r\nCont" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t n = 0; n <= strlen(cases[i].in); n++) {
			struct buf out = BUF_INIT(WEB_REDIRECT_OUT_MAX);
			assert_int_equal(web_redirect(slice_of(cases[i].in, n), T("h.test"), T(OLD), &out), !cases[i].in[n]);
			assert_true(cases[i].in[n] || slice_starts(buf_view(&out), T(cases[i].start)));
			buf_fini(&out);
		}
	}
}

static void redirects(void **state)
{
	check_redirect("GET / HTTP/1.1\r\nHost: evil\r\n\r\n", "/");
	check_redirect("HEAD /a/b?c=d%20e HTTP/1.0\r\n\r\n", "/a/b?c=d%20e");
	check_redirect("GET /x HTTP/1.1\nHost: evil\n\n", "/x");
	check_redirect("POST / HTTP/1.1\r\n\r\n", NULL);
	check_redirect("GET //evil/ HTTP/1.1\r\n\r\n", NULL);
	check_redirect("GET /\\evil/ HTTP/1.1\r\n\r\n", NULL);
	check_redirect("GET http://evil/ HTTP/1.1\r\n\r\n", NULL);
	check_redirect("GET @evil HTTP/1.1\r\n\r\n", NULL);
	check_redirect("GET /a\tb HTTP/1.1\r\n\r\n", NULL);
	check_redirect("GET /a\"<script> HTTP/1.1\r\n\r\n", NULL);
	check_redirect("GET / HTTP/2.0\r\n\r\n", NULL);
	check_redirect("GET /\r\n\r\n", NULL);
	check_redirect("\r\n\r\n", NULL);
}

static void redirect_limit(void **state)
{
	static char in[WEB_REDIRECT_IN_MAX + 8];
	struct buf out = BUF_INIT(WEB_REDIRECT_OUT_MAX);
	memset(in, 'a', sizeof(in));
	assert_int_equal(web_redirect(slice_of(in, WEB_REDIRECT_IN_MAX), T("h.test"), T(OLD), &out), 0);
	assert_int_equal(web_redirect(slice_of(in, WEB_REDIRECT_IN_MAX + 1), T("h.test"), T(OLD), &out), ERR_TOO_BIG);
	memcpy(in + WEB_REDIRECT_IN_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(web_redirect(slice_of(in, WEB_REDIRECT_IN_MAX), T("h.test"), T(OLD), &out), 1);
	memcpy(in + WEB_REDIRECT_IN_MAX - 4, "a\r\n\r\n", 5);
	assert_int_equal(web_redirect(slice_of(in, WEB_REDIRECT_IN_MAX + 1), T("h.test"), T(OLD), &out), ERR_TOO_BIG);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(authorities), cmocka_unit_test(hosts),		 cmocka_unit_test(forwarded),
		cmocka_unit_test(redirects),   cmocka_unit_test(redirect_limit),
		cmocka_unit_test(names_of_hosts),
		cmocka_unit_test(old_names),   cmocka_unit_test(moves),		 cmocka_unit_test(moved_in_clear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
