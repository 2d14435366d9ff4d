/* SPDX-License-Identifier: Apache-2.0 */
/* What a server says: the first byte says what was asked and where the input is cut. The same octets must come out
 * whole and cut. */
#include "base/buf.h"
#include "base/err.h"
#include "proto/pop3/client.h"

static int read_all(enum pop3c_want want, struct slice in, size_t step, struct buf *out)
{
	struct pop3c p;
	struct pop3c_event e;
	size_t at = 0, seen = 0, used;
	pop3c_init(&p);
	pop3c_expect(&p, want, 4096);
	for (;;) {
		int r = pop3c_next(&p, slice_sub(in, at, seen), &used, &e);
		if (r < 0)
			return r;
		if (r == 0 && seen == in.n)
			return 0;
		if (r == 0) {
			seen = seen + step < in.n ? seen + step : in.n;
			continue;
		}
		bug_if(used == 0 || used > seen - at);
		at += used;
		if (e.kind != POP3C_BYTES)
			buf_byte(out, (uint8_t)('0' + e.kind));
		buf_slice(out, e.text);
		if (pop3c_is_over(&p, &e))
			pop3c_expect(&p, want, 4096);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_INIT(1 << 18), cut = BUF_INIT(1 << 18);
	if (size < 1 || size > 1 << 16)
		return 0;
	struct slice in = slice_of(data + 1, size - 1);
	enum pop3c_want want = (enum pop3c_want)(data[0] % 3);
	int a = read_all(want, in, in.n + 1, &whole), b = read_all(want, in, data[0] / 3 + 1, &cut);
	bug_if((a < 0) != (b < 0));
	bug_if(a == 0 && !slice_eq(buf_view(&whole), buf_view(&cut)));
	buf_fini(&whole);
	buf_fini(&cut);
	return 0;
}
