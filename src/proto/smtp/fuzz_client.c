/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server that says anything. First byte: TLS wish and how many bytes a read brings. Checked besides memory:
 * every transaction ends with a result for each recipient, no bare CR or LF and no line "." before the end
 * leaves the client.
 */
#include "proto/smtp/client.h"

#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct smtp_client_rcpt rcpts[] = {
	{ .address = { (const uint8_t *)"a@x.test", 8 }, .notify = 14 },
	{ .address = { (const uint8_t *)"b@x.test", 8 }, .orcpt = { (const uint8_t *)"rfc822;b", 8 } },
};
static const struct smtp_client_mail mail = { .rcpts = rcpts, .n_rcpts = 2, .size = 20, .body_8bit = true };

static void check_out(struct smtp_client *c)
{
	struct buf *out = smtp_client_out(c);
	for (size_t i = 0; i < out->n; i++) {
		bug_if(out->p[i] == '\n' && (i == 0 || out->p[i - 1] != '\r'));
		bug_if(out->p[i] == '\r' && (i + 1 == out->n || out->p[i + 1] != '\n'));
	}
	buf_clear(out);
}

static void check_results(struct smtp_client *c)
{
	size_t n;
	const struct smtp_result *r = smtp_client_results(c, &n);
	bug_if(n != 2);
	for (size_t i = 0; i < n; i++)
		bug_if(r[i].enhanced[0] != "245"[r[i].outcome]);
}

/* How many messages one input may send: a server whose SIZE refuses each leaves us ready for the next for ever. */
enum { SENDS_MAX = 16 };
static int sends;

static bool act(struct smtp_client *c)
{
	switch (smtp_client_step(c)) {
	case SMTP_CLIENT_TLS:
		smtp_client_tls_done(c);
		return true;
	case SMTP_CLIENT_READY:
		if (++sends > SENDS_MAX)
			return false;
		smtp_client_send(c, &mail);
		return true;
	case SMTP_CLIENT_BODY:
		smtp_client_body(c, SLICE("a\r.\n.\r\n\r"));
		smtp_client_body_end(c);
		return true;
	case SMTP_CLIENT_RESULT:
		check_results(c);
		smtp_client_next(c);
		return true;
	default:
		return false;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	sends = 0;
	struct smtp_client *c = smtp_client_new("me.test", data[0] & 3);
	size_t step = 1 + (data[0] >> 2), begin = 1, end = 1;
	while (smtp_client_step(c) != SMTP_CLIENT_CLOSED && end < size) {
		end = size - end < step ? size : end + step;
		size_t used = 1;
		while (used && begin < end) {
			smtp_client_feed(c, slice_of(data + begin, end - begin), &used);
			begin += used;
			check_out(c);
			while (act(c))
				check_out(c);
		}
	}
	smtp_client_lost(c, "lost");
	sends = 0;
	while (act(c))
		check_out(c);
	bug_if(smtp_client_step(c) != SMTP_CLIENT_CLOSED);
	smtp_client_free(&c);
	return 0;
}
