/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The message in one pass, line by line, with a stack of the parts that are open (RFC 2046 5.1). No
 * recursion. A line "--boundary" of any open multipart ends all parts above it, the longest
 * boundary counting where several fit (5.1.2: the beginning of the line decides); the line end
 * before it belongs to the delimiter. A delimiter also ends a header that has no empty line. Behind
 * a closing delimiter a multipart's boundary counts no more.
 *
 * Bounds (THREATS S17-S20): depth, parts and values by the limits of digest.h and digest_priv.h;
 * the search for boundaries by BOUNDARY_WORK_MAX, past which no further parts are looked for.
 */
#include "proto/mail/digest_priv.h"

#include "base/err.h"

enum { BOUNDARY_WORK_MAX = 20 * 1000 * 1000 };

struct line {
	size_t start, end; /* with its line end */
	uint64_t lines;    /* line ends before it */
};

bool digest_pay(struct digest_run *r, struct budget *b, size_t cost)
{
	if (cost > b->left) {
		digest_limited(r);
		return false;
	}
	b->left -= cost;
	return true;
}

ProtobufCBinaryData digest_keep(struct digest_run *r, struct budget *b, struct slice s, size_t max)
{
	if (s.n > max) {
		digest_limited(r);
		s.n = max;
	}
	if (!digest_pay(r, b, s.n + VALUE_COST))
		s.n = 0;
	return digest_data(arena_dup(r->arena, s));
}

static bool is_empty_line(struct slice in, struct line l)
{
	return l.end - l.start == 1
		       ? in.p[l.start] == '\n'
		       : l.end - l.start == 2 && in.p[l.start] == '\r' && in.p[l.start + 1] == '\n';
}

/* The frame whose delimiter this line is, or -1. */
static int find_boundary(struct digest_run *r, struct line l)
{
	size_t n = l.end - l.start, best = 0;
	int found = -1;
	if (r->full || n < 3 || r->in.p[l.start] != '-' || r->in.p[l.start + 1] != '-')
		return -1;
	const uint8_t *at = r->in.p + l.start + 2;
	for (int i = (int)r->depth - 1; i >= 0; i--) {
		struct slice b = r->stack[i].boundary;
		if (b.n > best && b.n <= n - 2 && b.p[0] == at[0] && memcmp(b.p, at, b.n) == 0) {
			best = b.n;
			found = i;
		}
	}
	r->work += r->depth;
	if (r->work > BOUNDARY_WORK_MAX) {
		r->full = true;
		digest_limited(r);
	}
	return found;
}

/* Ends all parts above depth at byte end, with so many line ends before it. Where a body has not
 * even begun there (the empty line of its header is the delimiter's line end) it and what it is in
 * end a line later. */
static void pop(struct digest_run *r, unsigned depth, size_t end, uint64_t lines)
{
	while (r->depth > depth) {
		struct digest_frame *f = &r->stack[--r->depth];
		Postern__DigestPart *p = r->parts[f->part];
		if (end < p->body_start) {
			end = p->body_start;
			lines = f->lines;
		}
		p->body_end = end;
		p->body_lines = lines - f->lines;
	}
}

/* A new part under the one on top; false where there may be no more. */
static bool push(struct digest_run *r, struct line at)
{
	if (r->n_parts == DIGEST_PARTS_MAX || r->depth == DIGEST_DEPTH_MAX) {
		digest_limited(r);
		return false;
	}
	Postern__DigestPart *p = ARENA_NEW(r->arena, Postern__DigestPart);
	postern__digest_part__init(p);
	p->parent = r->depth ? r->stack[r->depth - 1].part : 0;
	p->header_start = at.end;
	p->body_start = UINT64_MAX;
	r->stack[r->depth++] = (struct digest_frame){ .part = r->n_parts };
	r->parts[r->n_parts++] = p;
	return true;
}

static bool in_header(const struct digest_run *r)
{
	return r->parts[r->stack[r->depth - 1].part]->body_start == UINT64_MAX;
}

static bool parent_is_digest(const struct digest_run *r)
{
	if (r->depth < 2)
		return false;
	const Postern__DigestPart *p = r->parts[r->stack[r->depth - 2].part];
	return digest_is_multipart(p) && slice_eq(digest_slice(p->subtype), SLICE("digest"));
}

