/* SPDX-License-Identifier: Apache-2.0 */
/* A session: the first byte says how questions are answered, how input is cut and how far the session is. */
#include "proto/managesieve/fake_owner.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake f;
	if (size < 1 || size > 1 << 17)
		return 0;
	fake_start(&f, data[0] & 1, 4096);
	if (data[0] & 4)
		fake_feed(&f, SLICE("STARTTLS\r\n"));
	if (data[0] & 8)
		fake_feed(&f, SLICE("AUTHENTICATE \"PLAIN\" \"AGpvZQByaWdodA==\"\r\n"));
	f.chunk = data[0] & 2 ? 1 : 4096;
	fake_feed(&f, slice_of(data + 1, size - 1));
	if (!f.closed)
		managesieve_goodbye(f.s, "bye");
	bug_if(!buf_ok(&f.out) || f.logged_in);
	fake_fini(&f);
	return 0;
}
