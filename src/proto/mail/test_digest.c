/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/resource.h>

#include "base/err.h"
#include "proto/imap/render.h"
#include "proto/mail/charset.h"
#include "proto/mail/digest.h"

static struct slice of(ProtobufCBinaryData d)
{
	return slice_of(d.data, d.len);
}

/* "mixed[text/plain "body" message/rfc822[text/html ...]]"; opaque parts get a "!". */
static void show_part(const Postern__Digest *d, struct slice in, uint32_t i, struct buf *out)
{
	const Postern__DigestPart *p = d->parts[i];
	buf_printf(out, SLICE_FMT "/" SLICE_FMT "%s", SLICE_ARG(of(p->type)), SLICE_ARG(of(p->subtype)),
		   p->flags & DIGEST_PART_OPAQUE ? "!" : "");
	bool inner = false;
	for (uint32_t k = i + 1; k < d->n_parts; k++) {
		if (d->parts[k]->parent != i)
			continue;
		buf_byte(out, inner ? ' ' : '[');
		inner = true;
		show_part(d, in, k, out);
	}
	if (inner)
		buf_byte(out, ']');
	else
		buf_printf(out, "(" SLICE_FMT ")", SLICE_ARG(slice_sub(in, p->body_start, p->body_end)));
}

struct structure_case {
	struct slice in;
	const char *out;
};

#define MIXED(b) "Content-Type: multipart/mixed; boundary=\"" b "\"\n\n"

static const struct structure_case structures[] = {
	{ SLICE(""), "text/plain()" },
	{ SLICE("\n"), "text/plain()" },
	{ SLICE("A: b"), "text/plain()" },
	{ SLICE("A: b\n\nbody\n"), "text/plain(body\n)" },
	{ SLICE("A: b\r\n\r\nbody\r\n"), "text/plain(body\r\n)" },
	{ SLICE("Content-Type: IMAGE/Gif\n\nx"), "image/gif(x)" },
	{ SLICE("Content-Type: nonsense\n\nx"), "text/plain(x)" },
	{ SLICE(MIXED("b") "--b\n\n1\n--b\n\n2\n--b--\nepi"), "multipart/mixed[text/plain(1) text/plain(2)]" },
	{ SLICE(MIXED("b") "pre\n--b\n\n1\n\n--b--\n"), "multipart/mixed[text/plain(1\n)]" },
	{ SLICE(MIXED("b") "--b\n\nno end"), "multipart/mixed[text/plain(no end)]" },
	{ SLICE(MIXED("b") "--b\n\n--b--\n"), "multipart/mixed[text/plain()]" },
	{ SLICE(MIXED("b") "--b\n--b\nA: b\n--b--"), "multipart/mixed[text/plain() text/plain()]" },
	{ SLICE(MIXED("b") "--b--\n--b\n\nx"), "multipart/mixed(--b--\n--b\n\nx)" },
	{ SLICE(MIXED("b") "--b\n\n1\n--b--\n--b\n\n2"), "multipart/mixed[text/plain(1)]" },
	{ SLICE(MIXED("b") "--b \t\n\n1\n--b-- \n"), "multipart/mixed[text/plain(1)]" },
	{ SLICE(MIXED("b") "--\n-\n--x\n--b\n\n1\n --b\n--B\n"), "multipart/mixed[text/plain(1\n --b\n--B\n)]" },
	{ SLICE(MIXED("b") "--b\n" MIXED("bb") "--bb\n\n1\n--bb\n\n2\n--bb--\n--b\n\n3\n--b--\n"),
	  "multipart/mixed[multipart/mixed[text/plain(1) text/plain(2)] text/plain(3)]" },
	{ SLICE(MIXED("bb") "--bb\n" MIXED("b") "--b\n\n1\n--bb\n\n2\n--bb--\n"),
	  "multipart/mixed[multipart/mixed[text/plain(1)] text/plain(2)]" },
	{ SLICE(MIXED("b") "--b\n" MIXED("c") "--c\n\n1\n--b\n\n2\n--c\n\n3\n--b--"),
	  "multipart/mixed[multipart/mixed[text/plain(1)] text/plain(2\n--c\n\n3)]" },
	{ SLICE(MIXED("b") "--b\nContent-Type: message/rfc822\n\nSubject: x\n\nin\n--b--\n"),
	  "multipart/mixed[message/rfc822[text/plain(in)]]" },
	{ SLICE(MIXED("b") "--b\nContent-Type: message/rfc822\n--b--\n"),
	  "multipart/mixed[message/rfc822[text/plain()]]" },
	{ SLICE("Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nA: b\n\nx"),
	  "message/rfc822[message/rfc822[text/plain(x)]]" },
	{ SLICE("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQQ==\n"),
	  "message/rfc822!(QQ==\n)" },
	{ SLICE("Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\nx\n--b\nContent-Type: a/b\n\ny\n--b--"),
	  "multipart/digest[message/rfc822[text/plain(x)] a/b(y)]" },
	{ SLICE("Content-Type: multipart/mixed\n\n--b\n\nx"), "multipart/mixed(--b\n\nx)" },
	{ SLICE("Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx"), "multipart/mixed(--\n\nx)" },
	{ SLICE("Content-Type: multipart/mixed; boundary*0=a; boundary*1=b\n\n--ab\n\nx\n--ab--"),
	  "multipart/mixed[text/plain(x)]" },
	{ SLICE("Content-Type: text/html\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nx"),
	  "text/html(--b\n\nx)" },
};

