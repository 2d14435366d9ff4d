/* SPDX-License-Identifier: Apache-2.0 */
/* Header fields, dates, parameters, encoded words, decoders: no byte is read past the end, output
 * stays bounded, and a split of the input changes nothing. */
#include "base/codec.h"
#include "proto/mail/charset.h"
#include "proto/mail/date.h"
#include "proto/mail/decode.h"
#include "proto/mail/header.h"
#include "proto/mail/param.h"
#include "proto/mail/words.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void one_value(struct slice v, struct arena *arena)
{
	struct buf out = BUF_INIT(4 * v.n + 16);
	struct mail_date date;
	struct param_list l;
	int64_t days;
	header_unfold(v, 100, arena);
	header_unfold_to(v, &out);
	bug_if(out.n > v.n || (out.n && memchr(out.p, '\n', out.n)));
	if (mail_date_parse(v, &date) == 0 || imap_date_time_parse(v, &date) == 0) {
		buf_clear(&out);
		mail_date_format(&out, date.ms, date.zone_minutes);
	}
	IGNORE(imap_date_parse(v, &days), "any answer is right");
	buf_clear(&out);
	words_decode(v, &out);
	bug_if(!utf8_valid(buf_view(&out)) && buf_ok(&out));
	for (int slash = 0; slash <= 1; slash++) {
		param_parse(v, slash, arena, &l);
		for (size_t i = 0; i < l.n; i++) {
			struct buf text = BUF_INIT(4 * PARAM_VALUE_MAX);
			param_text(&l.params[i], &text);
			buf_fini(&text);
		}
	}
	buf_fini(&out);
}

static void decode(enum transfer how, struct slice in)
{
	struct buf whole = BUF_INIT(in.n + 1), split = BUF_INIT(in.n + 1);
	struct decoder d = decoder_of(how);
	decoder_feed(&d, in, &whole);
	decoder_end(&d, &whole);
	d = decoder_of(how);
	for (size_t i = 0; i < in.n; i++)
		decoder_feed(&d, slice_sub(in, i, i + 1), &split);
	decoder_end(&d, &split);
	bug_if(!buf_ok(&whole) || !slice_eq(buf_view(&whole), buf_view(&split)));
	buf_fini(&whole);
	buf_fini(&split);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct arena *arena = arena_new();
	struct header_scan h = header_scan_of(in);
	struct header_field f;
	charset_preload();
	size_t at = 0;
	while (header_next(&h, &f) > 0) {
		bug_if(h.at <= at || f.whole.n != h.at - at);
		at = h.at;
		one_value(f.value, arena);
	}
	bug_if(h.at != header_length(in));
	one_value(in, arena);
	decode(TRANSFER_BASE64, in);
	decode(TRANSFER_QP, in);
	arena_free(&arena);
	return 0;
}
