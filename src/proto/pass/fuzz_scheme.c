/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes as they come in import files: what is taken for one must be whole, and hold what its scheme says. */
#include "base/err.h"
#include "proto/pass/scheme.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scheme s = { 0 };
	struct slice text = slice_of(data, size);
	int r = scheme_parse(text, &s);
	bug_if(r > 0 || (r < 0 && r != ERR_SYNTAX && r != ERR_UNSUPPORTED && r != ERR_INVALID));
	bug_if(r == 0 && (!s.payload.n || s.payload.p + s.payload.n != data + size));
	bug_if(r == 0 && s.kind == SCHEME_DIGEST && (!s.digest || s.payload.n < s.digest_bytes));
	bug_if(r == ERR_UNSUPPORTED && !scheme_looks_hashed(text));
	return 0;
}
