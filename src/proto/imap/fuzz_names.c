/* SPDX-License-Identifier: Apache-2.0 */
/* Modified UTF-7 (what decodes encodes back to the same bytes), names, sequence sets, LIST patterns. */
#include "base/codec.h"
#include "base/err.h"
#include "proto/imap/mutf7.h"
#include "proto/imap/name.h"
#include "proto/imap/pattern.h"
#include "proto/imap/seqset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void utf7(struct slice in)
{
	struct buf out = BUF_INIT(1 << 20), back = BUF_INIT(1 << 20);

	if (mutf7_decode(&out, in) == 0) {
		bug_if(!utf8_valid(buf_view(&out)));
		bug_if(mutf7_encode(&back, buf_view(&out)) < 0);
		bug_if(!slice_eq(buf_view(&back), in));
	}
	buf_fini(&out);
	buf_fini(&back);
}

static void names(struct slice in)
{
	struct arena *a = arena_new();
	struct slice name, again;

	for (int utf8 = 0; utf8 < 2; utf8++) {
		if (imap_name_read(a, in, utf8, &name) < 0)
			continue;
		IGNORE(imap_name_creatable(name), "fuzz");
		bug_if(imap_name_normalise(a, name, &again) < 0);
		bug_if(!slice_eq(name, again));
		struct buf out = BUF_INIT(1 << 16);
		imap_name_write(&out, name, utf8);
		buf_fini(&out);
	}
	arena_free(&a);
}

static void sets(struct slice in)
{
	struct imap_seqset s, t;
	struct buf out = BUF_INIT(1 << 20);

	if (imap_seqset_parse(in, &s) == 0) {
		imap_seqset_resolve(&s, 1000);
		imap_seqset_write(&out, &s);
		bug_if(imap_seqset_parse(buf_view(&out), &t) < 0);
		imap_seqset_resolve(&t, 1);
		bug_if(imap_seqset_count(&s) != imap_seqset_count(&t));
		imap_seqset_fini(&s);
		imap_seqset_fini(&t);
	}
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct imap_pattern *p;

	utf7(in);
	names(in);
	sets(in);
	if (imap_pattern_new(slice_sub(in, 0, size / 2), &p) == 0) {
		IGNORE(imap_pattern_match(p, slice_sub(in, size / 2, size)), "fuzz");
		imap_pattern_free(&p);
	}
	return 0;
}
