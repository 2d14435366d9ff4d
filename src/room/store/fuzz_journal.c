/* SPDX-License-Identifier: Apache-2.0 */
/* Meta of records: any bytes are refused or read, and what was read is written the same way again. */
#include "base/err.h"
#include "room/store/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void once_more(const struct object *o)
{
	static struct object again;
	struct buf first = BUF_INIT(1 << 20), second = BUF_INIT(1 << 20);

	object_encode(&first, o);
	struct slice in = buf_view(&first);
	bug_if(buf_ok(&first) && (object_decode(&in, &again) != 1 || in.n));
	object_encode(&second, &again);
	bug_if(buf_ok(&first) && !slice_eq(buf_view(&first), buf_view(&second)));
	buf_fini(&first);
	buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct object o;
	struct slice in = slice_of(data, size);
	struct blob_meta meta;
	struct buf out = BUF_INIT(1 << 20);

	while (object_decode(&in, &o) == 1)
		once_more(&o);
	if (blob_meta_decode(slice_of(data, size), &meta) == 0)
		bug_if(meta.digest.n + meta.packed_text.n > size);
	/* As a digest of filter, with or without a text in it. */
	blob_meta_encode(&out, size, slice_of(data, size));
	if (buf_ok(&out))
		bug_if(blob_meta_decode(buf_view(&out), &meta) != 0 || meta.blob != size || meta.digest.n > size);
	buf_fini(&out);
	return 0;
}
