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

/* Does the piece of utf8 from *at on hold the needle, folded? Then *at is where the next one begins, or the end. */
static bool piece_holds(struct slice utf8, size_t *at, struct slice folded)
{
	/* Folding can make text shorter: four bytes of text for one of the needle are enough. */
	size_t overlap = folded.n * 4 + 64, piece = overlap > PIECE ? overlap : PIECE;
	size_t end = *at + piece + overlap < utf8.n ? *at + piece + overlap : utf8.n;

	while (end < utf8.n && (utf8.p[end] & 0xc0) == 0x80)
		end++;
	struct arena *a = arena_new();
	bool found = slice_find(imap_search_fold(a, slice_sub(utf8, *at, end)), folded, 0) >= 0;
	arena_free(&a);
	*at = end < utf8.n ? *at + piece : utf8.n;
	while (*at < utf8.n && (utf8.p[*at] & 0xc0) == 0x80)
		++*at;
	return found;
}

static bool holds(struct slice utf8, struct slice folded)
{
	size_t at = 0;

	do {
		if (piece_holds(utf8, &at, folded))
			return true;
	} while (at < utf8.n);
	return false;
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

static bool field_holds(struct slice header, struct slice field, struct slice folded)
{
	struct header_scan scan = header_scan_of(header);
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

/* ---- slices ---- */

static size_t held;	/* by all passes */

static void spend(struct search_content *c, size_t n)
{
	c->left -= n < c->left ? n : c->left;
}

static void unload(struct search_pass *p)
{
	if (p->loaded)
		buf_fini(&p->text);
	held -= p->held;
	p->held = 0;
	p->loaded = false;
}

void search_content_fini(struct search_content *c)
{
	unload(&c->pass);
	c->pass.under_way = false;
}

/* false: others keep so much that this one has to wait. */
static bool load(struct search_content *c, const Postern__DigestPart *part, struct slice raw)
{
	struct search_pass *p = &c->pass;
	struct buf decoded = BUF_INIT(SEARCH_TEXT_MAX);
	struct decoder d = decoder_of(transfer_by_name(slice_of_data(part->encoding)));

	if (raw.n > SEARCH_SMALL && held && held + raw.n > SEARCH_HELD_MAX)
		return false;
	decoder_feed(&d, raw, &decoded);
	decoder_end(&d, &decoded);
	buf_init(&p->text, SEARCH_TEXT_MAX);
	IGNORE(charset_to_utf8(charset_of(part), buf_view(&decoded), &p->text), "an unknown charset is taken for UTF-8");
	buf_fini(&decoded);
	p->loaded = true;
	p->at = 0;
	p->held = p->text.n;
	held += p->held;
	spend(c, raw.n);
	return true;
}

static enum imap_search_answer look_on(struct search_content *c, struct slice utf8, struct slice folded)
{
	do {
		size_t before = c->pass.at;
		if (!c->left)
			return IMAP_SEARCH_OPEN;
		if (piece_holds(utf8, &c->pass.at, folded))
			return IMAP_SEARCH_YES;
		spend(c, c->pass.at - before);
	} while (c->pass.at < utf8.n);
	return IMAP_SEARCH_NO;
}

static enum imap_search_answer part_on(struct search_content *c, bool with_header, struct slice folded)
{
	const Postern__DigestPart *part = c->digest->parts[c->pass.part];

	if (!c->left)
		return IMAP_SEARCH_OPEN;
	if (slice_eq_ci(slice_of_data(part->type), SLICE("text"))) {
		if (!c->pass.loaded && !load(c, part, body_bytes(c, part->body_start, part->body_end)))
			return IMAP_SEARCH_OPEN;
		enum imap_search_answer a = look_on(c, buf_view(&c->pass.text), folded);
		if (a != IMAP_SEARCH_NO)
			return a;
		unload(&c->pass);
	}
	spend(c, body_bytes(c, part->header_start, part->body_start).n);
	return part_header_holds(c, c->pass.part, with_header, folded) ? IMAP_SEARCH_YES : IMAP_SEARCH_NO;
}

static enum imap_search_answer text_on(struct search_content *c, bool with_header, struct slice folded)
{
	struct search_pass *p = &c->pass;

	if (!p->begun && with_header) {
		spend(c, c->header.n);
		if (any_header_holds(c->header, folded))
			return IMAP_SEARCH_YES;
	}
	p->begun = true;
	if (!c->digest)
		return look_on(c, c->body, folded);
	for (; p->part < c->digest->n_parts; p->part++) {
		enum imap_search_answer a = part_on(c, with_header, folded);
		if (a != IMAP_SEARCH_NO)
			return a;
	}
	return IMAP_SEARCH_NO;
}

/* One key after the other. */
static bool may_look(const struct search_content *c, unsigned key)
{
	return c->left && (!c->pass.under_way || c->pass.key == key);
}

static enum imap_search_answer settle(struct search_content *c, unsigned key, bool yes)
{
	c->known[key] = yes ? 2 : 1;
	return yes ? IMAP_SEARCH_YES : IMAP_SEARCH_NO;
}

enum imap_search_answer search_content_header(struct search_content *c, unsigned key, struct slice field, struct slice folded)
{
	if (c->known[key])
		return c->known[key] == 2 ? IMAP_SEARCH_YES : IMAP_SEARCH_NO;
	if (!may_look(c, key))
		return IMAP_SEARCH_OPEN;
	spend(c, c->header.n);
	return settle(c, key, field_holds(c->header, field, folded));
}

enum imap_search_answer search_content_text(struct search_content *c, unsigned key, bool with_header, struct slice folded)
{
	if (c->known[key])
		return c->known[key] == 2 ? IMAP_SEARCH_YES : IMAP_SEARCH_NO;
	if (!may_look(c, key))
		return IMAP_SEARCH_OPEN;
	if (!c->pass.under_way)
		c->pass = (struct search_pass){ .under_way = true, .key = key };
	enum imap_search_answer a = text_on(c, with_header, folded);
	if (a == IMAP_SEARCH_OPEN)
		return a;
	search_content_fini(c);
	return settle(c, key, a == IMAP_SEARCH_YES);
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
