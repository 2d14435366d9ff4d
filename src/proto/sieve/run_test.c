/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 5228 5: tests of header, addresses, envelope and size; RFC 5229 5 string; RFC 5260 6 :index; RFC 5490 3.1. */
#include "proto/sieve/run_priv.h"

#include "proto/mail/address.h"
#include "proto/mail/address_list.h"
#include "proto/mail/header.h"
#include "proto/mail/words.h"

enum { FIELDS_MAX = 1000, FIELD_MAX = 64 * 1024, ADDRESSES_MAX = 5000 };

struct slice sieve_header(const struct sieve_runner *r)
{
	return slice_sub(r->env->message, 0, r->env->digest->body_start);
}

struct slice sieve_header_text(struct sieve_runner *r, struct slice value)
{
	if (!sieve_charge(r, value.n / 4 + 1))
		return slice_of(NULL, 0);
	struct buf out = BUF_INIT(4 * FIELD_MAX);
	words_decode(header_unfold(value, FIELD_MAX, r->scratch), &out);
	struct slice text = slice_trim(arena_dup(r->scratch, buf_view(&out)));
	buf_fini(&out);
	return text;
}

static void choose_index(const struct sieve_node *n, struct sieve_fields *f)
{
	const struct sieve_arg *a = n && n->tags & TAG_BIT(INDEX) ? sieve_tag_arg(n, TAG_INDEX) : NULL;
	if (!a)
		return;
	if (a->n > f->n) {
		f->n = 0;
		return;
	}
	f->values += sieve_tag(n, TAG_LAST) ? f->n - a->n : a->n - 1;
	f->n = 1;
}

struct sieve_fields sieve_fields(struct sieve_runner *r, const struct sieve_node *n, struct slice name)
{
	struct sieve_fields f = { NULL, 0 };
	struct slice header = sieve_header(r);
	struct header_scan h = header_scan_of(header);
	struct header_field field;
	if (!sieve_charge(r, header.n / 16 + 1))
		return f;
	size_t room = 0;
	while (header_next(&h, &field) == 1 && f.n < FIELDS_MAX) {
		if (!slice_eq_ci(field.name, name))
			continue;
		if (f.n == room) {
			struct slice *more = ARENA_ARRAY(r->scratch, struct slice, 2 * room + 8);
			for (size_t i = 0; i < f.n; i++)
				more[i] = f.values[i];
			f.values = more;
			room = 2 * room + 8;
		}
		f.values[f.n++] = field.value;
	}
	choose_index(n, &f);
	return f;
}

static bool test_header(struct sieve_runner *r, const struct sieve_node *n)
{
	struct sieve_matcher m;
	struct slice *names = sieve_texts(r, n->positional[0]->strings, n->positional[0]->n);
	sieve_matcher_init(&m, r, n, n->positional[1]);
	for (size_t i = 0; i < n->positional[0]->n && r->err == 0; i++) {
		struct sieve_fields f = sieve_fields(r, n, names[i]);
		for (size_t k = 0; k < f.n && r->err == 0; k++) {
			if (sieve_matcher_value(&m, sieve_header_text(r, f.values[k])))
				return true;
		}
	}
	return sieve_matcher_end(&m);
}

static bool test_exists(struct sieve_runner *r, const struct sieve_node *n)
{
	struct slice *names = sieve_texts(r, n->positional[0]->strings, n->positional[0]->n);
	for (size_t i = 0; i < n->positional[0]->n && r->err == 0; i++) {
		if (sieve_fields(r, NULL, names[i]).n == 0)
			return false;
	}
	return r->err == 0;
}

/* ---- addresses ---- */

/* RFC 5228 2.7.4, RFC 5233 4: false where the address has no such part. */
static bool address_part(uint8_t separator, enum sieve_part part, struct slice local, struct slice domain, struct slice all,
			 struct slice *ret)
{
	ptrdiff_t plus = separator ? slice_find_byte(local, separator, 0) : -1;
	switch (part) {
	case PART_ALL: *ret = all; return true;
	case PART_LOCALPART: *ret = local; return true;
	case PART_DOMAIN: *ret = domain; return true;
	case PART_USER: *ret = plus < 0 ? local : slice_sub(local, 0, (size_t)plus); return true;
	default:
		if (plus < 0)
			return false;
		*ret = slice_sub(local, (size_t)plus + 1, local.n);
		return true;
	}
}

static bool match_address(struct sieve_matcher *m, const struct mail_address *a)
{
	struct buf all = BUF_INIT(2 * MAIL_ADDRESS_PART_MAX + 1);
	buf_slice(&all, a->mailbox);
	buf_byte(&all, '@');
	buf_slice(&all, a->host);
	struct slice text = arena_dup(m->r->scratch, buf_view(&all)), value;
	buf_fini(&all);
	struct slice local = slice_sub(text, 0, a->mailbox.n);
	struct slice domain = slice_sub(text, a->mailbox.n + 1, text.n);
	return address_part(m->r->env->separator, m->n->part, local, domain, text, &value) && sieve_matcher_value(m, value);
}

static bool match_address_field(struct sieve_matcher *m, struct slice value)
{
	struct address_list l;
	struct mail_address a;
	bool hit = false;
	unsigned n = 0;
	address_list_init(&l, header_unfold(value, FIELD_MAX, m->r->scratch));
	while (!hit && n++ < ADDRESSES_MAX && sieve_charge(m->r, 16) && address_list_next(&l, &a) == 1) {
		if (a.kind == MAIL_ADDRESS && a.has_mailbox && a.has_host)
			hit = match_address(m, &a);
	}
	address_list_fini(&l);
	return hit;
}

