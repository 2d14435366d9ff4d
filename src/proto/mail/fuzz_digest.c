/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes give a digest that fits, unpacks, renders, and whose sections lie inside. */
#include "proto/imap/render.h"
#include "proto/mail/charset.h"
#include "proto/mail/digest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 4 << 20 };

static void check_sections(const Postern__Digest *d)
{
	for (uint32_t i = 0; i < 4; i++) {
		for (uint32_t k = 0; k < 4; k++) {
			for (int kind = DIGEST_WHOLE; kind <= DIGEST_MIME; kind++) {
				struct digest_range r;
				uint32_t path[] = { i, k };
				if (digest_section(d, path, (i > 0) + (k > 0),
						   (enum digest_kind)kind, &r) == 0)
					bug_if(r.offset > d->size || r.length > d->size - r.offset);
			}
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct buf out = BUF_INIT(OUT_MAX);
	charset_preload();
	Postern__Digest *d = digest_make(arena, slice_of(data, size)), *back = NULL;
	size_t n = postern__digest__get_packed_size(d);
	uint8_t *packed = arena_alloc(arena, n);
	bug_if(n > DIGEST_MAX || postern__digest__pack(d, packed) != n);
	bug_if(digest_unpack(slice_of(packed, n), &back) < 0);
	for (int utf8 = 0; utf8 <= 1; utf8++)
		imap_render_envelope(&out, back->envelope, utf8);
	imap_render_bodystructure(&out, back, false);
	imap_render_bodystructure(&out, back, true);
	bug_if(!buf_ok(&out) || (out.n && memchr(out.p, 0, out.n)));
	check_sections(back);
	postern__digest__free_unpacked(back, NULL);
	buf_fini(&out);
	arena_free(&arena);
	/* What a damaged store may hand over must not harm either. */
	if (digest_unpack(slice_of(data, size), &back) == 0) {
		imap_render_bodystructure(&out, back, true);
		check_sections(back);
		postern__digest__free_unpacked(back, NULL);
		buf_fini(&out);
	}
	return 0;
}
