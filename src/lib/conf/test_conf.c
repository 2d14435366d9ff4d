/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "lib/conf/conf.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static void table_is_sound(void **state)
{
	struct conf *c = conf_defaults(); /* aborts where a default is not of its type */
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *o = &conf_options[i];
		assert_true(o->help && strlen(o->help) > 10);
		assert_true(strchr(o->name, '.') != NULL);
		assert_string_equal(conf_str(c, o->name), o->fallback);
		for (size_t k = i + 1; k < conf_n_options; k++)
			assert_string_not_equal(o->name, conf_options[k].name);
	}
	conf_free(&c);
}

static void good(void **state)
{
	struct conf *c = NULL;
	struct buf error = BUF_INIT(4096);
	const char *text =
		"# hello\n\n  smtp.max_recipients=200\r\ntls.key =  mail # one.example.test \n"
		"smtp.max_size = 1M\nqueue.lifetime = 2d\nlog.json = true\nlog.level = "
		"warn\ndns.servers =";
	assert_int_equal(conf_parse(slice_str(text), "f", &c, &error), 0);
	assert_int_equal(conf_u64(c, "smtp.max_recipients"), 200);
	assert_string_equal(conf_str(c, "tls.key"), "mail # one.example.test");
	assert_int_equal(conf_u64(c, "smtp.max_size"), 1 << 20);
	assert_int_equal(conf_u64(c, "queue.lifetime"), 2 * 86400000);
	assert_true(conf_bool(c, "log.json"));
	assert_string_equal(conf_str(c, "log.level"), "warn");
	assert_string_equal(conf_str(c, "dns.servers"), "");
	conf_free(&c);
	assert_int_equal(conf_parse(SLICE(""), "f", &c, &error), 0);
	conf_free(&c);
	buf_fini(&error);
}

static void bad(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "\n\nsmtp.max_recipients = many\n",
		  "f:3: smtp.max_recipients: expected a number from 100 to 10000, got \"many\"" },
		{ "smtp.max_recipients = 99",
		  "f:1: smtp.max_recipients: expected a number from 100 to 10000, got \"99\"" },
		{ "smtp.max_recipients = 10001",
		  "f:1: smtp.max_recipients: expected a number from 100 to 10000, got \"10001\"" },
		{ "smtp.max_recipients =",
		  "f:1: smtp.max_recipients: expected a number from 100 to 10000, got \"\"" },
		{ "smtp.max_recpients = 100", "f:1: \"smtp.max_recpients\": expected the name of "
					      "an option; did you mean smtp.max_recipients?" },
		{ "colour = red", "f:1: \"colour\": expected the name of an option" },
		{ "hello", "f:1: expected \"name = value\", got \"hello\"" },
		{ "= 1", "f:1: \"\": expected the name of an option" },
		{ "log.json = true\n# x\nlog.json = true",
		  "f:3: log.json: expected this option once, but line 1 has it already" },
		{ "log.json = yes", "f:1: log.json: expected true or false, got \"yes\"" },
		{ "log.level = loud",
		  "f:1: log.level: expected debug, info, warn or error, got \"loud\"" },
		{ "smtp.max_size = 2G",
		  "f:1: smtp.max_size: expected a size from 64K to 1G, got \"2G\"" },
		{ "queue.lifetime = 5 days", "f:1: queue.lifetime: expected a duration (ms, s, m, "
					     "h, d) from 1s to 30d, got \"5 days\"" },
		{ "queue.lifetime = 60", "f:1: queue.lifetime: expected a duration (ms, s, m, h, "
					 "d) from 1s to 30d, got \"60\"" },
		{ "tls.key =", "f:1: tls.key: expected a text of 1 to 1024 bytes, got \"\"" },
		{ "host.name =", "f:1: host.name: expected a name of a host such as mail.example.org, got \"\"" },
		{ "tls.key = a\001b",
		  "f:1: tls.key: expected a text of 1 to 1024 bytes, got \"a?b\"" },
		{ "smtp.listen = localhost:25",
		  "f:1: smtp.listen: expected addresses with ports such as 127.0.0.1:2025 or "
		  "[::1]:25, or nothing, got "
		  "\"localhost:25\"" },
		{ "imap.listen = [::1]:143 127.0.0.1:2025\nsmtp.listen = 127.0.0.1:2025",
		  "f:2: smtp.listen: expected addresses of its own, but imap.listen has one of them" },
		{ "# the default of smtp.listen\npop3.listen = 127.0.0.1:25",
		  "f:2: pop3.listen: expected addresses of its own, but smtp.listen has one of them" },
		{ "limits.exempt_networks = 10.0.0.0/33",
		  "f:1: limits.exempt_networks: expected networks such as 127.0.0.0/8 or ::1/128, "
		  "or nothing, got "
		  "\"10.0.0.0/33\"" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct conf *c = NULL;
		struct buf error = BUF_INIT(4096);
		assert_true(conf_parse(slice_str(cases[i].text), "f", &c, &error) < 0);
		assert_null(c);
		assert_string_equal(buf_cstr(&error), cases[i].error);
		buf_fini(&error);
	}
}

