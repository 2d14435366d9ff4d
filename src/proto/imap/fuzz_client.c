/* SPDX-License-Identifier: Apache-2.0 */
/* A lying server: whatever it says, the parser ends or goes on, and gives the same in any pieces. */
#include "base/err.h"
#include "proto/imap/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	uint64_t responses, body_bytes, names;
	int err;
};

static int body_begin(void *ctx, uint64_t size)
{
	return 0;
}

static int body_bytes(void *ctx, struct slice s)
{
	((struct sum *)ctx)->body_bytes += s.n;
	return 0;
}

static const struct imapc_body_ops body_ops = { body_begin, body_bytes };

static struct sum feed(struct slice in, size_t step)
{
	struct sum sum = { 0 };
	struct imapc_parser *p = imapc_parser_new(10000, &body_ops, &sum);

	for (size_t at = 0; at < in.n && sum.err >= 0;) {
		struct imapc_response r;
		size_t used;
		sum.err = imapc_next(p, slice_sub(in, at, at + step), &used, &r);
		if (sum.err == 1) {
			sum.responses++;
			sum.names += r.list.name.n + r.text.n + r.code.n + r.fetch.flags.n + r.fetch.uid;
			for (size_t i = 0; i < r.list.name.n; i++)
				sum.names += r.list.name.p[i];
		}
		at += used;
	}
	imapc_parser_free(&p);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct sum whole = feed(in, size ? size : 1), pieces = feed(in, 3);

	/* The pieces may stop earlier inside a body, so bytes are compared only where nothing failed. */
	bug_if((whole.err < 0) != (pieces.err < 0));
	bug_if(whole.responses != pieces.responses || whole.names != pieces.names);
	bug_if(whole.err >= 0 && whole.body_bytes != pieces.body_bytes);
	return 0;
}
