/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One FETCH line (RFC 3501 7.4.2). Bytes of a message go out as they are stored. Sections come from the digest's
 * offsets; of the message itself only header fields are ever looked at, for HEADER.FIELDS. Invariant: whatever the
 * digest says, a gap lies inside the item's bytes, so a lying digest costs a wrong section, never an over-read.
 */
#include "room/imapd/fetch_priv.h"

#include "base/err.h"
#include "proto/imap/render.h"
#include "proto/imap/write.h"
#include "proto/mail/digest.h"
#include "proto/mail/header.h"

#include <errno.h>

unsigned fetch_needs(const struct imap_fetch_args *args)
{
	unsigned needs = 0;

	if (args->items & (IMAP_FETCH_ENVELOPE | IMAP_FETCH_BODY | IMAP_FETCH_BODYSTRUCTURE))
		needs |= FETCH_DIGEST;
	for (size_t i = 0; i < args->n_sections; i++) {
		const struct imap_section *s = &args->sections[i];
		if (s->n_path)
			needs |= FETCH_DIGEST | FETCH_HEADER | FETCH_BODY;
		else if (s->kind == IMAP_SECTION_ALL)
			needs |= FETCH_HEADER | FETCH_BODY;
		else if (s->kind == IMAP_SECTION_TEXT)
			needs |= FETCH_BODY;
		else
			needs |= FETCH_HEADER;
	}
	return needs;
}

static void put_number(struct buf *out, const char *before, uint64_t n, const char *behind)
{
	buf_str(out, before);
	buf_u64(out, n);
	buf_str(out, behind);
}

/* What there is of a message in the batch's bytes, and where it would begin as a whole. */
struct source {
	const struct fetch_bytes *bytes;
	uint64_t offset, header, body;	/* in the memfd */
	const Postern__Digest *digest;
};

static enum digest_kind kind_of(enum imap_section_kind kind)
{
	switch (kind) {
	case IMAP_SECTION_TEXT:
		return DIGEST_TEXT;
	case IMAP_SECTION_MIME:
		return DIGEST_MIME;
	case IMAP_SECTION_ALL:
		return DIGEST_WHOLE;
	default:
		return DIGEST_HEADER;
	}
}

/* Where the section lies in the memfd. */
static int locate(const struct source *src, const struct imap_section *s, struct digest_range *ret)
{
	struct digest_range r;

	if (!s->n_path) {
		bool header = s->kind != IMAP_SECTION_TEXT, body = !header || s->kind == IMAP_SECTION_ALL;
		ret->offset = src->offset + (header ? 0 : src->header);
		ret->length = (header ? src->header : 0) + (body ? src->body : 0);
		return 0;
	}
	if (!src->digest)
		return ERR_NOT_FOUND;
	int err = digest_section(src->digest, s->path, s->n_path, kind_of(s->kind), &r);
	if (err < 0)
		return err;
	uint64_t whole = src->header + src->body;
	if (r.offset > whole || r.length > whole - r.offset)
		return ERR_CORRUPT;
	ret->offset = src->offset + r.offset;
	ret->length = r.length;
	return 0;
}

static void cut(const struct imap_section *s, struct digest_range *r)
{
	if (!s->partial)
		return;
	uint64_t from = s->from < r->length ? s->from : r->length;
	r->offset += from;
	r->length -= from;
	if (r->length > s->count)
		r->length = s->count;
}

static bool asked(const struct imap_section *s, struct slice name)
{
	for (size_t i = 0; i < s->n_fields; i++) {
		if (slice_eq_ci(s->fields[i], name))
			return true;
	}
	return false;
}

/* HEADER.FIELDS (.NOT): the lines of those fields as they stand, then the empty line. */
static void put_fields(struct fetch_line *l, const struct imap_section *s, struct slice header)
{
	struct header_scan scan = header_scan_of(header);
	struct header_field f;
	struct buf b = BUF_INIT(LINE_TEXT_MAX);

	while (header_next(&scan, &f) == 1) {
		if (asked(s, f.name) == (s->kind == IMAP_SECTION_FIELDS))
			buf_slice(&b, f.whole);
	}
	buf_str(&b, "\r\n");
	struct digest_range r = { 0, b.n };
	cut(s, &r);
	buf_printf(&l->text, "{%zu}\r\n", (size_t)r.length);
	buf_append(&l->text, b.p + r.offset, (size_t)r.length);
	buf_fini(&b);
}

static void put_bytes(struct fetch_line *l, const struct source *src, const struct digest_range *r)
{
	put_number(&l->text, "{", r->length, "}\r\n");
	if (r->length > GAP_LEAST && l->n_gaps < GAPS_MAX)
		l->gaps[l->n_gaps++] = (struct gap){ l->text.n, r->offset, r->length };
	else
		buf_append(&l->text, src->bytes->map.p + r->offset, (size_t)r->length);
}

static void put_section(struct fetch_line *l, const struct source *src, const struct imap_section *s)
{
	struct digest_range r;

	buf_byte(&l->text, ' ');
	imap_section_write(&l->text, s);
	buf_byte(&l->text, ' ');
	if (locate(src, s, &r) < 0) {
		buf_str(&l->text, "NIL");
	} else if (s->kind == IMAP_SECTION_FIELDS || s->kind == IMAP_SECTION_FIELDS_NOT) {
		put_fields(l, s, slice_sub(src->bytes->map, (size_t)r.offset, (size_t)(r.offset + r.length)));
	} else {
		cut(s, &r);
		put_bytes(l, src, &r);
	}
}

