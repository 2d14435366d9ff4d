/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever servers, clients and rules said: a notification of either kind keeps its three parts, whole lines, and one recipient a block. */
#include "base/codec.h"
#include "proto/mail/digest.h"
#include "room/queue/dsn.h"
#include "room/queue/mdn.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next piece, up to a NUL. */
static struct slice take(struct slice *in)
{
	ptrdiff_t end = slice_find_byte(*in, 0, 0);
	struct slice piece = slice_sub(*in, 0, end < 0 ? in->n : (size_t)end);
	*in = slice_sub(*in, end < 0 ? in->n : (size_t)end + 1, in->n);
	return piece;
}

static void check_lines(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		bug_if(s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r'));
		bug_if(s.p[i] == '\r' && (i + 1 == s.n || s.p[i + 1] != '\n'));
	}
}

static size_t count(struct slice s, const char *what)
{
	size_t n = 0;
	for (ptrdiff_t at = 0; (at = slice_find(s, slice_str(what), (size_t)at)) >= 0; at++)
		n++;
	return n;
}

static void write_mdn(struct slice in)
{
	struct mdn m = { .host = "h.test", .recipient = take(&in), .orcpt = take(&in), .reason = take(&in), .to = take(&in),
			 .boundary = "00112233445566778899aabbccddeeff", .header = SLICE("Message-ID: <a@b>\r\n\r\n") };
	struct buf out = BUF_INIT(1 << 20);
	struct arena *a = arena_new();
	mdn_write(&out, &m);
	struct slice all = buf_view(&out);
	bug_if(!buf_ok(&out) || !utf8_valid(all));
	check_lines(all);
	bug_if(count(all, "\r\n--=_00112233445566778899aabbccddeeff") != 4);
	bug_if(count(all, "\r\nFinal-Recipient: ") != 1 || count(all, "\r\nDisposition: ") != 1);
	Postern__Digest *digest = digest_make(a, all);
	bug_if(digest->n_parts != 4 || count(slice_sub(all, 0, digest->body_start), "\r\n\r\n") != 1);
	arena_free(&a);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	write_mdn(slice_of(data, size));
	struct slice in = slice_of(data, size);
	struct dsn_rcpt r[2];
	for (size_t i = 0; i < 2; i++)
		r[i] = (struct dsn_rcpt){ .address = take(&in), .orcpt = take(&in), .enhanced = SLICE("5.1.1"),
					  .code = 550 * (size % 2), .text = take(&in), .server = take(&in) };
	struct dsn d = { .action = size % (DSN_EXPANDED + 1), .host = "h.test", .sender = take(&in), .envid = take(&in),
			 .boundary = "00112233445566778899aabbccddeeff", .rcpts = r, .n_rcpts = 2,
			 .original = SLICE("Subject: x\r\n\r\n"), .headers_only = true };
	struct buf out = BUF_INIT(1 << 20);
	struct arena *a = arena_new();
	dsn_write(&out, &d);
	struct slice all = buf_view(&out);
	bug_if(!buf_ok(&out) || !utf8_valid(all));
	check_lines(all);
	bug_if(count(all, "\r\n--=_00112233445566778899aabbccddeeff") != 4);
	bug_if(count(all, "\r\nFinal-Recipient: ") != 2 || count(all, "\r\nAction: ") != 2);
	Postern__Digest *digest = digest_make(a, all);
	bug_if(digest->n_parts != 4 || count(slice_sub(all, 0, digest->body_start), "\r\n\r\n") != 1);
	arena_free(&a);
	buf_fini(&out);
	return 0;
}
