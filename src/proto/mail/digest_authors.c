/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a message says it is from (S34, S35): one strict reading of From, Sender and the Resent fields, and what about it is
 * not clear. A name that other readers may take for From ("From :", a lone "From") counts as one that is unclear.
 */
#include "proto/mail/digest_priv.h"

#include "base/err.h"
#include "proto/mail/authors.h"
#include "proto/mail/header.h"

enum field { FIELD_OTHER, FIELD_FROM, FIELD_SENDER };

static enum field field_of(struct slice name)
{
	if (slice_eq_ci(name, SLICE("from")))
		return FIELD_FROM;
	return slice_eq_ci(name, SLICE("sender")) || slice_eq_ci(name, SLICE("resent-from")) ||
			       slice_eq_ci(name, SLICE("resent-sender"))
		       ? FIELD_SENDER
		       : FIELD_OTHER;
}

/* The name as it stands in front of the colon, or the whole first line where there is none. */
static struct slice written_name(const struct header_field *f)
{
	size_t n = 0;
	while (n < f->whole.n && f->whole.p[n] != ':' && f->whole.p[n] != '\r' && f->whole.p[n] != '\n')
		n++;
	return slice_sub(f->whole, 0, n);
}

static void see(struct digest_run *r, const struct header_field *f, struct authors *from, struct authors *senders)
{
	struct slice written = written_name(f);
	enum field field = field_of(slice_trim(written));
	unsigned *flags = &r->d->author_flags;
	bool exact = f->name.n == written.n;
	if (field == FIELD_FROM) {
		*flags |= *flags & DIGEST_FROM_THERE ? DIGEST_FROM_SEVERAL : 0;
		*flags |= DIGEST_FROM_THERE;
		if (!exact || authors_read(r->scratch, f->value, from) < 0)
			*flags |= DIGEST_FROM_UNCLEAR;
	} else if (field == FIELD_SENDER) {
		if (!exact || authors_read(r->scratch, f->value, senders) < 0)
			*flags |= DIGEST_SENDER_UNCLEAR;
	}
}

static struct slice domain_of(struct slice address)
{
	size_t at = address.n;
	while (at && address.p[at - 1] != '@')
		at--;
	return slice_sub(address, at, address.n);
}

/* False where not all of them fit. */
static bool keep(struct digest_run *r, struct budget *b, const struct slice *list, size_t n, ProtobufCBinaryData **ret,
		 size_t *ret_n)
{
	if (n)
		*ret = ARENA_ARRAY(r->arena, ProtobufCBinaryData, n);
	for (size_t i = 0; i < n; i++) {
		if (!digest_pay(r, b, list[i].n + VALUE_COST))
			return false;
		(*ret)[(*ret_n)++] = digest_data(arena_dup(r->arena, list[i]));
	}
	return true;
}

void digest_authors(struct digest_run *r, struct slice header)
{
	struct authors from = { 0 }, senders = { 0 };
	struct budget b = { BUDGET_AUTHORS };
	struct header_scan h = header_scan_of(header);
	struct header_field f;
	Postern__Digest *d = r->d;
	while (header_next(&h, &f) > 0)
		see(r, &f, &from, &senders);
	for (size_t i = 1; i < from.n; i++)
		if (!slice_eq(domain_of(from.list[i]), domain_of(from.list[0])))
			d->author_flags |= DIGEST_FROM_DOMAINS;
	if (!keep(r, &b, from.list, from.n, &d->authors, &d->n_authors))
		d->author_flags |= DIGEST_FROM_UNCLEAR;
	if (!keep(r, &b, senders.list, senders.n, &d->senders, &d->n_senders))
		d->author_flags |= DIGEST_SENDER_UNCLEAR;
	if (!keep(r, &b, from.names, from.n_names, &d->author_names, &d->n_author_names))
		d->author_flags |= DIGEST_FROM_UNCLEAR;
}
