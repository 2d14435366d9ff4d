/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "proto/managesieve/fake_owner.h"

#define CAPS(sasl, more)                                                                                             \
	"\"IMPLEMENTATION\" \"Postern\"\r\n\"SASL\" \"" sasl "\"\r\n\"SIEVE\" \"fileinto\"\r\n" more                 \
	"\"MAXREDIRECTS\" \"4\"\r\n\"UNAUTHENTICATE\"\r\n"
#define CLEAR CAPS("", "\"STARTTLS\"\r\n") "\"VERSION\" \"1.0\"\r\n"
#define GREETING CLEAR "OK \"Postern is ready\"\r\n"
#define SECURE CAPS("PLAIN", "") "\"VERSION\" \"1.0\"\r\n"
#define TLS "STARTTLS\r\n"
#define BEGUN GREETING "OK \"Begin TLS\"\r\n" SECURE "OK \"TLS is on\"\r\n"
#define RIGHT "AUTHENTICATE \"PLAIN\" \"AGpvZQByaWdodA==\"\r\n"
#define IN BEGUN "OK \"Logged in\"\r\n"
#define WRONG "AUTHENTICATE \"PLAIN\" \"AGpvZQB3cm9uZw==\"\r\n"

/* clear: what is sent before the handshake, in pieces of its own; then the rest. */
static const struct {
	const char *clear, *rest, *out;
	bool closed;
} cases[] = {
	{ "LOGOUT\r\n", "", GREETING "OK \"Bye\"\r\n", true },
	{ "CAPABILITY\r\nNOOP\r\n", "", GREETING CLEAR "OK\r\nOK \"Done\"\r\n", false },
	{ "NOOP \"STARTTLS-SYNC-42\"\r\n", "", GREETING "OK (TAG \"STARTTLS-SYNC-42\") \"Done\"\r\n", false },
	{ "NOOP {3+}\r\na\"b\r\n", "", GREETING "OK (TAG \"a\\\"b\") \"Done\"\r\n", false },
	{ "NOOP {4+}\r\na\r\nb\r\n", "", GREETING "OK (TAG {4}\r\na\r\nb) \"Done\"\r\n", false },
	/* No password in clear. */
	{ RIGHT, "", GREETING "NO (ENCRYPT-NEEDED) \"STARTTLS comes first\"\r\n", false },
	{ "LISTSCRIPTS\r\n", "", GREETING "NO \"Log in first\"\r\n", false },
	/* RFC 5804 2.2: what stands behind STARTTLS in clear is not looked at. */
	{ TLS "NOOP \"injected\"\r\n", "NOOP\r\n", BEGUN "OK \"Done\"\r\n", false },
	{ TLS RIGHT, "LISTSCRIPTS\r\n", BEGUN "NO \"Log in first\"\r\n", false },
	{ TLS, "STARTTLS\r\n", BEGUN "NO \"TLS is on already\"\r\n", false },
	{ TLS, RIGHT "STARTTLS\r\n" RIGHT, IN "NO \"You are logged in already\"\r\nNO \"You are logged in already\"\r\n", false },
	{ TLS, "authenticate \"plain\"\r\n\"AGpvZQByaWdodA==\"\r\n", BEGUN "\"\"\r\nOK \"Logged in\"\r\n", false },
	{ TLS, "AUTHENTICATE \"PLAIN\"\r\n{16+}\r\nAGpvZQByaWdodA==\r\n", BEGUN "\"\"\r\nOK \"Logged in\"\r\n", false },
	{ TLS, "AUTHENTICATE \"PLAIN\" {16+}\r\nAGpvZQByaWdodA==\r\n", IN, false },
	{ TLS, "AUTHENTICATE \"PLAIN\"\r\n\"*\"\r\n", BEGUN "\"\"\r\nNO \"Cancelled\"\r\n", false },
	{ TLS, "AUTHENTICATE \"PLAIN\"\r\nnonsense\r\n", BEGUN "\"\"\r\nNO \"Not what this mechanism sends\"\r\n", false },
	{ TLS, "AUTHENTICATE \"LOGIN\"\r\n", BEGUN "NO \"This mechanism is not offered\"\r\n", false },
	{ TLS, "AUTHENTICATE \"GSSAPI\" \"x\"\r\n", BEGUN "NO \"This mechanism is not offered\"\r\n", false },
	{ TLS, WRONG, BEGUN "NO \"Wrong name or password\"\r\n", false },
	{ TLS, "AUTHENTICATE \"PLAIN\" \"AGpvZQBsYXRlcg==\"\r\n", BEGUN "NO (TRYLATER) \"Login is not possible now\"\r\n", false },
	{ TLS, "AUTHENTICATE \"PLAIN\" \"AGpvZQB0ZXh0\"\r\n", BEGUN "NO \"Set a password\"\r\n", false },
	{ TLS, RIGHT "CAPABILITY\r\n", IN CAPS("", "") "\"OWNER\" \"joe@example.test\"\r\n\"VERSION\" \"1.0\"\r\nOK\r\n", false },
	{ TLS, RIGHT "LISTSCRIPTS\r\n", IN "\"a\" ACTIVE\r\n\"b\\\"\\\\\"\r\nOK\r\n", false },
	{ TLS, RIGHT "GETSCRIPT \"a\"\r\nGETSCRIPT {1+}\r\na\r\n", IN "{7}\r\nkeep;\r\n\r\nOK\r\n{7}\r\nkeep;\r\n\r\nOK\r\n", false },
	{ TLS, RIGHT "GETSCRIPT \"x\"\r\n", IN "NO (NONEXISTENT) {16}\r\nline 1:\r\nnothing\r\n", false },
	{ TLS, RIGHT "PUTSCRIPT \"a\" {5+}\r\nkeep;\r\nPUTSCRIPT \"a\" \"keep;\"\r\n", IN "OK\r\nOK\r\n", false },
	{ TLS, RIGHT "PUTSCRIPT {1+}\r\na {5+}\r\nkeep;\r\n", IN "OK\r\n", false },
	{ TLS, RIGHT "CHECKSCRIPT {7+}\r\n\"\r\n{9+}\r\n", IN "OK\r\n", false },
	{ TLS, RIGHT "CHECKSCRIPT \"\"\r\n", IN "OK\r\n", false },
	{ TLS, RIGHT "HAVESPACE \"a\" 65536\r\nHAVESPACE \"a\" 65537\r\nHAVESPACE \"a\" \"1\"\r\n",
	  IN "OK\r\nNO (QUOTA/MAXSIZE) \"A script has 64 KiB at most\"\r\nNO \"These are not this command's arguments\"\r\n", false },
	{ TLS, RIGHT "SETACTIVE \"a\"\r\nSETACTIVE \"x\"\r\n", IN "OK\r\nNO (NONEXISTENT) {16}\r\nline 1:\r\nnothing\r\n", false },
	{ TLS, RIGHT "DELETESCRIPT \"a\"\r\nDELETESCRIPT \"\"\r\n", IN "NO (ACTIVE) \"It is active\"\r\nNO (NONEXISTENT) \"A script has a name\"\r\n", false },
	{ TLS, RIGHT "RENAMESCRIPT \"a\" \"b\"\r\n", IN "OK\r\n", false },
	{ TLS, RIGHT "UNAUTHENTICATE\r\nLISTSCRIPTS\r\n" RIGHT "NOOP\r\n", IN "OK\r\nNO \"Log in first\"\r\nOK \"Logged in\"\r\nOK \"Done\"\r\n", false },
	{ TLS, RIGHT "LOGOUT\r\nNOOP\r\n", IN "OK \"Bye\"\r\n", true },
	{ "XYZZY\r\n \r\n\"a\"\r\nNOOP \"a\" \"b\"\r\nNOOP  \"a\"\r\nNOOP \"a\r\n", "",
	  GREETING "NO \"Unknown command\"\r\nNO \"This is not a command\"\r\nNO \"This is not a command\"\r\n"
		   "NO \"These are not this command's arguments\"\r\nNO \"This is not a command\"\r\nNO \"This is not a command\"\r\n", false },
	{ "NOOP\n", "", GREETING "BYE \"Lines end in CRLF, and are not that long\"\r\n", true },
	{ "NOOP {12289+}\r\n", "", GREETING, false },	/* the literal is to be read past */
	{ "NOOP {1048577+}\r\n", "", GREETING "BYE \"This is far too long\"\r\n", true },
	{ "NOOP {99999999999999999999+}\r\n", "", GREETING "BYE \"This is far too long\"\r\n", true },
};

