/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "proto/imap/reader.h"

/* What happened, in words, so that a run split anywhere can be compared with a whole one:
 * "C<text>" command, "+" continuation asked, "L<n>" a literal was offered, "D<bytes>" streamed, "R<reason>", "X". */
struct run {
	struct imap_reader r;
	struct buf log;
	bool stream;	/* literals of commands that hold "APPEND" are streamed */
	bool closed, in_data;
};

static void event(struct run *run, enum imap_read what)
{
	struct imap_reader *r = &run->r;
	if (what != IMAP_READ_DATA && what != IMAP_READ_MORE)
		run->in_data = false;
	switch (what) {
	case IMAP_READ_COMMAND:
		buf_printf(&run->log, "C<" SLICE_FMT ">", SLICE_ARG(buf_view(&r->text)));
		imap_reader_next(r);
		break;
	case IMAP_READ_LITERAL: {
		bool go;
		if (run->stream && slice_find(buf_view(&r->text), SLICE("APPEND"), 0) >= 0)
			go = imap_reader_stream(r);
		else
			go = imap_reader_take(r);
		if (go)
			buf_str(&run->log, "+");
		break;
	}
	case IMAP_READ_DATA:
		if (!run->in_data)
			buf_str(&run->log, "D");
		run->in_data = true;
		buf_slice(&run->log, r->data);
		break;
	case IMAP_READ_REFUSED:
		buf_printf(&run->log, "R<%s>", r->reason);
		imap_reader_next(r);
		break;
	case IMAP_READ_CLOSE:
		buf_printf(&run->log, "X<%s>", r->reason);
		run->closed = true;
		break;
	case IMAP_READ_MORE:
		break;
	}
}

static void feed(struct run *run, struct slice in)
{
	while (!run->closed) {
		size_t used;
		enum imap_read what = imap_reader_step(&run->r, in, &used);
		in = slice_sub(in, used, in.n);
		event(run, what);
		if (what == IMAP_READ_MORE && !in.n)
			return;
	}
}

/* piece 0: as a whole; else bytes at a time, each in a heap block of its own. */
static void run_pieces(struct slice in, const struct imap_limits *l, size_t piece, struct buf *out)
{
	struct run run = { .log = BUF_INIT(1 << 20), .stream = true };
	imap_reader_init(&run.r, l);
	for (size_t at = 0; at < in.n; at += piece ? piece : in.n) {
		size_t end = piece && at + piece < in.n ? at + piece : in.n;
		uint8_t *copy = malloc(end - at);
		memcpy(copy, in.p + at, end - at);
		feed(&run, slice_of(copy, end - at));
		free(copy);
	}
	buf_slice(out, buf_view(&run.log));
	buf_fini(&run.log);
	imap_reader_fini(&run.r);
}

static void expect(const char *in, const struct imap_limits *l, const char *want)
{
	struct slice s = slice_str(in);
	struct buf got = BUF_INIT(1 << 20);
	for (size_t piece = 0; piece <= s.n; piece++) {
		buf_clear(&got);
		run_pieces(s, l, piece, &got);
		assert_string_equal(buf_cstr(&got), want);
	}
	/* Two pieces, split at every byte. */
	for (size_t cut = 1; cut < s.n; cut++) {
		struct run run = { .log = BUF_INIT(1 << 20), .stream = true };
		imap_reader_init(&run.r, l);
		feed(&run, slice_sub(s, 0, cut));
		feed(&run, slice_sub(s, cut, s.n));
		assert_string_equal(buf_cstr(&run.log), want);
		buf_fini(&run.log);
		imap_reader_fini(&run.r);
	}
	buf_fini(&got);
}

static const struct imap_limits small = {
	.line = 60, .literal = 8, .literals = 12, .count = 3, .depth = 3, .skip = 100,
};