static void put_view_items(struct fetch_line *l, struct conn *c, unsigned items, struct view_msg *m)
{
	struct buf *out = &l->text;

	if ((items & IMAP_FETCH_FLAGS) || (m->bits & VIEW_CHANGED)) {
		buf_byte(out, ' ');
		sync_put_flags(c->view, m, out);
		if ((m->bits & VIEW_CHANGED) && c->condstore)
			items |= IMAP_FETCH_MODSEQ;
		m->bits &= ~(uint32_t)VIEW_CHANGED & 0xff;
	}
	if (items & IMAP_FETCH_INTERNALDATE) {
		buf_str(out, " INTERNALDATE ");
		imap_put_date_time(out, view_date_ms(m));
	}
	if (items & IMAP_FETCH_SIZE)
		put_number(out, " RFC822.SIZE ", m->size, "");
	if (items & IMAP_FETCH_MODSEQ)
		put_number(out, " MODSEQ (", m->modseq, ")");
}

static void put_digest_items(struct fetch_line *l, struct conn *c, unsigned items, const Postern__Digest *d)
{
	struct buf *out = &l->text;

	if (!d)
		return;
	if (items & IMAP_FETCH_ENVELOPE) {
		buf_str(out, " ENVELOPE ");
		imap_render_envelope(out, d->envelope, c->utf8);
	}
	if (items & IMAP_FETCH_BODY) {
		buf_str(out, " BODY ");
		imap_render_bodystructure(out, d, false);
	}
	if (items & IMAP_FETCH_BODYSTRUCTURE) {
		buf_str(out, " BODYSTRUCTURE ");
		imap_render_bodystructure(out, d, true);
	}
}

static bool source_of(struct source *src, const Postern__FetchItem *item, const struct fetch_bytes *bytes)
{
	uint64_t whole = bytes->map.n;

	*src = (struct source){ .bytes = bytes, .offset = item->offset, .header = item->header_length,
				.body = item->body_length };
	return src->offset <= whole && src->header <= whole - src->offset &&
	       src->body <= whole - src->offset - src->header;
}

void fetch_line_make(struct fetch_line *l, struct conn *c, const struct imap_fetch_args *args, size_t at, bool uid,
		     const Postern__FetchItem *item, const struct fetch_bytes *bytes)
{
	struct view_msg *m = &c->view->msgs[at];
	struct source src = { 0 };
	Postern__Digest *digest = NULL;
	bool usable = item && source_of(&src, item, bytes);

	buf_clear(&l->text);
	l->n_gaps = l->gap = l->written = 0;
	l->gap_done = 0;
	if (item && item->digest.len) {
		if (!l->arena)
			l->arena = arena_new();
		arena_reset(l->arena);
		if (digest_unpack_in(l->arena, slice_of(item->digest.data, item->digest.len), &digest) < 0)
			digest = NULL;
	}
	src.digest = digest;
	put_number(&l->text, "* ", at + 1, " FETCH (");
	size_t first = l->text.n;
	if (uid || (args->items & IMAP_FETCH_UID))
		put_number(&l->text, " UID ", m->uid, "");
	put_view_items(l, c, args->items, m);
	put_digest_items(l, c, args->items, digest);
	for (size_t i = 0; i < args->n_sections && usable; i++)
		put_section(l, &src, &args->sections[i]);
	/* Each item brought a space in front; the first one's goes. */
	if (l->text.n > first) {
		memmove(l->text.p + first, l->text.p + first + 1, l->text.n - first - 1);
		l->text.n--;
		for (size_t i = 0; i < l->n_gaps; i++)
			l->gaps[i].at--;
	}
	buf_str(&l->text, ")\r\n");
}

/* ---- writing ---- */

static int write_gap(struct fetch_line *l, struct conn *c, const struct fetch_bytes *bytes)
{
	static uint8_t piece[PIECE];
	const struct gap *g = &l->gaps[l->gap];

	while (l->gap_done < g->n) {
		if (stream_congested(c->stream))
			return 0;
		size_t want = g->n - l->gap_done < PIECE ? (size_t)(g->n - l->gap_done) : PIECE;
		ssize_t got = pread(bytes->fd, piece, want, (off_t)(g->offset + l->gap_done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 ? -errno : ERR_CORRUPT;
		stream_write(c->stream, slice_of(piece, (size_t)got));
		l->gap_done += (uint64_t)got;
	}
	l->gap++;
	l->gap_done = 0;
	return 1;
}

int fetch_line_write(struct fetch_line *l, struct conn *c, const struct fetch_bytes *bytes)
{
	if (!buf_ok(&l->text))
		return ERR_TOO_BIG;
	for (;;) {
		size_t to = l->gap < l->n_gaps ? l->gaps[l->gap].at : l->text.n;
		while (l->written < to) {
			if (stream_congested(c->stream))
				return 0;
			size_t n = to - l->written < PIECE ? to - l->written : PIECE;
			stream_write(c->stream, slice_of(l->text.p + l->written, n));
			l->written += n;
		}
		if (l->gap == l->n_gaps)
			return 1;
		int got = write_gap(l, c, bytes);
		if (got <= 0)
			return got;
	}
}
