/* SPDX-License-Identifier: Apache-2.0 */
/* Nothing that was not made with the secret comes back; what is made of any sender leads back to it. */
#include "base/compiler.h"
#include "base/err.h"
#include "proto/mail/address.h"
#include "proto/mail/srs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct srs_secrets s = { .key = { "sixteen letters" }, .n = 1 };
	enum { NOW = 1000000 };
	struct arena *a = arena_new();
	struct slice in = slice_of(data, size), to, back;
	struct addr x, y;
	IGNORE(srs_reverse(a, &s, in, NOW, &back), "only that it ends");
	if (addr_parse(in, ADDR_UTF8, &x) == 0 && srs_forward(a, &s, addr_text(&x), SLICE("b.test"), NOW, &to) == 0) {
		bug_if(addr_parse(to, ADDR_UTF8, &y) < 0 || !srs_is(addr_local(&y)));
		int err = srs_reverse(a, &s, addr_local(&y), NOW, &back);
		bool first = y.text[3] == '0';
		bug_if(first && (err < 0 || !slice_eq(back, addr_text(&x))));
	}
	arena_free(&a);
	return 0;
}