static void commands(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {
		{ "a NOOP\r\nb LOGOUT\r\n", "C<a NOOP>C<b LOGOUT>" },
		{ "a NOOP\n\r\n", "C<a NOOP>C<>" },
		{ "a X {3}\r\nabc\r\n", "+C<a X {3}\r\nabc>" },
		{ "a X {3}\nabc {0+}\r\n y\r\n", "+C<a X {3}\r\nabc {0+}\r\n y>" },
		{ "a X {3+}\r\n\r\n. z\r\n", "C<a X {3+}\r\n\r\n. z>" },
		{ "a X {x}\r\nb {}\r\nc 3}\r\n", "C<a X {x}>C<b {}>C<c 3}>" },
		{ "a X \"{3}\"\r\n", "C<a X \"{3}\">" },
		{ "a APPEND i {4}\r\na\r\nb\r\nb NOOP\r\n", "+Da\r\nbC<a APPEND i {4}\r\n>C<b NOOP>" },
		{ "a APPEND i {0+}\r\n\r\nb N\r\n", "C<a APPEND i {0+}\r\n>C<b N>" },
		/* A synchronising literal that is too long ends the command there. */
		{ "a X {9}\r\nb NOOP\r\n", "R<Literal too large>C<b NOOP>" },
		/* One that does not wait is read over to its last byte; nothing in it is a command. */
		{ "a X {12+}\r\nb DELETE I\r\n\r\nc N\r\n", "R<Literal too large>C<c N>" },
		{ "a X {9+}\r\n123456789 {10+}\r\nz NOOP\r\n12\r\nc N\r\n", "R<Literal too large>C<c N>" },
		{ "a X {9+}\r\n123456789 {10}\r\nc N\r\n", "R<Literal too large>C<c N>" },
		{ "a X {101+}\r\nb DELETE I\r\n", "X<Literal too large>" },
		{ "a X {99999999999999999999+}\r\nb\r\n", "X<Literal too large>" },
		{ "a X {99999999999999999999}\r\nb\r\n", "R<Literal too large>C<b>" },
		{ "a X {4294967296}\r\nb\r\n", "R<Literal too large>C<b>" },
		{ "a X {8+}\r\n12345678 {5+}\r\n12345\r\nb\r\n", "R<Literal too large>C<b>" },
		{ "a X {8+}\r\n12345678 {4+}\r\n1234\r\nb\r\n", "C<a X {8+}\r\n12345678 {4+}\r\n1234>C<b>" },
		{ "a {1+}\r\n1{1+}\r\n1{1+}\r\n1\r\nb\r\n", "C<a {1+}\r\n1{1+}\r\n1{1+}\r\n1>C<b>" },
		{ "a {1+}\r\n1{1+}\r\n1{1+}\r\n1{1+}\r\n1\r\nb\r\n", "R<Literal too large>C<b>" },
		{ "a (((\r\n", "C<a (((>" },
		{ "a ((((\r\nb\r\n", "R<Too many parentheses>C<b>" },
		{ "a ()()()()\r\nb\r\n", "C<a ()()()()>C<b>" },
		{ "a \"((((\"\r\nb\r\n", "C<a \"((((\">C<b>" },
		{ "a ((((  {3+}\r\nx\r\n y\r\nb\r\n", "R<Too many parentheses>C<b>" },
		{ "a X \"x {3+}\r\nabc\r\n", "X<Literal inside a quoted string>" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		expect(cases[i].in, &small, cases[i].want);
}

static void line_limits(void **state)
{
	static const struct imap_limits *const limits[] = { &imap_limits_login, &imap_limits_user };
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		for (int past = 0; past <= 1; past++) {
			/* The CR counts. */
			size_t n = limits[i]->line - 1 + (size_t)past;
			struct buf in = BUF_INIT(1 << 20), got = BUF_INIT(1 << 20);
			for (size_t k = 0; k < n; k++)
				buf_byte(&in, 'x');
			buf_str(&in, "\r\nb\r\n");
			run_pieces(buf_view(&in), limits[i], 0, &got);
			assert_int_equal(got.p[0], past ? 'R' : 'C');
			assert_true(slice_ends_ci(buf_view(&got), SLICE("C<b>")));
			buf_fini(&in);
			buf_fini(&got);
		}
	}
}

static void endless_line(void **state)
{
	static uint8_t x[1 << 16];
	memset(x, 'x', sizeof(x));
	struct run run = { .log = BUF_INIT(1 << 20) };
	imap_reader_init(&run.r, &imap_limits_login);
	for (int i = 0; i < 64 && !run.closed; i++) {
		feed(&run, slice_of(x, sizeof(x)));
		assert_true(run.r.text.cap <= 32768);
	}
	assert_true(run.closed);
	imap_reader_fini(&run.r);
	buf_fini(&run.log);
}

static void raw_lines(void **state)
{
	struct run run = { .log = BUF_INIT(1000) };
	imap_reader_init(&run.r, &small);
	run.r.raw_line = true;
	feed(&run, SLICE("AGEAYg== {3}\r\n"));
	assert_string_equal(buf_cstr(&run.log), "C<AGEAYg== {3}>");
	imap_reader_fini(&run.r);
	buf_fini(&run.log);
}

static void no_memory_between_commands(void **state)
{
	struct run run = { .log = BUF_INIT(1000) };
	imap_reader_init(&run.r, &imap_limits_user);
	feed(&run, SLICE("a LOGIN x {3}\r\nabc\r\n"));
	assert_null(run.r.text.p);
	imap_reader_fini(&run.r);
	buf_fini(&run.log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands), cmocka_unit_test(line_limits), cmocka_unit_test(endless_line),
		cmocka_unit_test(raw_lines), cmocka_unit_test(no_memory_between_commands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
