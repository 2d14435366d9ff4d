/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/codec.h"
#include "base/err.h"
#include "proto/mail/charset.h"
#include "proto/mail/date.h"
#include "proto/mail/decode.h"
#include "proto/mail/header.h"
#include "proto/mail/param.h"
#include "proto/mail/words.h"

static void fields(void **state)
{
	/* Written as name=unfolded value| and the start of the body. */
	static const struct {
		struct slice in;
		const char *out;
		size_t body;
	} cases[] = {
		{ SLICE(""), "", 0 },
		{ SLICE("\r\nbody"), "", 2 },
		{ SLICE("\nbody"), "", 1 },
		{ SLICE("A: b\r\n\r\nx"), "A=b|", 8 },
		{ SLICE("A: b\n\nx"), "A=b|", 6 },
		{ SLICE("A: b"), "A=b|", 4 },
		{ SLICE("A:b\r\n c\r\n\td\r\nE :f\r\n\r\n"), "A=b c d|E=f|", 21 },
		{ SLICE("A: b\r\n \r\n c\r\n\r\n"), "A=b  c|", 15 },
		{ SLICE("no colon\r\nA: b\r\n\r\n"), "=no colon|A=b|", 18 },
		{ SLICE(": b\r\n"), "=b|", 5 },
		{ SLICE(" starts blank: x\r\nA: b\r\n"), " starts blank=x|A=b|", 24 },
		{ SLICE("A: b\rC: d\r\n\r\n"), "A=b\rC: d|", 13 },
		{ SLICE("A:\r\n\r\n"), "A=|", 6 },
		{ SLICE("A: a:b\r\n\r\n"), "A=a:b|", 10 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena *arena = arena_new();
		struct buf out = BUF_INIT(1000), again = BUF_INIT(1000);
		struct header_scan h = header_scan_of(cases[i].in);
		struct header_field f;
		size_t whole = 0;
		while (header_next(&h, &f) > 0) {
			struct slice value = header_unfold(f.value, 500, arena);
			header_unfold_to(f.value, &again);
			assert_true(slice_eq(value, buf_view(&again)));
			buf_clear(&again);
			buf_slice(&out, f.name);
			buf_byte(&out, '=');
			buf_slice(&out, value);
			buf_byte(&out, '|');
			whole += f.whole.n;
		}
		assert_string_equal(buf_cstr(&out), cases[i].out);
		assert_int_equal(h.at, cases[i].body);
		assert_int_equal(header_length(cases[i].in), cases[i].body);
		assert_true(whole <= h.at);
		buf_fini(&out);
		buf_fini(&again);
		arena_free(&arena);
	}
}

static void find_and_cut(void **state)
{
	struct arena *arena = arena_new();
	struct header_field f;
	struct slice in = SLICE("A: 1\r\nsubject: one\r\n two\r\nSUBJECT: three\r\n\r\nSubject: body");
	assert_true(header_find(in, SLICE("Subject"), &f));
	assert_true(slice_eq(header_unfold(f.value, 7, arena), SLICE("one two")));
	assert_true(slice_eq(header_unfold(f.value, 6, arena), SLICE("one tw")));
	assert_false(header_find(in, SLICE("B"), &f));
	arena_free(&arena);
}

static void dates(void **state)
{
	static const struct {
		const char *in;
		int err;
		int64_t s;
		int zone;
	} cases[] = {
		{ "Thu, 01 Jan 1970 00:00:00 +0000", 0, 0, 0 },
		{ "Sat, 21 Nov 2026 10:00:00 +0100 (CET)", 0, 1795251600, 60 },
		{ "21 Nov 2026 10:00 +0100", 0, 1795251600, 60 },
		{ "Sat,21 Nov 26 04:00:00 EST", 0, 1795251600, -300 },
		{ "Sat, 21-Nov-2026 09:00:00 GMT", 0, 1795251600, 0 },
		{ "21 November 2026 09:00:00", 0, 1795251600, 0 },
		{ "(a (b) \\)) Sat (x), 21 (y) Nov 2026 09:00:00 Z", 0, 1795251600, 0 },
		{ "Fri, 31 Dec 99 23:59:60 -0000", 0, 946684800, 0 },
		{ "29 Feb 2000 0:0:0 +0000", 0, 951782400, 0 },
		{ "1 Jan 100 00:00:00 +0000", 0, 946684800, 0 },
		{ "29 Feb 1900 00:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "31 Apr 2026 00:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "0 Apr 2026 00:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "1 Foo 2026 00:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "1 Apr 2026 24:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "1 Apr 2026 00:60:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "1 Apr 2026 00:00:61 +0000", ERR_SYNTAX, 0, 0 },
		{ "1 Apr 2026 00:00:00 +00", ERR_SYNTAX, 0, 0 },
		{ "1 Apr 0 00:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "", ERR_SYNTAX, 0, 0 },
		{ "(", ERR_SYNTAX, 0, 0 },
		{ "(\\", ERR_SYNTAX, 0, 0 },
		{ "Sat", ERR_SYNTAX, 0, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mail_date d = { 7, 7 };
		int err = mail_date_parse(slice_str(cases[i].in), &d);
		if (err != cases[i].err || (err == 0 && (d.ms != cases[i].s * 1000 || d.zone_minutes != cases[i].zone)))
			fail_msg("%s: %d %lld", cases[i].in, err, (long long)d.ms);
	}
}

static void date_round_trips(void **state)
{
	struct buf out = BUF_INIT(100);
	for (int64_t day = civil_days(1, 1, 1); day < civil_days(9999, 12, 31); day += 97) {
		int y, m, d;
		int64_t ms = day * 86400000 + 12345000;
		struct mail_date back;
		civil_of_days(day, &y, &m, &d);
		assert_int_equal(civil_days(y, m, d), day);
		imap_date_time_format(&out, ms, -90);
		if (y > 1) {
			assert_int_equal(imap_date_time_parse(buf_view(&out), &back), 0);
			assert_int_equal(back.ms, ms);
			assert_int_equal(back.zone_minutes, -90);
		}
		buf_clear(&out);
		mail_date_format(&out, ms, 60);
		if (y >= 1000) {
			assert_int_equal(mail_date_parse(buf_view(&out), &back), 0);
			assert_int_equal(back.ms, ms);
		}
		buf_clear(&out);
	}
	buf_fini(&out);
}

static void imap_dates(void **state)
{
	static const struct {
		const char *in;
		int err;
		int64_t s;
	} cases[] = {
		{ "21-Nov-2026 10:00:00 +0100", 0, 1795251600 },
		{ " 1-Nov-2026 10:00:00 +0100", 0, 1793523600 },
		{ "01-nov-2026 10:00:00 +0100", 0, 1793523600 },
		{ "21-Nov-2026 10:00:00", ERR_SYNTAX, 0 },
		{ "21-Nov-2026 10:00:00 CET", ERR_SYNTAX, 0 },
		{ "21-Nov-2026 10:00:00 +0100 ", ERR_SYNTAX, 0 },
		{ "21-November-2026 10:00:00 +0100", ERR_SYNTAX, 0 },
		{ "21-Nov-26 10:00:00 +0100", ERR_SYNTAX, 0 },
		{ "32-Nov-2026 10:00:00 +0100", ERR_SYNTAX, 0 },
		{ "21-Nov-2026 1:00:00 +0100", ERR_SYNTAX, 0 },
		{ "21-Nov-2026 10:00 +0100", ERR_SYNTAX, 0 },
		{ "", ERR_SYNTAX, 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mail_date d = { 7, 7 };
		assert_int_equal(imap_date_time_parse(slice_str(cases[i].in), &d), cases[i].err);
		assert_int_equal(d.ms, cases[i].err ? 7 : cases[i].s * 1000);
	}
	int64_t days = 0;
	assert_int_equal(imap_date_parse(SLICE("1-Feb-1994"), &days), 0);
	assert_int_equal(days, 8797);
	assert_int_equal(imap_date_parse(SLICE("31-Feb-1994"), &days), ERR_SYNTAX);
	assert_int_equal(imap_date_parse(SLICE("1-Feb-1994 "), &days), ERR_SYNTAX);
}

static void check_decode(enum transfer how, struct slice in, struct slice want, size_t step)
{
	struct buf out = BUF_INIT(in.n + 1);
	struct decoder d = decoder_of(how);
	for (size_t at = 0; at < in.n; at += step)
		decoder_feed(&d, slice_sub(in, at, at + step), &out);
	decoder_end(&d, &out);
	if (!slice_eq(buf_view(&out), want))
		fail_msg("step %zu: " SLICE_FMT " -> " SLICE_FMT, step, SLICE_ARG(in), SLICE_ARG(buf_view(&out)));
	buf_fini(&out);
}

static void decoders(void **state)
{
	static const struct {
		enum transfer how;
		struct slice in, out;
	} cases[] = {
		{ TRANSFER_BASE64, SLICE("aGVsbG8="), SLICE("hello") },
		{ TRANSFER_BASE64, SLICE("aGVs\r\nbG8="), SLICE("hello") },
		{ TRANSFER_BASE64, SLICE("a G!V\0s*bG8"), SLICE("hello") },
		{ TRANSFER_BASE64, SLICE("aGVsbG8=aGVsbG8="), SLICE("hellohello") },
		{ TRANSFER_BASE64, SLICE("aA==aA=="), SLICE("hh") },
		{ TRANSFER_BASE64, SLICE("a"), SLICE("") },
		{ TRANSFER_BASE64, SLICE("===="), SLICE("") },
		{ TRANSFER_BASE64, SLICE("/+8="), SLICE("\xff\xef") },
		{ TRANSFER_QP, SLICE("a=3Db"), SLICE("a=b") },
		{ TRANSFER_QP, SLICE("a=3db=E4"), SLICE("a=b\xe4") },
		{ TRANSFER_QP, SLICE("one=\r\ntwo"), SLICE("onetwo") },
		{ TRANSFER_QP, SLICE("one= \t \r\ntwo"), SLICE("onetwo") },
		{ TRANSFER_QP, SLICE("one=\ntwo"), SLICE("onetwo") },
		{ TRANSFER_QP, SLICE("blanks \t \r\ngo"), SLICE("blanks\r\ngo") },
		{ TRANSFER_QP, SLICE("blanks \ngo"), SLICE("blanks\ngo") },
		{ TRANSFER_QP, SLICE("kept  here"), SLICE("kept  here") },
		{ TRANSFER_QP, SLICE("bad =XY =4 =\xe4"), SLICE("bad =XY =4 =\xe4") },
		{ TRANSFER_QP, SLICE("==41"), SLICE("=A") },
		{ TRANSFER_QP, SLICE("=4=41"), SLICE("=4A") },
		{ TRANSFER_QP, SLICE("end="), SLICE("end") },
		{ TRANSFER_QP, SLICE("end=4"), SLICE("end=4") },
		{ TRANSFER_QP, SLICE("= x"), SLICE("= x") },
		{ TRANSFER_QP, SLICE("a\rb"), SLICE("a\rb") },
		{ TRANSFER_IDENTITY, SLICE("as =3D is\0"), SLICE("as =3D is\0") },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		for (size_t step = 1; step <= cases[i].in.n; step++)
			check_decode(cases[i].how, cases[i].in, cases[i].out, step);
	}
	assert_int_equal(transfer_by_name(SLICE(" Base64 ")), TRANSFER_BASE64);
	assert_int_equal(transfer_by_name(SLICE("")), TRANSFER_IDENTITY);
	assert_int_equal(transfer_by_name(SLICE("x-uuencode")), TRANSFER_UNKNOWN);
}

static void long_blanks(void **state)
{
	/* More blanks than the decoder holds back: nothing is lost, nothing grows. */
	char in[3 * DECODER_HOLD_MAX];
	memset(in, ' ', sizeof(in));
	in[sizeof(in) - 1] = 'x';
	check_decode(TRANSFER_QP, slice_of(in, sizeof(in)), slice_of(in, sizeof(in)), 7);
}

static void encoded_words(void **state)
{
	static const struct {
		struct slice in;
		const char *out;
	} cases[] = {
		{ SLICE("plain"), "plain" },
		{ SLICE("=?utf-8?Q?caf=C3=A9?="), "caf\xc3\xa9" },
		{ SLICE("=?ISO-8859-1?q?a_b=E4?= c"), "a b\xc3\xa4 c" },
		{ SLICE("=?utf-8?B?w6Q=?="), "\xc3\xa4" },
		{ SLICE("=?utf-8?B?w6Q?="), "\xc3\xa4" },
		{ SLICE("=?utf-8*de?Q?x?="), "x" },
		{ SLICE("=?utf-8?Q?a?= =?utf-8?Q?b?="), "ab" },
		{ SLICE("=?utf-8?Q?a?=\r\n =?iso-8859-1?Q?b?= c"), "ab c" },
		{ SLICE("=?utf-8?Q?=C3?= =?utf-8?Q?=A4?="), "\xc3\xa4" },
		{ SLICE("=?utf-8?B?w6?= =?utf-8?Q?x?= y"), "\xc3\xa3x y" },
		{ SLICE("x =?utf-8?Q?a?= y"), "x a y" },
		{ SLICE("=?koi8-r?B?8NLJ18XU?="), "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82" },
		{ SLICE("=?iso-2022-jp?B?GyRCJDMbKEI=?="), "\xe3\x81\x93" },
		{ SLICE("=?nonsense?Q?=E4?="), "\xc3\xa4" },
		{ SLICE("=?utf-8?X?a?="), "=?utf-8?X?a?=" },
		{ SLICE("=?utf-8?Q?a"), "=?utf-8?Q?a" },
		{ SLICE("=?utf-8?Q"), "=?utf-8?Q" },
		{ SLICE("=?"), "=?" },
		{ SLICE("=?=?=?"), "=?=?=?" },
		{ SLICE("=?utf-8?Q?" "?="), "" },
		{ SLICE("raw \xe4 and \xc3\xa4"), "raw \xc3\xa4 and \xc3\x83\xc2\xa4" },
		{ SLICE("a\0b"), "ab" },
		{ SLICE("=?us-ascii?Q?a=00b?="), "ab" },
	};
	charset_preload();
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(1000);
		words_decode(cases[i].in, &out);
		if (i != 9)
			assert_string_equal(buf_cstr(&out), cases[i].out);
		assert_true(utf8_valid(buf_view(&out)));
		buf_fini(&out);
	}
}

static void charsets(void **state)
{
	struct buf out = BUF_INIT(100);
	assert_true(charset_preload() > 20);
	assert_true(charset_to_utf8(SLICE("windows-1252"), SLICE("\x80\x93"), &out));
	assert_string_equal(buf_cstr(&out), "\xe2\x82\xac\xe2\x80\x9c");
	buf_clear(&out);
	assert_true(charset_to_utf8(SLICE("UTF-8"), SLICE("a\xff\xc3"), &out));
	assert_string_equal(buf_cstr(&out), "a\xef\xbf\xbd\xef\xbf\xbd");
	buf_clear(&out);
	assert_false(charset_to_utf8(SLICE("x-klingon"), SLICE("\xe4"), &out));
	assert_string_equal(buf_cstr(&out), "\xc3\xa4");
	buf_clear(&out);
	assert_true(charset_to_utf8(SLICE("gb2312"), SLICE("\xc4\xe3\xff"), &out));
	assert_string_equal(buf_cstr(&out), "\xe4\xbd\xa0\xef\xbf\xbd");
	assert_true(charset_known(SLICE("Shift_JIS")));
	assert_false(charset_known(SLICE("/etc/passwd")));
	buf_fini(&out);
}

static void params(void **state)
{
	/* type/subtype;name=value;... as they come out; a ? in front where the value is no type */
	static const struct {
		struct slice in;
		const char *out;
	} cases[] = {
		{ SLICE("text/plain"), "text/plain" },
		{ SLICE("Text / Plain (c) ; (d) charset = \"us-ascii\" (e)"), "Text/Plain;charset=us-ascii" },
		{ SLICE("a/b; x=\"a\\\"b;c\"; y=1"), "a/b;x=a\"b;c;y=1" },
		{ SLICE("a/b; x=\"never ends"), "a/b;x=never ends" },
		{ SLICE("a/b; x=\"ends\\"), "a/b;x=ends\\" },
		{ SLICE("a/b;; x=1;"), "a/b;x=1" },
		{ SLICE("a/b x=1 y=2"), "a/b;x=1;y=2" },
		{ SLICE("a/b; x"), "a/b" },
		{ SLICE("a/b; x=; y=1"), "a/b;x=;y=1" },
		{ SLICE("a/b; x=a/b@c?"), "a/b;x=a/b@c?" },
		{ SLICE("a/b; n*0=x; n*1=y"), "a/b;n=xy" },
		{ SLICE("a/b; n*1=y; m=1; n*0=x"), "a/b;n=xy;m=1" },
		{ SLICE("a/b; n*1=y"), "a/b;n*1=y" },
		{ SLICE("a/b; n*0=x; n*2=z"), "a/b;n=x;n*2=z" },
		{ SLICE("a/b; n*0*=utf-8''%C3; n*1*=%A4; n*2=\" z\""), "a/b;n*=utf-8''%C3%A4%20z" },
		{ SLICE("a/b; n*=utf-8''%C3%A4"), "a/b;n*=utf-8''%C3%A4" },
		{ SLICE("a"), "?" },
		{ SLICE("a/"), "?" },
		{ SLICE("/b; x=1"), "?;x=1" },
		{ SLICE(""), "?" },
		{ SLICE("a/b; x=\"1\r\n 2\""), "a/b;x=1 2" },
		{ SLICE("(((((("), "?" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena *arena = arena_new();
		struct buf out = BUF_INIT(1000);
		struct param_list l;
		if (param_parse(cases[i].in, true, arena, &l))
			buf_printf(&out, SLICE_FMT "/" SLICE_FMT, SLICE_ARG(l.type), SLICE_ARG(l.subtype));
		else
			buf_byte(&out, '?');
		for (size_t k = 0; k < l.n; k++)
			buf_printf(&out, ";" SLICE_FMT "=" SLICE_FMT, SLICE_ARG(l.params[k].name),
				   SLICE_ARG(l.params[k].value));
		assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_fini(&out);
		arena_free(&arena);
	}
}

static void param_texts(void **state)
{
	static const struct {
		struct slice in;
		const char *out;
	} cases[] = {
		{ SLICE("a; filename=plain.txt"), "plain.txt" },
		{ SLICE("a; FileName*=utf-8'de'%C3%A4.txt"), "\xc3\xa4.txt" },
		{ SLICE("a; filename*0*=iso-8859-1''%e4; filename*1=.txt"), "\xc3\xa4.txt" },
		{ SLICE("a; filename=\"=?utf-8?Q?=C3=A4?=.txt\""), "\xc3\xa4.txt" },
		{ SLICE("a; filename*=%41%4"), "A%4" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena *arena = arena_new();
		struct buf out = BUF_INIT(1000);
		struct param_list l;
		assert_true(param_parse(cases[i].in, false, arena, &l));
		const struct param *p = param_find(&l, SLICE("filename"));
		assert_non_null(p);
		param_text(p, &out);
		assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_fini(&out);
		arena_free(&arena);
	}
}

static void param_limit(void **state)
{
	for (int n = PARAM_PIECES_MAX; n <= PARAM_PIECES_MAX + 1; n++) {
		struct arena *arena = arena_new();
		struct buf in = BUF_INIT(100000);
		struct param_list l;
		buf_str(&in, "a/b");
		for (int i = 0; i < n; i++)
			buf_printf(&in, "; p%d=%d", i, i);
		assert_true(param_parse(buf_view(&in), true, arena, &l));
		assert_int_equal(l.n, PARAM_PIECES_MAX);
		assert_int_equal(l.limited, n > PARAM_PIECES_MAX);
		buf_fini(&in);
		arena_free(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields), cmocka_unit_test(find_and_cut), cmocka_unit_test(dates),
		cmocka_unit_test(date_round_trips), cmocka_unit_test(imap_dates), cmocka_unit_test(decoders),
		cmocka_unit_test(long_blanks), cmocka_unit_test(encoded_words), cmocka_unit_test(charsets),
		cmocka_unit_test(params), cmocka_unit_test(param_texts), cmocka_unit_test(param_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
