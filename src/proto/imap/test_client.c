/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/imap/client.h"

struct bodies {
	struct buf got;
	uint64_t announced;
};

static int body_begin(void *ctx, uint64_t size)
{
	struct bodies *b = ctx;

	b->announced = size;
	buf_clear(&b->got);
	return 0;
}

static int body_bytes(void *ctx, struct slice s)
{
	buf_slice(&((struct bodies *)ctx)->got, s);
	return 0;
}

static const struct imapc_body_ops body_ops = { body_begin, body_bytes };

/* One line a response, everything that was understood in it. */
static void describe(struct buf *out, const struct imapc_response *r, const struct bodies *b)
{
	buf_printf(out, "%d%s ", r->kind, r->cut ? "!" : "");
	switch (r->kind) {
	case IMAPC_STATUS:
		buf_printf(out, "<" SLICE_FMT "> %d [" SLICE_FMT "] " SLICE_FMT, SLICE_ARG(r->tag), r->condition,
			   SLICE_ARG(r->code), SLICE_ARG(r->text));
		break;
	case IMAPC_LIST:
	case IMAPC_LSUB:
		buf_printf(out, "%u %c " SLICE_FMT, r->list.attributes, r->list.delimiter ? r->list.delimiter : '-',
			   SLICE_ARG(r->list.name));
		break;
	case IMAPC_MAILBOX_STATUS:
		buf_printf(out, SLICE_FMT " %u %llu %llu %llu", SLICE_ARG(r->list.name), r->status.has,
			   (unsigned long long)r->status.messages, (unsigned long long)r->status.uidnext,
			   (unsigned long long)r->status.uidvalidity);
		break;
	case IMAPC_NAMESPACE:
		for (size_t i = 0; i < r->namespaces.n; i++)
			buf_printf(out, "(%d " SLICE_FMT " %c)", r->namespaces.items[i].kind,
				   SLICE_ARG(r->namespaces.items[i].prefix), r->namespaces.items[i].delimiter);
		break;
	case IMAPC_FETCH:
		buf_printf(out, "#%u has %u uid %u bits %u (" SLICE_FMT ") date " SLICE_FMT " size %llu ", r->number,
			   r->fetch.has, r->fetch.uid, r->fetch.flag_bits, SLICE_ARG(r->fetch.flags),
			   SLICE_ARG(r->fetch.date), (unsigned long long)r->fetch.size);
		if (r->fetch.has & IMAPC_HAS_BODY)
			buf_slice(out, r->fetch.streamed ? buf_view(&b->got) : r->fetch.body);
		break;
	default:
		buf_printf(out, "%u " SLICE_FMT, r->number, SLICE_ARG(r->text));
	}
	buf_byte(out, '\n');
}

/* Feeds in in pieces of at most step bytes; the description of all responses, or the error. */
static int run(struct slice in, size_t step, uint64_t body_max, struct buf *out)
{
	struct bodies b = { .got = BUF_INIT(1 << 20) };
	struct imapc_parser *p = imapc_parser_new(body_max, &body_ops, &b);
	int r = 0;

	for (size_t at = 0; at < in.n && r >= 0;) {
		struct slice piece = slice_sub(in, at, at + step);
		struct imapc_response resp;
		size_t used;
		r = imapc_next(p, piece, &used, &resp);
		if (r == 0)
			assert_int_equal(used, piece.n);
		if (r == 1)
			describe(out, &resp, &b);
		at += used;
	}
	if (r >= 0)
		r = imapc_in_response(p);
	imapc_parser_free(&p);
	buf_fini(&b.got);
	return r;
}

static void expect(struct slice in, const char *want, int err)
{
	for (size_t step = in.n; step > 0; step = step > 40 ? step / 3 : step - 1) {
		struct buf out = BUF_INIT(1 << 20);
		assert_int_equal(run(in, step, 100, &out), err);
		if (err >= 0)
			assert_string_equal(buf_cstr(&out), want);
		buf_fini(&out);
	}
}

