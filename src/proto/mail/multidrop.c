/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/mail/multidrop.h"

#include "base/codec.h"
#include "base/err.h"
#include "proto/mail/address.h"
#include "proto/mail/digest.h"

static const char delivered[] = "Delivered-To: ", original[] = "X-Original-To: ";

static bool fits_line(struct slice address)
{
	if (!address.n || address.n > ADDR_TEXT_MAX)
		return false;
	for (size_t i = 0; i < address.n; i++)
		if (address.p[i] < ' ' || address.p[i] == 0x7f)
			return false;
	return true;
}

int multidrop_lines(struct buf *out, struct slice address)
{
	if (!fits_line(address))
		return ERR_INVALID;
	buf_printf(out, "%s" SLICE_FMT "\r\n%s" SLICE_FMT "\r\n", delivered, SLICE_ARG(address), original,
		   SLICE_ARG(address));
	return buf_ok(out) ? 0 : ERR_TOO_BIG;
}

/* The message's own header begins where it began; everything else moves. */
static void shift(Postern__Digest *d, uint64_t n)
{
	d->size += n;
	d->body_start += n;
	for (size_t i = 0; i < d->n_parts; i++) {
		d->parts[i]->header_start += i ? n : 0;
		d->parts[i]->body_start += n;
		d->parts[i]->body_end += n;
	}
}

static void name_first(struct arena *a, Postern__Digest *d, struct slice address)
{
	ProtobufCBinaryData *all = ARENA_ARRAY(a, ProtobufCBinaryData, d->n_delivered_to + 1);
	struct slice lower = arena_dup(a, address);
	for (size_t i = 0; i < lower.n; i++)
		((uint8_t *)lower.p)[i] = ascii_lower(lower.p[i]);
	all[0] = (ProtobufCBinaryData){ lower.n, (uint8_t *)lower.p };
	for (size_t i = 0; i < d->n_delivered_to; i++)
		all[i + 1] = d->delivered_to[i];
	d->delivered_to = all;
	d->n_delivered_to++;
}

int multidrop_digest(struct arena *a, struct slice digest, struct slice address, struct slice *ret)
{
	Postern__Digest *d;
	int err = digest_unpack_in(a, digest, &d);
	if (err < 0)
		return err;
	shift(d, sizeof(delivered) + sizeof(original) - 2 + 2 * address.n + 4);
	d->delivered_count++;
	if (!ascii_only(address))
		d->flags |= DIGEST_HEADER_8BIT;
	name_first(a, d, address);
	if (postern__digest__get_packed_size(d) > DIGEST_MAX) {	/* a full one: it counts, and is not named */
		d->delivered_to++;
		d->n_delivered_to--;
	}
	size_t n = postern__digest__get_packed_size(d);
	uint8_t *packed = arena_alloc(a, n);
	*ret = slice_of(packed, postern__digest__pack(d, packed));
	return n > DIGEST_MAX ? ERR_TOO_BIG : 0;
}
