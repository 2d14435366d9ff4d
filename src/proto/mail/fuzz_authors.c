/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are a value; what comes out is an address in normal form, and as a field of its own gives itself. */
#include "base/compiler.h"
#include "base/err.h"
#include "proto/mail/address.h"
#include "proto/mail/authors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct authors who = { 0 };
	int err = authors_read(a, slice_of(data, size), &who);
	bug_if(who.n > AUTHORS_MAX || who.n_names > AUTHORS_MAX);
	for (size_t i = 0; err == 0 && i < who.n; i++) {
		struct authors again = { 0 };
		struct addr x;
		bug_if(addr_parse(who.list[i], ADDR_UTF8, &x) < 0);
		bug_if(authors_read(a, who.list[i], &again) < 0 || again.n != 1 ||
		       !slice_eq(again.list[0], who.list[i]));
	}
	arena_free(&a);
	return 0;
}
