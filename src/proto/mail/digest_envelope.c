/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The envelope of a message's header (RFC 9051 7.5.2), and what else the digest says of the whole
 * message. Address fields that stand several times count as one list, so that a second From cannot
 * hide behind the first; of other fields the last one counts (as with Dovecot, and in JMAP, RFC
 * 8621 4.1.3).
 */
#include "proto/mail/digest_priv.h"

#include "base/codec.h"
#include "proto/mail/address.h"
#include "proto/mail/address_list.h"
#include "proto/mail/date.h"
#include "proto/mail/header.h"

enum { MESSAGE_ID_MAX = 250 };

struct list {
	Postern__DigestAddress **a;
	size_t n, room;
	bool full;
};

enum list_id { LIST_FROM, LIST_SENDER, LIST_REPLY_TO, LIST_TO, LIST_CC, LIST_BCC, LIST_COUNT };
static const char *const list_names[LIST_COUNT] = {
	"from", "sender", "reply-to", "to", "cc", "bcc"
};

/* One address of the group's end is kept in reserve, so that a list that was cut is still well
 * formed. */
static bool add(struct digest_run *r, struct budget *b, struct list *l,
		const struct mail_address *from)
{
	size_t cost = from->name.n + from->route.n + from->mailbox.n + from->host.n + ADDRESS_COST;
	if (l->full || l->n == ADDRESSES_MAX || !digest_pay(r, b, cost)) {
		l->full = true;
		digest_limited(r);
		return false;
	}
	if (l->n + 1 >= l->room) {
		size_t room = l->room ? l->room * 2 : 8;
		Postern__DigestAddress **a = ARENA_ARRAY(r->arena, Postern__DigestAddress *, room);
		if (l->n)
			memcpy(a, l->a, l->n * sizeof(*a));
		l->a = a;
		l->room = room;
	}
	Postern__DigestAddress *to = ARENA_NEW(r->arena, Postern__DigestAddress);
	postern__digest_address__init(to);
	to->name = digest_data(arena_dup(r->arena, from->name));
	to->route = digest_data(arena_dup(r->arena, from->route));
	to->mailbox = digest_data(arena_dup(r->arena, from->mailbox));
	to->host = digest_data(arena_dup(r->arena, from->host));
	/* Only a group's start has no host, only its end no mailbox: elsewhere what is missing is
	 * there, empty. */
	bool address = from->kind == MAIL_ADDRESS;
	to->flags = (from->has_name ? DIGEST_ADDR_NAME : 0) |
		    (from->has_route ? DIGEST_ADDR_ROUTE : 0) |
		    (from->has_mailbox || address ? DIGEST_ADDR_MAILBOX : 0) |
		    (address ? DIGEST_ADDR_HOST : 0);
	l->a[l->n++] = to;
	return true;
}

static void add_group_end(struct digest_run *r, struct list *l)
{
	Postern__DigestAddress *end = ARENA_NEW(r->arena, Postern__DigestAddress);
	postern__digest_address__init(end);
	l->a[l->n++] = end;
}

static void add_list(struct digest_run *r, struct budget *b, struct list *l, struct slice raw)
{
	struct address_list in;
	struct mail_address a;
	bool open = false;
	if (l->full)
		return;
	address_list_init(&in, raw);
	while (address_list_next(&in, &a) > 0) {
		if (!add(r, b, l, &a)) {
			if (open)
				add_group_end(r, l);
			break;
		}
		open = a.kind == MAIL_GROUP_START || (open && a.kind != MAIL_GROUP_END);
	}
	if (in.limited)
		digest_limited(r);
	address_list_fini(&in);
}

enum text_id { TEXT_DATE, TEXT_SUBJECT, TEXT_IN_REPLY_TO, TEXT_MESSAGE_ID, TEXT_COUNT };

static const struct {
	const char *name;
	size_t max;
	unsigned flag;
} texts[TEXT_COUNT] = {
	[TEXT_DATE] = { "date", VALUE_MAX, DIGEST_ENV_DATE },
	[TEXT_SUBJECT] = { "subject", SUBJECT_MAX, DIGEST_ENV_SUBJECT },
	[TEXT_IN_REPLY_TO] = { "in-reply-to", 2 * VALUE_MAX, DIGEST_ENV_IN_REPLY_TO },
	[TEXT_MESSAGE_ID] = { "message-id", VALUE_MAX, DIGEST_ENV_MESSAGE_ID },
};