static void structure(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(structures); i++) {
		struct arena *arena = arena_new();
		struct buf out = BUF_INIT(2000);
		Postern__Digest *d = digest_make(arena, structures[i].in);
		show_part(d, structures[i].in, 0, &out);
		if (strcmp(buf_cstr(&out), structures[i].out) != 0)
			fail_msg("case %zu: %s, not %s", i, buf_cstr(&out), structures[i].out);
		buf_fini(&out);
		arena_free(&arena);
	}
}

static void facts(void **state)
{
	struct slice in = SLICE("Received: a\nReceived: b\nFrom: Joe <joe@EX\xc3\x84MPLE.test>\nSubject: one\nSubject: two\n"
				"Date: Thu, 01 Jan 1970 00:00:01 +0000\nMessage-ID: <1@x>\nReferences: <a@x> junk <b@x>\n"
				"In-Reply-To: <b@x>\nAuto-Submitted: Auto-Replied\nList-Id: <l.x>\n"
				"Content-Type: text/html; charset=iso-8859-1\n"
				"Content-Transfer-Encoding: quoted-printable\n\n"
				"<style>no</style><p>caf=E9 &amp;\n&#8364; <b>x</b>");
	struct arena *arena = arena_new();
	Postern__Digest *d = digest_make(arena, in);
	assert_int_equal(d->received_count, 2);
	assert_int_equal(d->date_ms, 1000);
	assert_true(slice_eq(of(d->envelope->subject), SLICE("two")));
	assert_true(slice_eq(of(d->from_domain), SLICE("xn--exmple-cua.test")));
	assert_true(slice_eq(of(d->auto_submitted), SLICE("auto-replied")));
	assert_true(slice_eq(of(d->list_id), SLICE("<l.x>")));
	assert_int_equal(d->n_references, 3);
	assert_true(slice_eq(of(d->references[0]), SLICE("<a@x>")));
	assert_int_equal(d->flags, DIGEST_HEADER_8BIT | DIGEST_BARE_CR_LF);
	assert_true(slice_eq(of(d->text), SLICE("caf\xc3\xa9 & \xe2\x82\xac x")));
	arena_free(&arena);
}

static void bare_line_ends(void **state)
{
	static const struct {
		struct slice in;
		bool bare;
	} cases[] = {
		{ SLICE("A: b\r\n\r\nc\r\n"), false },
		{ SLICE("A: b\r\n\r\nc"), false },
		{ SLICE("A: b\r\n\r\nc\n"), true },
		{ SLICE("A: b\r\n\r\nc\rd\r\n"), true },
		{ SLICE("A: b\r\n\r\nc\r"), true },
		{ SLICE("A: b\r\n\r\nc\r\r\n"), true },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena *arena = arena_new();
		Postern__Digest *d = digest_make(arena, cases[i].in);
		assert_int_equal((d->flags & DIGEST_BARE_CR_LF) != 0, cases[i].bare);
		arena_free(&arena);
	}
}

