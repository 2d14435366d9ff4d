/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first words of a message: of its first text/plain part that is no attachment, else of its
 * first text/html part without the marks. Only the first SOURCE_MAX bytes of the part are looked
 * at. Runs of blanks become one.
 */
#include "proto/mail/digest_priv.h"

#include "base/codec.h"
#include "proto/mail/charset.h"
#include "proto/mail/decode.h"

enum { SOURCE_MAX = 4 * 1024, HTML_SOURCE_MAX = 16 * 1024, ENTITY_MAX = 10 };

static bool is(ProtobufCBinaryData d, const char *text)
{
	return slice_eq_ci(digest_slice(d), slice_str(text));
}

static bool is_attachment(const Postern__DigestPart *p)
{
	bool message_or_data = !is(p->type, "text") && !is(p->type, "multipart");
	if (p->flags & DIGEST_PART_DISPOSITION)
		return !is(p->disposition, "inline");
	bool signature = is(p->subtype, "pgp-signature") || is(p->subtype, "pkcs7-signature") ||
			 is(p->subtype, "x-pkcs7-signature");
	return message_or_data && !signature && !(p->flags & DIGEST_PART_ID);
}

static const Postern__DigestPart *find_text(const Postern__Digest *d)
{
	const Postern__DigestPart *html = NULL;
	for (size_t i = 0; i < d->n_parts; i++) {
		const Postern__DigestPart *p = d->parts[i];
		if (!is(p->type, "text") || is_attachment(p))
			continue;
		if (is(p->subtype, "plain"))
			return p;
		if (!html && is(p->subtype, "html"))
			html = p;
	}
	return html;
}

static struct slice charset_of(const Postern__DigestPart *p)
{
	for (size_t i = 0; i < p->n_params; i++) {
		if (is(p->params[i]->name, "charset"))
			return digest_slice(p->params[i]->value);
	}
	return SLICE("");
}

/* Where the words go: runs of blanks and control bytes are one space, and it is full at a whole
 * character. */
struct sink {
	uint8_t *p;
	size_t n;
	bool full;
};

static void put(struct sink *to, uint8_t c)
{
	bool blank = c <= ' ' || c == 0x7f;
	if (to->full || (blank && (to->n == 0 || to->p[to->n - 1] == ' ')))
		return;
	if (to->n < DIGEST_TEXT_MAX) {
		to->p[to->n++] = blank ? ' ' : c;
		return;
	}
	to->full = true;
	if ((c & 0xc0) != 0x80)
		return;
	while (to->n && (to->p[to->n - 1] & 0xc0) == 0x80)
		to->n--;
	to->n -= to->n > 0;
}

static void put_all(struct sink *to, struct slice s)
{
	for (size_t i = 0; i < s.n && !to->full; i++)
		put(to, s.p[i]);
}

static size_t entity(struct slice in, struct sink *out)
{
	static const struct {
		const char *name, *text;
	} known[] = { { "&amp;", "&" },
		      { "&lt;", "<" },
		      { "&gt;", ">" },
		      { "&quot;", "\"" },
		      { "&nbsp;", " " } };
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (slice_starts(in, slice_str(known[i].name))) {
			put_all(out, slice_str(known[i].text));
			return strlen(known[i].name);
		}
	}
	ptrdiff_t end = slice_find_byte(slice_sub(in, 0, ENTITY_MAX), ';', 0);
	uint64_t cp = 0;
	if (end > 2 && in.p[1] == '#' &&
	    slice_u64(slice_sub(in, 2, (size_t)end), 0xd7ff, &cp) == 0 && cp) {
		struct buf utf8 = BUF_INIT(4);
		utf8_encode(&utf8, (uint32_t)cp);
		put_all(out, buf_view(&utf8));
		buf_fini(&utf8);
		return (size_t)end + 1;
	}
	put(out, '&');
	return 1;
}

/* Behind "<": the end of the tag, or of the whole element where its content is no text. */
static size_t skip_tag(struct slice in)
{
	static const char *const hidden[][2] = { { "<style", "</style" },
						 { "<script", "</script" },
						 { "<title", "</title" },
						 { "<!--", "-->" } };
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++) {
		struct slice end = slice_str(hidden[i][1]);
		if (!slice_starts_ci(in, slice_str(hidden[i][0])))
			continue;
		for (ptrdiff_t at = 4; (at = slice_find_byte(in, end.p[0], (size_t)at)) >= 0;
		     at++) {
			if (slice_starts_ci(slice_sub(in, (size_t)at, in.n), end))
				return (size_t)at + (end.p[0] == '-' ? end.n : 0);
		}
		return in.n;
	}
	ptrdiff_t end = slice_find_byte(in, '>', 0);
	return end < 0 ? in.n : (size_t)end + 1;
}

static void put_html(struct sink *to, struct slice in)
{
	for (size_t at = 0; at < in.n && !to->full;) {
		struct slice rest = slice_sub(in, at, in.n);
		if (rest.p[0] == '<') {
			at += skip_tag(rest);
			put(to, ' ');
		} else if (rest.p[0] == '&') {
			at += entity(rest, to);
		} else {
			put(to, rest.p[0]);
			at++;
		}
	}
}

static void set_text(struct digest_run *r, const Postern__DigestPart *p)
{
	bool html = is(p->subtype, "html");
	size_t most = html ? HTML_SOURCE_MAX : SOURCE_MAX;
	struct slice body = slice_sub(slice_sub(r->in, p->body_start, p->body_end), 0, most);
	struct buf bytes = BUF_INIT(most), text = BUF_INIT(4 * most);
	enum transfer how = transfer_by_name(digest_slice(p->encoding));
	struct sink to = { .p = arena_alloc(r->arena, DIGEST_TEXT_MAX) };
	if (how == TRANSFER_BASE64 || how == TRANSFER_QP) {
		struct decoder d = decoder_of(how);
		decoder_feed(&d, body, &bytes);
		decoder_end(&d, &bytes);
		body = buf_view(&bytes);
	}
	charset_to_utf8(charset_of(p), body, &text);
	if (html)
		put_html(&to, buf_view(&text));
	else
		put_all(&to, buf_view(&text));
	to.n -= to.n && to.p[to.n - 1] == ' ';
	r->d->text = digest_data(slice_of(to.p, to.n));
	buf_fini(&bytes);
	buf_fini(&text);
}

void digest_text(struct digest_run *r)
{
	const Postern__DigestPart *p = find_text(r->d);
	for (size_t i = 1; i < r->d->n_parts; i++) {
		if (is_attachment(r->d->parts[i]))
			r->d->flags |= DIGEST_ATTACHMENT;
	}
	if (p)
		set_text(r, p);
}