static void transcripts(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (unsigned how = 0; how < 4; how++) {
			struct fake f;
			fake_start(&f, how & 1, 4096);
			fake_feed(&f, slice_str(cases[i].clear));
			f.chunk = how & 2 ? 1 : 4096;
			fake_feed(&f, slice_str(cases[i].rest));
			if (strcmp(buf_cstr(&f.out), cases[i].out) != 0 || f.closed != cases[i].closed)
				fail_msg("case %zu how %u: %s\nexpected %s", i, how, buf_cstr(&f.out), cases[i].out);
			if (f.closed)
				assert_false(f.logged_in);
			fake_fini(&f);
		}
}

/* Split at every byte, all that comes before a handshake is taken alike. */
static void splits(void **state)
{
	static const char script[] = "CAPABILITY\r\nNOOP {3+}\r\nabc\r\nNOOP \"x\"\r\nLOGOUT\r\n";
	struct fake whole;
	fake_start(&whole, false, sizeof(script));
	fake_feed(&whole, slice_str(script));
	for (size_t cut = 0; cut < sizeof(script); cut++) {
		struct fake f;
		fake_start(&f, false, sizeof(script));
		fake_feed(&f, slice_sub(slice_str(script), 0, cut));
		fake_feed(&f, slice_sub(slice_str(script), cut, sizeof(script) - 1));
		assert_string_equal(buf_cstr(&f.out), buf_cstr(&whole.out));
		fake_fini(&f);
	}
	fake_fini(&whole);
}