static void references_cap(void **state)
{
	struct buf in = BUF_INIT(10000);
	struct arena *arena = arena_new();
	buf_str(&in, "References:");
	for (int i = 0; i < 250; i++)
		buf_printf(&in, " <%d@x>", i);
	Postern__Digest *d = digest_make(arena, buf_view(&in));
	assert_int_equal(d->n_references, DIGEST_REFERENCES_MAX);
	assert_true(slice_eq(of(d->references[0]), SLICE("<0@x>")));
	assert_true(slice_eq(of(d->references[1]), SLICE("<151@x>")));
	assert_true(slice_eq(of(d->references[99]), SLICE("<249@x>")));
	arena_free(&arena);
	buf_fini(&in);
}

/* RFC 3501 6.4.5's example, as sections -> first bytes of what they name. */
static const char example[] =
	"Subject: top\n" MIXED("o")
	"--o\n\nONE\n"
	"--o\nContent-Type: application/octet-stream\n\nTWO\n"
	"--o\nContent-Type: message/rfc822\n\nSubject: in3\n" MIXED("i")
	"--i\n\nTHREE-ONE\n--i\nContent-Type: a/b\n\nTHREE-TWO\n--i--\n\n"
	"--o\n" MIXED("j")
	"--j\nContent-Type: image/gif\n\nFOUR-ONE\n"
	"--j\nContent-Type: message/rfc822\n\nSubject: in42\n\nFOUR-TWO\n--j--\n\n--o--\n";

static void sections(void **state)
{
	static const struct {
		uint32_t path[4];
		size_t n;
		enum digest_kind kind;
		const char *text;	/* how it begins; NULL: there is no such section */
	} cases[] = {
		{ { 0 }, 0, DIGEST_WHOLE, "Subject: top" },
		{ { 0 }, 0, DIGEST_HEADER, "Subject: top" },
		{ { 0 }, 0, DIGEST_TEXT, "--o\n\nONE" },
		{ { 0 }, 0, DIGEST_MIME, NULL },
		{ { 1 }, 1, DIGEST_WHOLE, "ONE" },
		{ { 1 }, 1, DIGEST_MIME, "\n" },
		{ { 1 }, 1, DIGEST_HEADER, NULL },
		{ { 1 }, 1, DIGEST_TEXT, NULL },
		{ { 1, 1 }, 2, DIGEST_WHOLE, NULL },
		{ { 2 }, 1, DIGEST_WHOLE, "TWO" },
		{ { 2 }, 1, DIGEST_MIME, "Content-Type: application/octet-stream\n\n" },
		{ { 3 }, 1, DIGEST_WHOLE, "Subject: in3\n" },
		{ { 3 }, 1, DIGEST_HEADER, "Subject: in3\n" },
		{ { 3 }, 1, DIGEST_TEXT, "--i\n\nTHREE-ONE" },
		{ { 3 }, 1, DIGEST_MIME, "Content-Type: message/rfc822\n\n" },
		{ { 3, 1 }, 2, DIGEST_WHOLE, "THREE-ONE" },
		{ { 3, 2 }, 2, DIGEST_WHOLE, "THREE-TWO" },
		{ { 3, 2 }, 2, DIGEST_MIME, "Content-Type: a/b\n\n" },
		{ { 3, 3 }, 2, DIGEST_WHOLE, NULL },
		{ { 4 }, 1, DIGEST_WHOLE, "--j\nContent-Type: image/gif" },
		{ { 4 }, 1, DIGEST_MIME, "Content-Type: multipart/mixed" },
		{ { 4 }, 1, DIGEST_TEXT, NULL },
		{ { 4, 1 }, 2, DIGEST_WHOLE, "FOUR-ONE" },
		{ { 4, 2 }, 2, DIGEST_WHOLE, "Subject: in42" },
		{ { 4, 2 }, 2, DIGEST_HEADER, "Subject: in42\n\n" },
		{ { 4, 2 }, 2, DIGEST_TEXT, "FOUR-TWO" },
		{ { 4, 2, 1 }, 3, DIGEST_WHOLE, "FOUR-TWO" },
		{ { 4, 2, 1 }, 3, DIGEST_MIME, "Subject: in42\n\n" },
		{ { 4, 2, 2 }, 3, DIGEST_WHOLE, NULL },
		{ { 4, 2, 1, 1 }, 4, DIGEST_WHOLE, NULL },
		{ { 5 }, 1, DIGEST_WHOLE, NULL },
		{ { 0 }, 1, DIGEST_WHOLE, NULL },
		{ { UINT32_MAX }, 1, DIGEST_WHOLE, NULL },
	};
	struct arena *arena = arena_new();
	struct slice in = slice_str(example);
	Postern__Digest *d = digest_make(arena, in);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct digest_range r = { 0 };
		int err = digest_section(d, cases[i].path, cases[i].n, cases[i].kind, &r);
		struct slice got = slice_sub(in, r.offset, r.offset + r.length);
		if (err != (cases[i].text ? 0 : ERR_NOT_FOUND) ||
		    (err == 0 && !slice_starts(got, slice_str(cases[i].text))))
			fail_msg("case %zu: %d " SLICE_FMT, i, err, SLICE_ARG(got));
	}
	assert_true(slice_eq(of(digest_part(d, (uint32_t[]){ 4, 1 }, 2)->type), SLICE("image")));
	arena_free(&arena);
}

