/* SPDX-License-Identifier: Apache-2.0 */
/* Whatever a value or a text holds: one field stays one field and reads back as it was cleaned; a message keeps its
 * parts, its lines stay short, and its texts decode to what went in. */
#include "base/codec.h"
#include "proto/mail/compose.h"
#include "proto/mail/decode.h"
#include "proto/mail/digest.h"
#include "proto/mail/header.h"
#include "proto/mail/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_field(struct slice in)
{
	struct buf out = BUF_INIT(16 * COMPOSE_VALUE_MAX), first = BUF_INIT(16 * COMPOSE_VALUE_MAX),
		   again = BUF_INIT(16 * COMPOSE_VALUE_MAX);
	struct header_field f;
	compose_field(&out, "Subject", in);
	struct header_scan h = header_scan_of(buf_view(&out));
	bug_if(header_next(&h, &f) != 1 || f.whole.n != out.n || !ascii_only(buf_view(&out)) || !buf_ok(&out));
	words_decode(slice_trim(f.value), &first);
	bug_if(!utf8_valid(buf_view(&first)));
	/* What was read is clean: written again and read again it is the same. */
	buf_clear(&out);
	compose_field(&out, "Subject", buf_view(&first));
	bug_if(!header_find(buf_view(&out), SLICE("Subject"), &f));
	words_decode(slice_trim(f.value), &again);
	bug_if(first.n <= COMPOSE_VALUE_MAX && !slice_eq(buf_view(&first), buf_view(&again)));
	buf_fini(&out);
	buf_fini(&first);
	buf_fini(&again);
}

static void check_part(const Postern__Digest *d, size_t i, struct slice message, struct slice text)
{
	const Postern__DigestPart *p = d->parts[i];
	struct buf want = BUF_INIT(3 * text.n + 2), have = BUF_INIT(message.n);
	struct slice body = slice_sub(message, p->body_start, p->body_end);
	struct decoder dec = decoder_of(transfer_by_name(slice_of(p->encoding.data, p->encoding.len)));
	compose_clean_text(&want, text);
	decoder_feed(&dec, body, &have);
	decoder_end(&dec, &have);
	/* The line end in front of a boundary belongs to the boundary; compose_write puts one of its own there. */
	bug_if(!slice_starts(buf_view(&have), buf_view(&want)) || have.n > want.n + 2);
	buf_fini(&want);
	buf_fini(&have);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size), value = slice_sub(in, 0, size / 3);
	struct compose m = {
		.from_name = value, .from = SLICE("a@b.test"), .to_name = value, .to = value, .subject = value,
		.id = "x", .host = "h.test", .in_reply_to = value, .references = value,
		.text = slice_sub(in, size / 3, size), .html = slice_sub(in, size / 2, size),
	};
	struct buf out = BUF_INIT(64 << 20);
	struct arena *a = arena_new();
	one_field(in);
	compose_write(&out, &m);
	Postern__Digest *d = digest_make(a, buf_view(&out));
	bug_if(d->n_parts != (m.html.n ? 3u : 1u));
	check_part(d, m.html.n ? 1 : 0, buf_view(&out), m.text);
	if (m.html.n)
		check_part(d, 2, buf_view(&out), m.html);
	size_t line = 0;
	for (size_t i = 0; i < out.n; i++) {
		bug_if(out.p[i] == '\n' && (i == 0 || out.p[i - 1] != '\r'));
		bug_if(out.p[i] == '\r' && (i + 1 == out.n || out.p[i + 1] != '\n'));
		line = out.p[i] == '\n' ? 0 : line + 1;
		bug_if(line > 998 && i > header_length(buf_view(&out)));
	}
	buf_fini(&out);
	arena_free(&a);
	return 0;
}
