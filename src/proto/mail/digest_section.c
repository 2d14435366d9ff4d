/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a digest: checked unpacking, and the part that a section number names (RFC 3501 6.4.5).
 * The parts are in depth-first order with the index of their parent, so children are found by
 * walking forward from it.
 */
#include "proto/mail/digest_priv.h"

#include "base/err.h"

static bool part_fits(const Postern__Digest *d, size_t i)
{
	const Postern__DigestPart *p = d->parts[i];
	if (p->header_start > p->body_start || p->body_start > p->body_end || p->body_end > d->size)
		return false;
	if (i == 0)
		return p->parent == 0 && p->header_start == 0;
	return p->parent < i && d->parts[p->parent]->body_start <= p->header_start &&
	       p->body_end <= d->parts[p->parent]->body_end;
}

static bool fits(const Postern__Digest *d)
{
	if (d->version != DIGEST_VERSION || d->n_parts == 0 || d->n_parts > DIGEST_PARTS_MAX ||
	    !d->envelope)
		return false;
	uint32_t path[DIGEST_DEPTH_MAX];
	unsigned depth = 0;
	for (uint32_t i = 0; i < d->n_parts; i++) {
		while (depth && path[depth - 1] != d->parts[i]->parent)
			depth--;
		if (!part_fits(d, i) || (i && depth == 0) || depth == DIGEST_DEPTH_MAX)
			return false;
		path[depth++] = i;
	}
	return d->body_start == d->parts[0]->body_start;
}

int digest_unpack(struct slice packed, Postern__Digest **ret)
{
	Postern__Digest *d =
		packed.n <= DIGEST_MAX ? postern__digest__unpack(NULL, packed.n, packed.p) : NULL;
	if (!d)
		return ERR_CORRUPT;
	if (!fits(d)) {
		postern__digest__free_unpacked(d, NULL);
		return ERR_CORRUPT;
	}
	*ret = d;
	return 0;
}

static void *take_from(void *arena, size_t n)
{
	return arena_alloc(arena, n);
}

static void leave(void *arena UNUSED, void *p UNUSED)
{
}

int digest_unpack_in(struct arena *a, struct slice packed, Postern__Digest **ret)
{
	ProtobufCAllocator allocator = { take_from, leave, a };
	Postern__Digest *d =
		packed.n <= DIGEST_MAX ? postern__digest__unpack(&allocator, packed.n, packed.p) : NULL;
	if (!d || !fits(d))
		return ERR_CORRUPT;
	*ret = d;
	return 0;
}

static const Postern__DigestPart *child(const Postern__Digest *d, uint32_t parent, uint32_t number,
					uint32_t *ret)
{
	for (uint32_t i = parent + 1; i < d->n_parts && number; i++) {
		if (d->parts[i]->parent != parent)
			continue;
		if (--number == 0) {
			*ret = i;
			return d->parts[i];
		}
	}
	return NULL;
}

/* One step of a path. at: the message part or multipart to look into; root: at is a message's own
 * part. A message that is no multipart has one part, 1: itself. */
static const Postern__DigestPart *step(const Postern__Digest *d, uint32_t at, bool root,
				       uint32_t number, uint32_t *ret)
{
	const Postern__DigestPart *p = d->parts[at];
	if (!root && digest_is_message(p)) {
		p = child(d, at, 1, &at);
		root = true;
	}
	if (!p)
		return NULL;
	if (digest_is_multipart(p))
		return child(d, at, number, ret);
	*ret = at;
	return root && number == 1 ? p : NULL;
}

static const Postern__DigestPart *walk(const Postern__Digest *d, const uint32_t *path, size_t n,
				       uint32_t *ret)
{
	uint32_t at = 0;
	const Postern__DigestPart *p = d->n_parts ? d->parts[0] : NULL;
	for (size_t i = 0; p && i < n; i++)
		p = step(d, at, i == 0, path[i], &at);
	*ret = at;
	return p;
}

const Postern__DigestPart *digest_part(const Postern__Digest *d, const uint32_t *path, size_t n)
{
	uint32_t at = 0;
	return n ? walk(d, path, n, &at) : NULL;
}

static struct digest_range range(uint64_t from, uint64_t to)
{
	return (struct digest_range){ from, to - from };
}

int digest_section(const Postern__Digest *d, const uint32_t *path, size_t n, enum digest_kind kind,
		   struct digest_range *ret)
{
	uint32_t at = 0;
	const Postern__DigestPart *p = walk(d, path, n, &at);
	if (!p || (kind == DIGEST_MIME && n == 0))
		return ERR_NOT_FOUND;
	if (kind == DIGEST_WHOLE) {
		*ret = n ? range(p->body_start, p->body_end) : range(0, d->size);
		return 0;
	}
	if (kind == DIGEST_MIME) {
		*ret = range(p->header_start, p->body_start);
		return 0;
	}
	if (n) {
		p = digest_is_message(p) ? child(d, at, 1, &at) : NULL;
		if (!p)
			return ERR_NOT_FOUND;
	}
	*ret = kind == DIGEST_HEADER ? range(p->header_start, p->body_start)
				     : range(p->body_start, p->body_end);
	return 0;
}