static void single_part_sections(void **state)
{
	struct arena *arena = arena_new();
	struct slice in = SLICE("A: b\n\nbody");
	Postern__Digest *d = digest_make(arena, in);
	struct digest_range r;
	uint32_t one[] = { 1, 1 };
	assert_int_equal(digest_section(d, one, 1, DIGEST_WHOLE, &r), 0);
	assert_true(r.offset == 6 && r.length == 4);
	assert_int_equal(digest_section(d, one, 1, DIGEST_MIME, &r), 0);
	assert_true(r.offset == 0 && r.length == 6);
	assert_int_equal(digest_section(d, one, 2, DIGEST_WHOLE, &r), ERR_NOT_FOUND);
	assert_int_equal(digest_section(d, one, 1, DIGEST_HEADER, &r), ERR_NOT_FOUND);
	arena_free(&arena);
}

static void unpacking(void **state)
{
	struct arena *arena = arena_new();
	Postern__Digest *d = digest_make(arena, slice_str(example)), *back = NULL;
	uint8_t packed[4096];
	assert_true(postern__digest__get_packed_size(d) < sizeof(packed));
	size_t n = postern__digest__pack(d, packed);
	assert_int_equal(digest_unpack(slice_of(packed, n), &back), 0);
	postern__digest__free_unpacked(back, NULL);
	d->parts[2]->body_end = d->size + 1;
	n = postern__digest__pack(d, packed);
	assert_int_equal(digest_unpack(slice_of(packed, n), &back), ERR_CORRUPT);
	d->parts[2]->body_end = d->parts[2]->body_start;
	d->parts[2]->parent = 2;
	n = postern__digest__pack(d, packed);
	assert_int_equal(digest_unpack(slice_of(packed, n), &back), ERR_CORRUPT);
	assert_int_equal(digest_unpack(slice_of(packed, 3), &back), ERR_CORRUPT);
	arena_free(&arena);
}

static long peak_kib(void)
{
	struct rusage ru;
	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_maxrss;
}

/* Digests, packs, renders; the caller looks at the digest. */
static Postern__Digest *survive(struct arena *arena, struct buf *in)
{
	struct buf out = BUF_INIT(4 << 20);
	assert_true(buf_ok(in));
	Postern__Digest *d = digest_make(arena, buf_view(in)), *back = NULL;
	size_t n = postern__digest__get_packed_size(d);
	assert_true(n <= DIGEST_MAX);
	uint8_t *packed = arena_alloc(arena, n);
	postern__digest__pack(d, packed);
	assert_int_equal(digest_unpack(slice_of(packed, n), &back), 0);
	imap_render_envelope(&out, back->envelope, false);
	imap_render_bodystructure(&out, back, true);
	assert_true(buf_ok(&out));
	postern__digest__free_unpacked(back, NULL);
	buf_fini(&out);
	return d;
}

enum bomb {
	BOMB_HEADER_10MB, BOMB_HEADERS, BOMB_ADDRESSES, BOMB_TO_FIELDS, BOMB_GROUPS, BOMB_PARAMS, BOMB_PARTS,
	BOMB_NESTED_MULTIPART, BOMB_NESTED_MESSAGE, BOMB_DELIMITERS, BOMB_PART_PARAMS, BOMB_MESSAGES, BOMB_COMMENTS,
	BOMB_COUNT
};