static void begin(struct fake *f, bool login)
{
	fake_start(f, false, 4096);
	fake_feed(f, SLICE(TLS));
	if (login)
		fake_feed(f, SLICE(RIGHT));
	buf_clear(&f->out);
}

/* In the language of who is logged in, as UTF-8, for as long as he is; codes stay. */
static void languages(void **state)
{
	struct fake f;

	fake_start(&f, false, 4096);
	f.language = "de";
	fake_feed(&f, SLICE(TLS WRONG));
	buf_clear(&f.out);
	fake_feed(&f, SLICE("LISTSCRIPTS\r\n" RIGHT));
	assert_string_equal(buf_cstr(&f.out), "NO \"Log in first\"\r\nOK \"Logged in\"\r\n");
	buf_clear(&f.out);
	fake_feed(&f, SLICE("HAVESPACE \"a\" 65537\r\nXYZZY\r\n"));
	assert_string_equal(buf_cstr(&f.out), "NO (QUOTA/MAXSIZE) \"Ein Skript hat h\xc3\xb6" "chstens 64 KiB\"\r\nNO \"Unbekannter Befehl\"\r\n");
	buf_clear(&f.out);
	fake_feed(&f, SLICE("UNAUTHENTICATE\r\nXYZZY\r\n"));
	assert_string_equal(buf_cstr(&f.out), "OK\r\nNO \"Unknown command\"\r\n");
	fake_feed(&f, SLICE(RIGHT));
	buf_clear(&f.out);
	managesieve_timeout(f.s);
	assert_string_equal(buf_cstr(&f.out), "BYE \"Zu lange war nichts zu h\xc3\xb6ren\"\r\n");
	fake_fini(&f);
}

static void put_x(struct buf *b, size_t n)
{
	while (n--)
		buf_byte(b, 'x');
}

/* A literal at the limit is taken; one byte more is read past, refused, and the session goes on. */
static void literals(void **state)
{
	for (size_t over = 0; over <= 1; over++) {
		struct buf in = BUF_INIT(1 << 20);
		struct fake f;
		begin(&f, true);
		size_t n = MANAGESIEVE_LITERAL_MAX + over;
		buf_printf(&in, "PUTSCRIPT {1+}\r\na {%zu+}\r\n", n);
		put_x(&in, n);
		buf_str(&in, "\r\nNOOP\r\n");
		fake_feed(&f, buf_view(&in));
		assert_string_equal(buf_cstr(&f.out), over ? "NO (QUOTA/MAXSIZE) \"A script has 64 KiB at most\"\r\nOK \"Done\"\r\n"
							   : "OK\r\nOK \"Done\"\r\n");
		assert_int_equal(f.text_n, over ? 0 : MANAGESIEVE_LITERAL_MAX);
		fake_fini(&f);

		/* Before a login the limit is small. */
		begin(&f, false);
		buf_clear(&in);
		n = MANAGESIEVE_LITERAL_CLEAR_MAX + over;
		buf_printf(&in, "NOOP {%zu+}\r\n", n);
		put_x(&in, n);
		buf_str(&in, "\r\n");
		fake_feed(&f, buf_view(&in));
		assert_true(slice_starts(buf_view(&f.out), over ? SLICE("NO (QUOTA/MAXSIZE)") : SLICE("OK (TAG")));
		fake_fini(&f);
		buf_fini(&in);
	}
}

static void line_limit(void **state)
{
	for (size_t over = 0; over <= 1; over++) {
		struct buf in = BUF_INIT(1 << 20);
		struct fake f;
		begin(&f, true);
		buf_str(&in, "NOOP \"");
		put_x(&in, MANAGESIEVE_LINE_MAX - 9 + over);
		buf_str(&in, "\"\r\n");
		fake_feed(&f, buf_view(&in));
		assert_int_equal(f.closed, over);
		fake_fini(&f);
		buf_fini(&in);
	}
}

static void too_many(void **state)
{
	struct fake f;
	begin(&f, false);
	for (unsigned i = 0; i < MANAGESIEVE_LOGINS_MAX; i++) {
		assert_false(f.closed);
		fake_feed(&f, SLICE(WRONG));
	}
	assert_true(f.closed);
	fake_fini(&f);
	begin(&f, false);
	for (unsigned i = 0; i < MANAGESIEVE_ERRORS_MAX; i++) {
		assert_false(f.closed);
		fake_feed(&f, SLICE("XYZZY\r\n"));
	}
	assert_true(f.closed);
	fake_fini(&f);
}

static void idle(void **state)
{
	struct fake f;
	begin(&f, true);
	managesieve_timeout(f.s);
	assert_true(f.closed);
	assert_int_equal(f.logouts, 1);
	assert_string_equal(buf_cstr(&f.out), "BYE \"Nothing was heard for too long\"\r\n");
	fake_fini(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transcripts), cmocka_unit_test(splits), cmocka_unit_test(literals),
		cmocka_unit_test(line_limit), cmocka_unit_test(too_many), cmocka_unit_test(idle),
		cmocka_unit_test(languages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
