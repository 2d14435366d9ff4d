/* SPDX-License-Identifier: Apache-2.0 */
/* Whole, and cut at a place that the first byte says: the same result. No bare CR, LF or NUL comes out. */
#include "proto/smtp/data.h"

#include "base/buf.h"

static int decode(struct slice in, size_t cut, bool dots, struct buf *out, unsigned *faults, size_t *rest)
{
	struct smtp_data d;
	int end = 0;
	struct slice parts[2] = { slice_sub(in, 0, cut), slice_sub(in, cut, in.n) };
	smtp_data_init(&d, dots, 1 << 20);
	*rest = 0;
	for (size_t i = 0; i < 2; i++) {
		while (parts[i].n && !end) {
			struct slice piece;
			end = smtp_data_step(&d, &parts[i], &piece);
			buf_slice(out, piece);
		}
		*rest += parts[i].n;
	}
	*faults = d.faults;
	return end;
}

static void check_clean(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		bug_if(s.p[i] == 0);
		bug_if(s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r'));
		bug_if(s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] != '\n');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct slice in = slice_of(data + 2, size - 2);
	size_t cut = in.n ? data[0] % (in.n + 1) : 0;
	struct buf a = BUF_INIT(1 << 20), b = BUF_INIT(1 << 20);
	unsigned fa, fb;
	size_t ra, rb;
	int ea = decode(in, 0, data[1] & 1, &a, &fa, &ra), eb = decode(in, cut, data[1] & 1, &b, &fb, &rb);
	bug_if(ea != eb || fa != fb || ra != rb);
	bug_if(!fa && !slice_eq(buf_view(&a), buf_view(&b)));
	if (!fa)
		check_clean(buf_view(&a));
	bug_if(ea && slice_find(in, SLICE("\r\n.\r\n"), 0) < 0 && !slice_starts(in, SLICE(".\r\n")));
	buf_fini(&a);
	buf_fini(&b);
	return 0;
}