static void make_bomb(enum bomb bomb, struct buf *in)
{
	static const struct {
		const char *head, *each;
		int times;
	} simple[BOMB_COUNT] = {
		[BOMB_HEADER_10MB] = { "Subject: ", "0123456789", 1000000 },
		[BOMB_HEADERS] = { "", "X: y\r\n", 100000 },
		[BOMB_ADDRESSES] = { "To: ", "a@b.test,\r\n ", 1000000 },
		[BOMB_TO_FIELDS] = { "", "To: \"name\" <a@b.test>\r\n", 100000 },
		[BOMB_GROUPS] = { "To: ", "g: a@b;", 1000000 },
		[BOMB_PARTS] = { MIXED("b"), "--b\n\n\n", 1000000 },
		[BOMB_COMMENTS] = { "From: ", "(", 1000000 },
		[BOMB_PART_PARAMS] = { MIXED("b"), "--b\nContent-Type: a/b; name=\"0123456789\\\"01234567890123456789\"\n\n",
				       100000 },
		[BOMB_MESSAGES] = { MIXED("b"),
				    "--b\nContent-Type: message/rfc822\n\nSubject: s\nTo: a@b, c@d\n\n", 100000 },
	};
	buf_str(in, simple[bomb].head ? simple[bomb].head : "");
	for (int i = 0; i < simple[bomb].times; i++)
		buf_str(in, simple[bomb].each);
	if (bomb == BOMB_PARAMS) {
		buf_str(in, "Content-Type: a/b");
		for (int i = 0; i < 100000; i++)
			buf_printf(in, "; n*%d=x", (i * 7919) % 100000);
	}
	for (int i = 0; i < 10000 && bomb == BOMB_NESTED_MULTIPART; i++)
		buf_printf(in, "Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n", i, i);
	for (int i = 0; i < 10000 && bomb == BOMB_NESTED_MESSAGE; i++)
		buf_str(in, "Content-Type: message/rfc822\n\n");
	for (int i = 0; i < 99 && bomb == BOMB_DELIMITERS; i++)
		buf_printf(in, "Content-Type: multipart/mixed; boundary=-%d\n\n---%d\n", i, i);
	for (int i = 0; i < 3000000 && bomb == BOMB_DELIMITERS; i++)
		buf_str(in, "---\n");
}

static void bombs(void **state)
{
	for (int bomb = 0; bomb < BOMB_COUNT; bomb++) {
		struct arena *arena = arena_new();
		struct buf in = BUF_INIT(64 << 20);
		make_bomb((enum bomb)bomb, &in);
		long before = peak_kib();
		clock_t start = clock();
		Postern__Digest *d = survive(arena, &in);
		double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
		print_message("bomb %d: %zu bytes, %zu parts, %.3f s, +%ld KiB\n", bomb, in.n, d->n_parts, seconds,
			      peak_kib() - before);
		if (bomb != BOMB_HEADERS && bomb != BOMB_COMMENTS)
			assert_true(d->flags & DIGEST_LIMITED);
		assert_true(seconds < 10);
		assert_true(arena_used(arena) < (4 << 20));
		arena_free(&arena);
		buf_fini(&in);
	}
}

static void part_limit(void **state)
{
	for (uint32_t n = DIGEST_PARTS_MAX - 1; n <= DIGEST_PARTS_MAX; n++) {
		struct arena *arena = arena_new();
		struct buf in = BUF_INIT(1 << 20);
		buf_str(&in, MIXED("b"));
		for (uint32_t i = 0; i < n; i++)
			buf_printf(&in, "--b\n\npart %u\n", i);
		buf_str(&in, "--b--\n");
		Postern__Digest *d = survive(arena, &in);
		assert_int_equal(d->n_parts, DIGEST_PARTS_MAX);
		bool over = n == DIGEST_PARTS_MAX;
		assert_int_equal((d->flags & DIGEST_LIMITED) != 0, over);
		const Postern__DigestPart *last = d->parts[DIGEST_PARTS_MAX - 1];
		assert_int_equal((last->flags & DIGEST_PART_OPAQUE) != 0, over);
		assert_int_equal(last->body_end == in.n, over);
		arena_free(&arena);
		buf_fini(&in);
	}
}

