/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text is compared after its encodings are undone: encoded words of headers, transfer encoding and charset of text
 * parts, then case folding (RFC 3501 6.4.4). A part is folded piece by piece with an overlap longer than the needle,
 * so the memory for it does not grow with the part. Parts that are no text are not looked into, but TEXT finds what
 * they are called. The header of an attached message is text of the body like what stands under it.
 */
#include "room/imapd/search_content.h"

#include "base/err.h"
#include "proto/mail/address_list.h"
#include "proto/mail/charset.h"
#include "proto/mail/date.h"
#include "proto/mail/decode.h"
#include "proto/mail/header.h"
#include "proto/mail/param.h"
#include "proto/mail/words.h"

enum { PIECE = 65536, VALUE_MAX = 1 << 20 };

/* Does utf8 hold the needle, folded? */
static bool holds(struct slice utf8, struct slice folded)
{
	/* Folding can make text shorter: four bytes of text for one of the needle are enough. */
	size_t overlap = folded.n * 4 + 64, at = 0;
	bool found = false;

	while (!found) {
		size_t end = at + PIECE + overlap < utf8.n ? at + PIECE + overlap : utf8.n;
		while (end < utf8.n && (utf8.p[end] & 0xc0) == 0x80)
			end++;
		struct arena *a = arena_new();
		struct slice piece = imap_search_fold(a, slice_sub(utf8, at, end));
		found = slice_find(piece, folded, 0) >= 0;
		arena_free(&a);
		if (end >= utf8.n)
			break;
		at += PIECE;
		while (at < utf8.n && (utf8.p[at] & 0xc0) == 0x80)
			at++;
	}
	return found;
}

static bool value_holds(struct slice value, struct slice folded)
{
	struct buf text = BUF_INIT(VALUE_MAX);

	words_decode(value, &text);
	bool found = holds(buf_view(&text), folded);
	buf_fini(&text);
	return found;
}

/* Addresses are also compared as what they mean, without comments and blanks (RFC 5322 4.4, 3.2.2). */
static bool address_holds(struct slice value, struct slice folded)
{
	struct address_list list;
	struct mail_address a;
	struct buf text = BUF_INIT(VALUE_MAX);
	bool found = false;

	address_list_init(&list, value);
	while (!found && address_list_next(&list, &a) == 1) {
		buf_clear(&text);
		buf_slice(&text, a.mailbox);
		if (a.has_host)
			buf_byte(&text, '@');
		buf_slice(&text, a.host);
		found = a.kind == MAIL_ADDRESS && holds(buf_view(&text), folded);
	}
	address_list_fini(&list);
	buf_fini(&text);
	return found;
}

static bool is_address_field(struct slice name)
{
	static const char *const names[] = { "From", "To", "Cc", "Bcc", "Sender", "Reply-To" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (slice_eq_ci(name, slice_str(names[i])))
			return true;
	}
	return false;
}

bool search_content_header(const struct search_content *c, struct slice field, struct slice folded)
{
	struct header_scan scan = header_scan_of(c->header);
	struct header_field f;

	while (header_next(&scan, &f) == 1) {
		if (!slice_eq_ci(f.name, field))
			continue;
		if (!folded.n || value_holds(f.value, folded) ||
		    (is_address_field(field) && address_holds(f.value, folded)))
			return true;
	}
	return false;
}

static bool any_header_holds(struct slice header, struct slice folded)
{
	struct header_scan scan = header_scan_of(header);
	struct header_field f;

	while (header_next(&scan, &f) == 1) {
		if (value_holds(f.whole, folded))
			return true;
	}
	return false;
}

static struct slice slice_of_data(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}

static struct slice charset_of(const Postern__DigestPart *part)
{
	for (size_t i = 0; i < part->n_params; i++) {
		if (slice_eq_ci(slice_of_data(part->params[i]->name), SLICE("charset")))
			return slice_of_data(part->params[i]->value);
	}
	return (struct slice){ 0 };
}

static bool part_holds(const Postern__DigestPart *part, struct slice raw, struct slice folded)
{
	struct buf decoded = BUF_INIT(SEARCH_TEXT_MAX), text = BUF_INIT(SEARCH_TEXT_MAX);
	struct decoder d = decoder_of(transfer_by_name(slice_of_data(part->encoding)));

	decoder_feed(&d, raw, &decoded);
	decoder_end(&d, &decoded);
	IGNORE(charset_to_utf8(charset_of(part), buf_view(&decoded), &text), "an unknown charset is taken for UTF-8");
	bool found = holds(buf_view(&text), folded);
	buf_fini(&decoded);
	buf_fini(&text);
	return found;
}

/* Bytes of the body; the digest counts from the header's first byte. */
static struct slice body_bytes(const struct search_content *c, uint64_t start, uint64_t end)
{
	uint64_t header = c->header.n;

	if (start < header || end < start || end - header > c->body.n)
		return (struct slice){ 0 };
	return slice_sub(c->body, (size_t)(start - header), (size_t)(end - header));
}

static bool params_hold(Postern__DigestParam **params, size_t n, struct slice folded)
{
	struct buf text = BUF_INIT(VALUE_MAX);
	bool found = false;

	for (size_t i = 0; !found && i < n; i++) {
		struct param p = { slice_of_data(params[i]->name), slice_of_data(params[i]->value) };
		buf_clear(&text);
		param_text(&p, &text);
		found = holds(buf_view(&text), folded);
	}
	buf_fini(&text);
	return found;
}

/* What stands over part i: an attached message's fields, which are of the body; the fields of a part itself are not. */
static bool part_header_holds(const struct search_content *c, size_t i, bool with_header, struct slice folded)
{
	const Postern__DigestPart *part = c->digest->parts[i], *over = c->digest->parts[part->parent];
	bool attached = slice_eq_ci(slice_of_data(over->type), SLICE("message"));

	if (i == 0 || (!attached && !with_header))
		return false;
	if (with_header && (params_hold(part->params, part->n_params, folded) ||
			    params_hold(part->disposition_params, part->n_disposition_params, folded)))
		return true;
	return any_header_holds(body_bytes(c, part->header_start, part->body_start), folded);
}

bool search_content_text(const struct search_content *c, bool with_header, struct slice folded)
{
	if (with_header && any_header_holds(c->header, folded))
		return true;
	if (!c->digest)
		return holds(c->body, folded);
	for (size_t i = 0; i < c->digest->n_parts; i++) {
		const Postern__DigestPart *part = c->digest->parts[i];
		if (slice_eq_ci(slice_of_data(part->type), SLICE("text")) &&
		    part_holds(part, body_bytes(c, part->body_start, part->body_end), folded))
			return true;
		if (part_header_holds(c, i, with_header, folded))
			return true;
	}
	return false;
}

bool search_content_sent(const struct search_content *c, int64_t *ret_ms)
{
	struct mail_date date;

	if (!c->digest || !c->digest->envelope ||
	    mail_date_parse(slice_of_data(c->digest->envelope->date), &date) < 0)
		return false;
	*ret_ms = date.ms + (int64_t)date.zone_minutes * 60000;
	return true;
}