/* Notes where the last of each text field is; reads address fields at once. */
static void see_field(struct digest_run *r, struct budget *b, const struct header_field *f,
		      struct slice found[TEXT_COUNT], struct list lists[LIST_COUNT])
{
	if (f->name.n < 2 || f->name.n > 11)
		return;
	for (int i = 0; i < TEXT_COUNT; i++) {
		if (slice_eq_ci(f->name, slice_str(texts[i].name))) {
			found[i] = f->value;
			return;
		}
	}
	for (int i = 0; i < LIST_COUNT; i++) {
		if (slice_eq_ci(f->name, slice_str(list_names[i])))
			add_list(r, b, &lists[i], f->value);
	}
}

static void set_texts(struct digest_run *r, struct budget *b, const struct slice found[TEXT_COUNT],
		      Postern__DigestEnvelope *e)
{
	ProtobufCBinaryData *to[TEXT_COUNT] = { &e->date, &e->subject, &e->in_reply_to,
						&e->message_id };
	for (int i = 0; i < TEXT_COUNT; i++) {
		if (!found[i].p)
			continue;
		*to[i] = digest_keep(r, b, header_unfold(found[i], texts[i].max + 1, r->scratch),
				     texts[i].max);
		e->flags |= texts[i].flag;
	}
}

Postern__DigestEnvelope *digest_envelope(struct digest_run *r, struct slice header,
					 struct budget *b)
{
	Postern__DigestEnvelope *e = ARENA_NEW(r->arena, Postern__DigestEnvelope);
	struct list l[LIST_COUNT] = { 0 };
	struct slice found[TEXT_COUNT] = { 0 };
	struct header_scan h = header_scan_of(header);
	struct header_field f;
	/* A quarter is kept for the texts, which are read when all fields were seen. */
	struct budget addresses = { b->left / 4 * 3 };
	b->left -= addresses.left;
	postern__digest_envelope__init(e);
	while (header_next(&h, &f) > 0)
		see_field(r, &addresses, &f, found, l);
	set_texts(r, b, found, e);
	b->left += addresses.left;
	e->from = l[LIST_FROM].a, e->n_from = l[LIST_FROM].n;
	e->sender = l[LIST_SENDER].a, e->n_sender = l[LIST_SENDER].n;
	e->reply_to = l[LIST_REPLY_TO].a, e->n_reply_to = l[LIST_REPLY_TO].n;
	e->to = l[LIST_TO].a, e->n_to = l[LIST_TO].n;
	e->cc = l[LIST_CC].a, e->n_cc = l[LIST_CC].n;
	e->bcc = l[LIST_BCC].a, e->n_bcc = l[LIST_BCC].n;
	e->flags |=
		(e->n_sender ? DIGEST_ENV_SENDER : 0) | (e->n_reply_to ? DIGEST_ENV_REPLY_TO : 0);
	return e;
}

/* The domain of the only author; a group or several authors have none. */
static void set_from_domain(struct digest_run *r, const Postern__DigestEnvelope *e)
{
	char domain[ADDR_DOMAIN_MAX + 1];
	if (e->n_from != 1 || e->from[0]->host.len == 0)
		return;
	int n = domain_parse(digest_slice(e->from[0]->host), ADDR_UTF8, domain);
	if (n > 0)
		r->d->from_domain = digest_data(arena_dup(r->arena, slice_of(domain, (size_t)n)));
}

/* Message ids between < and >: the first one and the last ones, as many as there is room for. */
struct references {
	struct slice ids[DIGEST_REFERENCES_MAX];
	size_t n; /* that were seen */
};

static void add_references(struct references *refs, struct slice v)
{
	for (size_t at = 0; at < v.n;) {
		ptrdiff_t from = slice_find_byte(v, '<', at);
		if (from < 0)
			return;
		size_t end = (size_t)from + 1;
		while (end < v.n && v.p[end] > ' ' && v.p[end] != '<' && v.p[end] != '>')
			end++;
		at = end;
		if (end == v.n || v.p[end] != '>' || end - (size_t)from > MESSAGE_ID_MAX)
			continue;
		size_t to = refs->n < DIGEST_REFERENCES_MAX
				    ? refs->n
				    : 1 + (refs->n - 1) % (DIGEST_REFERENCES_MAX - 1);
		refs->ids[to] = slice_sub(v, (size_t)from, end + 1);
		refs->n++;
	}
}