static void depth_limit(void **state)
{
	for (unsigned n = DIGEST_DEPTH_MAX - 1; n <= DIGEST_DEPTH_MAX; n++) {
		struct arena *arena = arena_new();
		struct buf in = BUF_INIT(1 << 20);
		for (unsigned i = 0; i < n; i++)
			buf_str(&in, "Content-Type: message/rfc822\n\n");
		buf_str(&in, "A: b\n\nx");
		Postern__Digest *d = survive(arena, &in);
		assert_int_equal(d->n_parts, DIGEST_DEPTH_MAX);
		bool over = n == DIGEST_DEPTH_MAX;
		assert_int_equal((d->flags & DIGEST_LIMITED) != 0, over);
		assert_int_equal((d->parts[DIGEST_DEPTH_MAX - 1]->flags & DIGEST_PART_OPAQUE) != 0, over);
		arena_free(&arena);
		buf_fini(&in);
	}
}

static void same_twice(void **state)
{
	/* Past its limits a digest is still a function of the message alone. */
	struct arena *arena = arena_new();
	struct buf in = BUF_INIT(64 << 20);
	make_bomb(BOMB_MESSAGES, &in);
	Postern__Digest *a = digest_make(arena, buf_view(&in)), *b = digest_make(arena, buf_view(&in));
	size_t n = postern__digest__get_packed_size(a);
	uint8_t *pa = arena_alloc(arena, n), *pb = arena_alloc(arena, n);
	assert_int_equal(postern__digest__get_packed_size(b), n);
	postern__digest__pack(a, pa);
	postern__digest__pack(b, pb);
	assert_memory_equal(pa, pb, n);
	arena_free(&arena);
	buf_fini(&in);
}

static int setup(void **state)
{
	return charset_preload() ? 0 : 1;
}

static void authors(void **state)
{
	static const struct {
		struct slice in;
		unsigned flags;
		const char *out;	/* authors, senders, names */
	} cases[] = {
		{ SLICE("Subject: x\n\nFrom: a@a.test"), 0, "" },
		{ SLICE("From: A@A.test\n\n"), 1, " a:A@a.test" },
		{ SLICE("From: a@a.test, b@a.test\nSender: c@c.test\n\n"), 1, " a:a@a.test a:b@a.test s:c@c.test" },
		{ SLICE("Resent-Sender: x@x.test\nResent-From: y@y.test\n\n"), 0, " s:x@x.test s:y@y.test" },
		{ SLICE("From: \"x@x.test\" <a@a.test>\n\n"), 1, " a:a@a.test n:x@x.test" },
		{ SLICE("From: a@a.test\nfrom: b@b.test\n\n"), 1 | 2 | 8, " a:a@a.test a:b@b.test" },
		{ SLICE("From : a@a.test\n\n"), 1 | 4, "" },
		{ SLICE("From\n : a@a.test\n\n"), 1 | 4, "" },
		{ SLICE("From: a@a.test\n b@b.test\n\n"), 1 | 4, " a:a@a.test" },
		{ SLICE("Sender : a@a.test\n\n"), 16, "" },
		{ SLICE("Sender: a b@b.test\n\n"), 16, "" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arena *a = arena_new();
		struct buf out = BUF_INIT(1024);
		Postern__Digest *d = digest_make(a, cases[i].in);
		for (size_t k = 0; k < d->n_authors; k++)
			buf_printf(&out, " a:" SLICE_FMT, SLICE_ARG(of(d->authors[k])));
		for (size_t k = 0; k < d->n_senders; k++)
			buf_printf(&out, " s:" SLICE_FMT, SLICE_ARG(of(d->senders[k])));
		for (size_t k = 0; k < d->n_author_names; k++)
			buf_printf(&out, " n:" SLICE_FMT, SLICE_ARG(of(d->author_names[k])));
		assert_int_equal(d->author_flags, cases[i].flags);
		assert_string_equal(buf_cstr(&out), cases[i].out);
		buf_fini(&out);
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(authors),
		cmocka_unit_test(structure), cmocka_unit_test(facts), cmocka_unit_test(bare_line_ends),
		cmocka_unit_test(references_cap), cmocka_unit_test(sections),
		cmocka_unit_test(single_part_sections), cmocka_unit_test(unpacking), cmocka_unit_test(bombs),
		cmocka_unit_test(part_limit), cmocka_unit_test(depth_limit), cmocka_unit_test(same_twice),
	};
	return cmocka_run_group_tests(tests, setup, NULL);
}