static bool test_address(struct sieve_runner *r, const struct sieve_node *n)
{
	struct sieve_matcher m;
	struct slice *names = sieve_texts(r, n->positional[0]->strings, n->positional[0]->n);
	sieve_matcher_init(&m, r, n, n->positional[1]);
	for (size_t i = 0; i < n->positional[0]->n && r->err == 0; i++) {
		if (!sieve_is_address_header(names[i]))
			continue;
		struct sieve_fields f = sieve_fields(r, n, names[i]);
		for (size_t k = 0; k < f.n && sieve_charge(r, f.values[k].n / 4 + 1); k++) {
			if (match_address_field(&m, f.values[k]))
				return true;
		}
	}
	return sieve_matcher_end(&m);
}

/* The local part as it is meant, without quotes. */
static struct slice plain_local(struct sieve_runner *r, struct slice text, struct slice local)
{
	struct addr a;
	uint8_t raw[ADDR_LOCAL_MAX];
	if (local.n == 0 || local.p[0] != '"' || addr_parse(text, ADDR_UTF8 | ADDR_BARE, &a) < 0)
		return local;
	return arena_dup(r->scratch, slice_of(raw, addr_local_raw(&a, raw)));
}

static size_t last_at(struct slice s)
{
	size_t n = s.n;
	while (n && s.p[n - 1] != '@')
		n--;
	return n ? n - 1 : s.n;
}

/* RFC 5228 5.4: the null sender is an empty string, whichever part is asked for. */
static bool match_envelope(struct sieve_matcher *m, struct slice text)
{
	size_t at = last_at(text);
	struct slice value = text, local = plain_local(m->r, text, slice_sub(text, 0, at));
	if (text.n && !address_part(m->r->env->separator, m->n->part, local, slice_sub(text, at + 1, text.n), text, &value))
		return false;
	return sieve_matcher_value(m, value);
}

static bool test_envelope(struct sieve_runner *r, const struct sieve_node *n)
{
	struct sieve_matcher m;
	struct slice *names = sieve_texts(r, n->positional[0]->strings, n->positional[0]->n);
	sieve_matcher_init(&m, r, n, n->positional[1]);
	for (size_t i = 0; i < n->positional[0]->n && r->err == 0; i++) {
		bool from = slice_eq_ci(names[i], SLICE("from"));
		if (!from && !slice_eq_ci(names[i], SLICE("to")))
			continue;
		if (match_envelope(&m, from ? r->env->sender : r->env->recipient))
			return true;
	}
	return sieve_matcher_end(&m);
}

/* ---- the others ---- */

static bool test_size(struct sieve_runner *r, const struct sieve_node *n)
{
	uint64_t limit = n->positional[0]->number, size = r->env->message.n;
	return sieve_tag(n, TAG_OVER) ? size > limit : size < limit;
}

/* RFC 5229 5: empty strings do not count. */
static bool test_string(struct sieve_runner *r, const struct sieve_node *n)
{
	struct sieve_matcher m;
	struct slice *values = sieve_texts(r, n->positional[0]->strings, n->positional[0]->n);
	sieve_matcher_init(&m, r, n, n->positional[1]);
	for (size_t i = 0; i < n->positional[0]->n && r->err == 0; i++) {
		if (n->match == MATCH_COUNT && values[i].n == 0)
			continue;
		if (sieve_matcher_value(&m, values[i]))
			return true;
	}
	return sieve_matcher_end(&m);
}

static bool test_mailboxexists(struct sieve_runner *r, const struct sieve_node *n)
{
	struct slice *names = sieve_texts(r, n->positional[0]->strings, n->positional[0]->n);
	for (size_t i = 0; i < n->positional[0]->n && sieve_charge(r, 16); i++) {
		bool there = slice_eq_ci(names[i], SLICE("INBOX"));
		if (!there && !(r->env->mailbox && r->env->mailbox(r->env->ctx, names[i]) > 0))
			return false;
	}
	return r->err == 0;
}

static bool test_list(struct sieve_runner *r, const struct sieve_node *n, bool all)
{
	for (const struct sieve_node *t = n->tests; t && r->err == 0; t = t->next) {
		if (sieve_test(r, t) != all)
			return !all;
	}
	return all;
}

bool sieve_test(struct sieve_runner *r, const struct sieve_node *n)
{
	if (!sieve_charge(r, 1))
		return false;
	switch (n->spec->op) {
	case OP_TRUE: return true;
	case OP_NOT: return !sieve_test(r, n->tests);
	case OP_ALLOF: return test_list(r, n, true);
	case OP_ANYOF: return test_list(r, n, false);
	case OP_ADDRESS: return test_address(r, n);
	case OP_ENVELOPE: return test_envelope(r, n);
	case OP_HEADER: return test_header(r, n);
	case OP_EXISTS: return test_exists(r, n);
	case OP_SIZE: return test_size(r, n);
	case OP_STRING: return test_string(r, n);
	case OP_HASFLAG: return sieve_test_hasflag(r, n);
	case OP_DATE:
	case OP_CURRENTDATE: return sieve_test_date(r, n);
	case OP_BODY: return sieve_test_body(r, n);
	case OP_MAILBOXEXISTS: return test_mailboxexists(r, n);
	default: return false;
	}
}
