/* SPDX-License-Identifier: Apache-2.0 */
/* A session: the first byte says how questions are answered, how input is cut and how fast the reader is. */
#include "proto/pop3/fake_owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake f;
	if (size < 1 || size > 1 << 16)
		return 0;
	fake_start(&f, data[0] & 1, data[0] & 2 ? 1 : 4096);
	f.full_at = data[0] & 4 ? 40 : 0;
	struct slice in = slice_of(data + 1, size - 1);
	for (size_t at = 0; at < in.n && !f.closed;) {
		ptrdiff_t lf = slice_find_byte(in, '\n', at);
		size_t end = lf < 0 ? in.n : (size_t)lf + 1;
		fake_feed(&f, slice_sub(in, at, end));
		at = end;
		if (end && end < in.n && in.p[end] == 1 && !f.closed && !f.question)
			pop3_server_timeout(f.s);
	}
	bug_if(!buf_ok(&f.out));
	fake_fini(&f);
	return 0;
}