static int set(const char *name, const char *value)
{
	struct conf *c = conf_defaults();
	struct buf error = BUF_INIT(4096);
	int err = conf_set(c, name, value, &error);
	conf_free(&c);
	buf_fini(&error);
	return err;
}

static void addresses(void **state)
{
	static const char *const ok[] = { "", "127.0.0.1:25", "[::1]:25", "0.0.0.0:25 [::]:25" };
	static const char *const no[] = {
		"127.0.0.1",      "::1",         "::1:25",          "[::1]",
		"[127.0.0.1]:25", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x",
		"127.0.0.1:",     ":25",         "1.2.3:25",        "[::1]25"
	};
	static const char *const servers[] = { "192.0.2.53", "127.0.0.1:5353", "2001:db8::1",
					       "[::1]:53" };
	for (size_t i = 0; i < ARRAY_SIZE(ok); i++)
		assert_int_equal(set("smtp.listen", ok[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(no); i++)
		assert_int_equal(set("smtp.listen", no[i]), ERR_INVALID);
	for (size_t i = 0; i < ARRAY_SIZE(servers); i++)
		assert_int_equal(set("dns.servers", servers[i]), 0);
	assert_int_equal(set("dns.servers", "resolver.test"), ERR_INVALID);
	assert_int_equal(set("no.such", ""), ERR_NOT_FOUND);

	struct sockaddr_storage sa;
	const char *at = "127.0.0.1:25  [::1]:26";
	assert_int_equal(conf_address_next(&at, &sa), 1);
	assert_int_equal(ntohs(((struct sockaddr_in *)&sa)->sin_port), 25);
	assert_int_equal(conf_address_next(&at, &sa), 1);
	assert_int_equal(sa.ss_family, AF_INET6);
	assert_int_equal(ntohs(((struct sockaddr_in6 *)&sa)->sin6_port), 26);
	assert_int_equal(conf_address_next(&at, &sa), 0);
	assert_int_equal(conf_address_next(&at, &sa), 0);
}

static void limits(void **state)
{
	struct buf text = BUF_INIT(2 * CONF_FILE_MAX), error = BUF_INIT(4096);
	struct conf *c = NULL;
	for (size_t i = 0; i < CONF_LINE_MAX; i++)
		buf_byte(&text, '#');
	assert_int_equal(conf_parse(buf_view(&text), "f", &c, &error), 0);
	conf_free(&c);
	buf_byte(&text, '#');
	assert_int_equal(conf_parse(buf_view(&text), "f", &c, &error), ERR_TOO_BIG);
	buf_clear(&text);
	while (text.n < CONF_FILE_MAX)
		buf_byte(&text, '\n');
	assert_int_equal(conf_parse(buf_view(&text), "f", &c, &error), 0);
	conf_free(&c);
	buf_byte(&text, '\n');
	assert_int_equal(conf_parse(buf_view(&text), "f", &c, &error), ERR_TOO_BIG);
	buf_fini(&text);
	buf_fini(&error);
	struct buf many = BUF_INIT(4096);
	for (int i = 0; i < CONF_ADDRESSES_MAX; i++)
		buf_printf(&many, "127.0.0.1:%d ", 1000 + i);
	assert_int_equal(set("smtp.listen", buf_cstr(&many)), 0);
	buf_str(&many, "127.0.0.1:25");
	assert_int_equal(set("smtp.listen", buf_cstr(&many)), ERR_INVALID);
	buf_fini(&many);
}

static void dump_parses_back(void **state)
{
	struct conf *c = NULL, *again = NULL;
	struct buf one = BUF_INIT(CONF_FILE_MAX), two = BUF_INIT(CONF_FILE_MAX),
		   error = BUF_INIT(4096);
	assert_int_equal(conf_parse(SLICE("smtp.max_size = 7M\n"), "f", &c, &error), 0);
	conf_dump(c, &one);
	assert_int_equal(conf_parse(buf_view(&one), "dump", &again, &error), 0);
	assert_int_equal(conf_u64(again, "smtp.max_size"), 7 << 20);
	conf_dump(again, &two);
	assert_true(slice_eq(buf_view(&one), buf_view(&two)));
	conf_free(&c);
	conf_free(&again);
	buf_fini(&one);
	buf_fini(&two);
	buf_fini(&error);
}

static void hosts(void **state)
{
	static const char *const good[] = { "", "a", "panel.example.test", "Old-1.test  x", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16" };
	static const char *const wrong[] = { "*.test", "a:443", "https://a", "a/", "a..b", ".a", "a.", "-a", "a-", "a.-b", "a@b", "[::1]",
					     "a,b", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17" };
	char name[255];
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(set("web.old_names", good[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(set("web.old_names", wrong[i]), ERR_INVALID);
	memset(name, 'a', sizeof(name));
	name[254] = 0;
	assert_int_equal(set("web.old_names", name), ERR_INVALID);
	name[253] = 0;
	assert_int_equal(set("web.old_names", name), 0);
}

/* What greetings and links in mail are made of: one name, one address. */
static void host_and_url(void **state)
{
	static const char *const good[] = { "a", "localhost", "mail.example.test", "Mail-1.example.test" };
	static const char *const wrong[] = { "two names", "a:443", "a_b", "a..b", ".a", "a.", "-a", "a@b", "[::1]", "https://a", "m\xc3\xbcl.test" };
	static const char *const urls[] = { "", "https://a", "https://mail.example.test", "https://mail.example.test/",
					    "https://mail.example.test:8443", "HTTPS://a:1/", "https://[::1]:443" };
	static const char *const no_urls[] = { "ftp://a", "http://a", "a", "https://", "https:///", "https://a b", "https://a:0",
					       "https://a:65536", "https://u@a", "https://a/x", "https://a//", "https://a?x", "https://a#x" };
	char name[255];
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(set("host.name", good[i]), 0);
		assert_int_equal(set("domain.alternate_base", good[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(set("host.name", wrong[i]), ERR_INVALID);
		assert_int_equal(set("domain.alternate_base", wrong[i]), ERR_INVALID);
	}
	assert_int_equal(set("host.name", ""), ERR_INVALID);
	assert_int_equal(set("domain.alternate_base", ""), 0);
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++)
		assert_int_equal(set("web.url", urls[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(no_urls); i++)
		assert_int_equal(set("web.url", no_urls[i]), ERR_INVALID);
	memset(name, 'a', sizeof(name));
	name[254] = 0;
	assert_int_equal(set("host.name", name), ERR_INVALID);
	name[253] = 0;
	assert_int_equal(set("host.name", name), 0);
}

static void missing_file(void **state)
{
	struct conf *c = NULL;
	struct buf error = BUF_INIT(4096);
	assert_true(conf_load("/nonexistent/postern.conf", &c, &error) < 0);
	assert_non_null(strstr(buf_cstr(&error), "/nonexistent/postern.conf: "));
	buf_fini(&error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_sound),
		cmocka_unit_test(good),
		cmocka_unit_test(bad),
		cmocka_unit_test(addresses),
		cmocka_unit_test(limits),
		cmocka_unit_test(hosts),
		cmocka_unit_test(host_and_url),
		cmocka_unit_test(dump_parses_back),
		cmocka_unit_test(missing_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