/* The header on top ends at end: reads its fields, opens what is inside. */
static void end_header(struct digest_run *r, size_t end, uint64_t lines)
{
	struct digest_frame *f = &r->stack[r->depth - 1];
	Postern__DigestPart *p = r->parts[f->part];
	struct slice header = slice_sub(r->in, p->header_start, end);
	p->body_start = end;
	f->lines = lines;
	f->boundary = digest_part_fields(r, header, parent_is_digest(r), p);
	if (r->depth == DIGEST_DEPTH_MAX && (f->boundary.n || digest_is_message(p))) {
		digest_limited(r);
		digest_make_opaque(r, p);
		f->boundary.n = 0;
	}
	if (f->part == 0)
		digest_message_fields(r, header);
	if (f->part > 0 && p->parent < f->part && digest_is_message(r->parts[p->parent])) {
		struct budget b = { r->strings.left < INNER_ENVELOPE_MAX ? r->strings.left
									 : INNER_ENVELOPE_MAX };
		size_t before = b.left;
		r->parts[p->parent]->envelope = digest_envelope(r, header, &b);
		r->strings.left -= before - b.left;
	}
	if (digest_is_message(p) && !(p->flags & DIGEST_PART_OPAQUE) &&
	    !push(r, (struct line){ .end = end }))
		digest_make_opaque(r, p);
	arena_reset(r->scratch);
}

/* Where the content before a delimiter ends: its line end is the delimiter's. */
static size_t content_end(struct slice in, size_t at, uint64_t *lines)
{
	if (at == 0 || in.p[at - 1] != '\n')
		return at;
	--*lines;
	return at >= 2 && in.p[at - 2] == '\r' ? at - 2 : at - 1;
}

static void delimiter(struct digest_run *r, struct line l, unsigned frame)
{
	struct digest_frame *f = &r->stack[frame];
	const uint8_t *behind = r->in.p + l.start + 2 + f->boundary.n;
	size_t left = l.end - l.start - 2 - f->boundary.n;
	bool last = left >= 2 && behind[0] == '-' && behind[1] == '-';
	if (!last && r->n_parts == DIGEST_PARTS_MAX) {
		r->full = true;
		digest_limited(r);
		digest_make_opaque(r, r->parts[r->stack[r->depth - 1].part]);
		return;
	}
	uint64_t lines = l.lines;
	size_t end = content_end(r->in, l.start, &lines);
	pop(r, frame + 1, end, lines);
	if (last)
		f->boundary.n = 0;
	else if (!push(r, l))
		bug_if(true); /* depth: a multipart at the end of the stack has no boundary */
}

static void note_line_end(struct digest_run *r, struct line l)
{
	size_t n = l.end - l.start;
	bool lf = r->in.p[l.end - 1] == '\n';
	bool crlf = lf && n >= 2 && r->in.p[l.end - 2] == '\r';
	size_t text = n - (crlf ? 2 : lf);
	if ((lf && !crlf) || (text && memchr(r->in.p + l.start, '\r', text)))
		r->d->flags |= DIGEST_BARE_CR_LF;
}

static void read_line(struct digest_run *r, struct line l)
{
	if (!(r->d->flags & DIGEST_BARE_CR_LF))
		note_line_end(r, l);
	int frame = find_boundary(r, l);
	/* Headers without an empty line: several at once where messages sit in messages. */
	while (frame >= 0 && in_header(r))
		end_header(r, l.start, l.lines);
	if (frame >= 0)
		delimiter(r, l, (unsigned)frame);
	else if (in_header(r) && is_empty_line(r->in, l))
		end_header(r, l.end, l.lines + 1);
}

static void finish(struct digest_run *r, uint64_t lines)
{
	Postern__Digest *d = r->d;
	while (in_header(r))
		end_header(r, r->in.n, lines);
	pop(r, 0, r->in.n, lines);
	d->n_parts = r->n_parts;
	d->parts = ARENA_ARRAY(r->arena, Postern__DigestPart *, r->n_parts);
	memcpy(d->parts, r->parts, r->n_parts * sizeof(r->parts[0]));
	d->body_start = d->parts[0]->body_start;
	digest_text(r);
}

static void scratch_free(void *scratch)
{
	struct arena *a = scratch;
	arena_free(&a);
}

Postern__Digest *digest_make(struct arena *arena, struct slice message)
{
	struct digest_run *r = ARENA_NEW(arena, struct digest_run);
	*r = (struct digest_run){ .in = message, .arena = arena, .scratch = arena_new() };
	arena_on_free(arena, scratch_free, r->scratch);
	r->strings.left = BUDGET_STRINGS;
	r->d = ARENA_NEW(arena, Postern__Digest);
	postern__digest__init(r->d);
	r->d->version = DIGEST_VERSION;
	r->d->size = message.n;
	bool ok = push(r, (struct line){ 0 });
	bug_if(!ok);
	struct line l = { 0 };
	for (; l.start < message.n; l.start = l.end) {
		const uint8_t *lf = memchr(message.p + l.start, '\n', message.n - l.start);
		l.end = lf ? (size_t)(lf - message.p) + 1 : message.n;
		read_line(r, l);
		l.lines += lf != NULL;
	}
	finish(r, l.lines);
	bug_if(postern__digest__get_packed_size(r->d) > DIGEST_MAX);
	return r->d;
}