static void set_references(struct digest_run *r, const struct references *refs)
{
	struct budget b = { BUDGET_REFERENCES };
	size_t n = refs->n < DIGEST_REFERENCES_MAX ? refs->n : DIGEST_REFERENCES_MAX;
	size_t oldest = refs->n > n ? (refs->n - 1) % (DIGEST_REFERENCES_MAX - 1) : 0;
	if (n == 0)
		return;
	r->d->references = ARENA_ARRAY(r->arena, ProtobufCBinaryData, n);
	for (size_t i = 0; i < n; i++) {
		size_t at = i == 0 ? 0 : 1 + (oldest + i - 1) % (DIGEST_REFERENCES_MAX - 1);
		ProtobufCBinaryData id = digest_keep(r, &b, refs->ids[at], MESSAGE_ID_MAX + 1);
		if (id.len)
			r->d->references[r->d->n_references++] = id;
	}
}

static void set_short(struct digest_run *r, struct slice raw, ProtobufCBinaryData *ret)
{
	enum { SHORT_MAX = 500 };
	if (ret->len == 0)
		*ret = digest_data(arena_dup(r->arena, header_unfold(raw, SHORT_MAX, r->scratch)));
}

/* Only values that fit an address are kept; whoever passes mail on looks for himself among them (S37). */
static void add_delivered(struct digest_run *r, struct budget *b, struct slice raw)
{
	enum { VALUES_MAX = 50 };
	Postern__Digest *d = r->d;
	struct slice v = slice_trim(raw);
	d->delivered_count++;
	if (!v.n || v.n > ADDR_TEXT_MAX || d->n_delivered_to == VALUES_MAX || !digest_pay(r, b, v.n + VALUE_COST))
		return;
	if (!d->delivered_to)
		d->delivered_to = ARENA_ARRAY(r->arena, ProtobufCBinaryData, VALUES_MAX);
	v = arena_dup(r->arena, v);
	for (size_t i = 0; i < v.n; i++)
		((uint8_t *)v.p)[i] = ascii_lower(v.p[i]);
	d->delivered_to[d->n_delivered_to++] = digest_data(v);
}

static void message_field(struct digest_run *r, const struct header_field *f,
			  struct references *refs, struct budget *delivered)
{
	Postern__Digest *d = r->d;
	if (slice_eq_ci(f->name, SLICE("received"))) {
		d->received_count++;
	} else if (slice_eq_ci(f->name, SLICE("delivered-to"))) {
		add_delivered(r, delivered, f->value);
	} else if (slice_eq_ci(f->name, SLICE("references")) ||
		   slice_eq_ci(f->name, SLICE("in-reply-to"))) {
		add_references(refs, f->value);
	} else if (slice_eq_ci(f->name, SLICE("list-id"))) {
		set_short(r, f->value, &d->list_id);
	} else if (slice_eq_ci(f->name, SLICE("auto-submitted")) && d->auto_submitted.len == 0) {
		set_short(r, f->value, &d->auto_submitted);
		for (size_t i = 0; i < d->auto_submitted.len; i++)
			d->auto_submitted.data[i] = ascii_lower(d->auto_submitted.data[i]);
	}
}

void digest_message_fields(struct digest_run *r, struct slice header)
{
	struct references refs = { .n = 0 };
	struct header_scan h = header_scan_of(header);
	struct header_field f;
	struct budget b = { BUDGET_ENVELOPE }, delivered = { BUDGET_DELIVERED };
	struct mail_date date;
	while (header_next(&h, &f) > 0)
		message_field(r, &f, &refs, &delivered);
	r->d->envelope = digest_envelope(r, header, &b);
	if (mail_date_parse(digest_slice(r->d->envelope->date), &date) == 0)
		r->d->date_ms = date.ms;
	if (!ascii_only(header))
		r->d->flags |= DIGEST_HEADER_8BIT;
	set_from_domain(r, r->d->envelope);
	set_references(r, &refs);
	digest_authors(r, header);
}