static void responses(void **state)
{
	static const struct {
		const char *in, *want;
		int err;
	} cases[] = {
		{ "* OK [CAPABILITY IMAP4rev1 SASL-IR] ready\r\n", "0 <> 0 [CAPABILITY IMAP4rev1 SASL-IR] ready\n", 0 },
		{ "* PREAUTH hello\r\n", "0 <> 4 [] hello\n", 0 },
		{ "a1 NO [AUTHENTICATIONFAILED] no {5}\r\n", "0 <a1> 1 [AUTHENTICATIONFAILED] no {5}\n", 0 },
		{ "* BYE {12}\r\n", "0 <> 3 [] {12}\n", 0 },
		{ "a2 BAD\r\n", "0 <a2> 2 [] \n", 0 },
		{ "+ idling\r\n+\r\n", "1 0 idling\n1 0 \n", 0 },
		{ "* CAPABILITY IMAP4rev1 LITERAL+\r\n", "2 0 IMAP4rev1 LITERAL+\n", 0 },
		{ "* LIST (\\HasNoChildren \\Sent) \".\" Sent\r\n", "3 32 . Sent\n", 0 },
		{ "* LIST (\\Noselect) NIL \"a b\\\"c\\\\d\"\r\n", "3 128 - a b\"c\\d\n", 0 },
		{ "* LIST () \"/\" {7}\r\nab {3}\n\r\n", "3 0 / ab {3}\n\n", 0 },
		{ "* LIST () \"/\" {5}\r\nhe\r\no (\"OLDNAME\" (x))\r\n", "3 0 / he\r\no\n", 0 },
		{ "* LIST () \"/\" NIL\r\n", "3 0 / NIL\n", 0 },
		{ "* LIST () \"\\\\\" \"\"\r\n", "3 0 \\ \n", 0 },
		{ "* LSUB (\\Subscribed) \"/\" INBOX\r\n", "4 256 / INBOX\n", 0 },
		{ "* STATUS \"x y\" (MESSAGES 3 FOO 4 UIDVALIDITY 9 UIDNEXT 4)\r\n", "5 x y 7 3 4 9\n", 0 },
		{ "* NAMESPACE ((\"INBOX.\" \".\")) NIL ((\"#pub/\" \"/\" \"X\" (\"a\" \"b\")))\r\n", "6 (0 INBOX. .)(2 #pub/ /)\n", 0 },
		{ "* 3 EXISTS\r\n* 0 RECENT\r\n* 2 EXPUNGE\r\n", "7 3 \n9 0 \n8 2 \n", 0 },
		{ "* 4294967295 EXISTS\r\n", "7 4294967295 \n", 0 },
		{ "* 4294967296 EXISTS\r\n", "", ERR_SYNTAX },
		{ "* FLAGS (\\Seen $x)\r\n", "10 0 (\\Seen $x)\n", 0 },
		{ "* 1 FETCH (UID 7 FLAGS (\\Seen $Fwd \\Recent) INTERNALDATE \" 1-Jan-2026 00:00:00 +0000\" RFC822.SIZE 12)\r\n",
		  "11 #1 has 15 uid 7 bits 1 (\\Seen $Fwd \\Recent) date 1-Jan-2026 00:00:00 +0000 size 12 \n", 0 },
		{ "* 1 FETCH (UID 7 BODY[] {5}\r\na\r\n{9 FLAGS ())\r\n", "11 #1 has 19 uid 7 bits 0 () date  size 0 a\r\n{9\n", 0 },
		{ "* 1 FETCH (BODY[] {0}\r\n UID 1)\r\n", "11 #1 has 17 uid 1 bits 0 () date  size 0 \n", 0 },
		{ "* 1 FETCH (UID 1 BODY[] \"x\\\"y\")\r\n", "11 #1 has 17 uid 1 bits 0 () date  size 0 x\"y\n", 0 },
		{ "* 1 FETCH (UID 1 BODY[] NIL)\r\n", "11 #1 has 1 uid 1 bits 0 () date  size 0 \n", 0 },
		{ "* 1 FETCH (RFC822 {2}\r\n\r\n)\r\n", "11 #1 has 16 uid 0 bits 0 () date  size 0 \r\n\n", 0 },
		{ "* 1 FETCH (UID 1 BODY[] ~{2}\r\nab)\r\n", "11 #1 has 17 uid 1 bits 0 () date  size 0 ab\n", 0 },
		{ "* 1 FETCH (BODY[HEADER.FIELDS (A B)] {2}\r\nab UID 4 X (a (\"b)\" NIL)) MODSEQ (7))\r\n",
		  "11 #1 has 1 uid 4 bits 0 () date  size 0 \n", 0 },
		{ "* 1 FETCH (UID 0)\r\n", "", ERR_SYNTAX },
		{ "* 1 FETCH (UID x)\r\n", "", ERR_SYNTAX },
		{ "* 1 FETCH (BODY[] \x01)\r\n", "", ERR_SYNTAX },
		{ "* 1 FETCH (UID 1\r\n", "", ERR_SYNTAX },
		{ "* 1 FETCH (BODY[] {1}\r\na BODY[] {1}\r\nb)\r\n", "", ERR_SYNTAX },
		{ "* 1 FETCH (BODY[] {101}\r\n", "", ERR_TOO_BIG },
		{ "* 1 FETCH (BODY[] {18446744073709551616}\r\n", "", ERR_TOO_BIG },
		{ "* LIST () \"/\" {99999999999}\r\n", "", ERR_TOO_BIG },
		{ "* LIST () \"/\" \"a {5}\r\n", "", ERR_SYNTAX },
		{ "* LIST \"/\" a\r\n", "", ERR_SYNTAX },
		{ "* VANISHED (EARLIER) 1:3\r\n\r\n* X\r\n", "12 0 \n12 0 \n", 0 },
		{ "hello\r\n", "", ERR_SYNTAX },
		{ "a BYE\r\n", "", ERR_SYNTAX },
		{ "* OK bare line feed\n* 1 EXISTS\n", "0 <> 0 [] bare line feed\n7 1 \n", 0 },
		{ "* OK", "", 1 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect(slice_str(cases[i].in), cases[i].want, cases[i].err);
}

static void body_limit(void **state)
{
	struct buf in = BUF_INIT(1000), out = BUF_INIT(1000);

	buf_str(&in, "* 1 FETCH (UID 1 BODY[] {100}\r\n");
	for (int i = 0; i < 100; i++)
		buf_byte(&in, 'x');
	buf_str(&in, ")\r\n");
	assert_int_equal(run(buf_view(&in), 7, 100, &out), 0);
	assert_int_equal(run(buf_view(&in), 7, 99, &out), ERR_TOO_BIG);
	buf_fini(&in);
	buf_fini(&out);
}

static void fill(struct buf *in, const char *head, size_t n, const char *tail)
{
	buf_clear(in);
	buf_str(in, head);
	for (size_t i = 0; i < n; i++)
		buf_byte(in, 'x');
	buf_str(in, tail);
}

/* A hostile folder name of any length: the list goes on behind it (I10), within a limit (I09). */
static void long_lines(void **state)
{
	struct buf in = BUF_INIT(32 << 20), out = BUF_INIT(1 << 20);
	const char *next = "\"\r\n* 1 EXISTS\r\n";

	fill(&in, "* LIST () \"/\" \"", IMAPC_LINE_MAX - 17, next);	/* with the quote and CR: just kept */
	assert_int_equal(run(buf_view(&in), 5000, 100, &out), 0);
	assert_non_null(strstr(buf_cstr(&out), "3 0 / xxx"));
	buf_clear(&out);
	fill(&in, "* LIST () \"/\" \"", IMAPC_LINE_MAX - 16, next);
	assert_int_equal(run(buf_view(&in), 5000, 100, &out), 0);
	assert_string_equal(buf_cstr(&out), "3! 0 - \n7 1 \n");
	buf_clear(&out);
	fill(&in, "* LIST () \"/\" {100000}\r\n", 100000, "\r\n* 1 EXISTS\r\n");
	assert_int_equal(run(buf_view(&in), 5000, 100, &out), 0);
	assert_string_equal(buf_cstr(&out), "3! 0 - \n7 1 \n");
	buf_clear(&out);
	fill(&in, "* LIST () \"/\" \"", IMAPC_DRAIN_MAX + IMAPC_LINE_MAX, "\"\r\n");
	assert_int_equal(run(buf_view(&in), 60000, 100, &out), ERR_TOO_BIG);
	/* what cannot be followed without what was cut ends it */
	fill(&in, "* LIST () \"/\" \"", IMAPC_LINE_MAX, " {3}\r\n");
	assert_int_equal(run(buf_view(&in), 5000, 100, &out), ERR_TOO_BIG);
	fill(&in, "* 1 FETCH (X \"", IMAPC_LINE_MAX, "\")\r\n");
	assert_int_equal(run(buf_view(&in), 5000, 100, &out), ERR_TOO_BIG);
	buf_fini(&in);
	buf_fini(&out);
}

static void words(void **state)
{
	uint64_t n = 5;

	assert_true(imapc_has_word(SLICE("IMAP4rev1  literal+ IDLE"), "LITERAL+"));
	assert_false(imapc_has_word(SLICE("IMAP4rev1 LITERAL+X"), "LITERAL+"));
	assert_int_equal(imapc_flag_bit(SLICE("\\draft")), 16);
	assert_int_equal(imapc_flag_bit(SLICE("\\Recent")), 0);
	assert_true(imapc_code_number(SLICE("UIDVALIDITY 7"), "UIDVALIDITY", UINT32_MAX, &n));
	assert_int_equal(n, 7);
	assert_false(imapc_code_number(SLICE("UIDVALIDITY 4294967296"), "UIDVALIDITY", UINT32_MAX, &n));
	assert_false(imapc_code_number(SLICE("UIDVALIDITY"), "UIDVALIDITY", UINT32_MAX, &n));
	assert_false(imapc_code_number(SLICE("UIDNEXT 7"), "UIDVALIDITY", UINT32_MAX, &n));
}

/* Whatever a name holds, it never becomes a second command (I07). */
static void strings(void **state)
{
	static const struct {
		struct slice in;
		bool plus;
		const char *want;
		int err;
	} cases[] = {
		{ SLICE("INBOX"), false, "x \"INBOX\"\r\n", 0 },
		{ SLICE(""), false, "x \"\"\r\n", 0 },
		{ SLICE("a\"b\\c {5+} %*"), false, "x \"a\\\"b\\\\c {5+} %*\"\r\n", 0 },
		{ SLICE("K\xc3\xbc"), false, "x {3}\r\nK\xc3\xbc\r\n", 0 },
		{ SLICE("\xf0\x9f\x93\xac"), true, "x {4+}\r\n\xf0\x9f\x93\xac\r\n", 0 },
		{ SLICE("a\r\nb DELETE INBOX"), false, "", ERR_INVALID },
		{ SLICE("a\rb"), true, "", ERR_INVALID },
		{ SLICE("a\nb"), true, "", ERR_INVALID },
		{ SLICE("a\0b"), true, "", ERR_INVALID },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct imapc_command c;
		imapc_command_init(&c, cases[i].plus);
		imapc_put(&c, "x ");
		imapc_put_string(&c, cases[i].in);
		assert_int_equal(imapc_command_end(&c), cases[i].err);
		if (!cases[i].err) {
			assert_string_equal(buf_cstr(&c.out), cases[i].want);
			assert_int_equal(c.n_stops, slice_find_byte(buf_view(&c.out), '{', 0) == 2 && !cases[i].plus);
		}
		imapc_command_fini(&c);
	}
}

static void sets(void **state)
{
	static const uint32_t uids[] = { 1, 2, 3, 7, 9, 10, UINT32_MAX };
	struct imapc_command c;

	imapc_command_init(&c, false);
	imapc_put_set(&c, uids, ARRAY_SIZE(uids));
	assert_int_equal(imapc_command_end(&c), 0);
	assert_string_equal(buf_cstr(&c.out), "1:3,7,9:10,4294967295\r\n");
	imapc_command_fini(&c);
}

static void plain(void **state)
{
	struct buf out = BUF_INIT(100);

	assert_int_equal(imapc_sasl_plain(&out, SLICE("joe"), SLICE("master"), SLICE("pw")), 0);
	assert_string_equal(buf_cstr(&out), "am9lAG1hc3RlcgBwdw==");
	assert_int_equal(imapc_sasl_plain(&out, SLICE("joe"), SLICE("m\0x"), SLICE("pw")), ERR_INVALID);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(responses), cmocka_unit_test(body_limit), cmocka_unit_test(long_lines),
		cmocka_unit_test(words),     cmocka_unit_test(strings),	   cmocka_unit_test(sets),
		cmocka_unit_test(plain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
