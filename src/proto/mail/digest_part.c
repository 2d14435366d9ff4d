/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Content-* fields of a part (RFC 2045, 2046, 2183, 3282, 2557, 1864). Of a field that stands
 * twice the first counts, of Content-Disposition the last (as with Dovecot). A broken or absent
 * Content-Type means text/plain (RFC 2045 5.2), in a multipart/digest message/rfc822. A message
 * with a transfer encoding on it (RFC 2046 5.2.1 forbids it) keeps its type but is not taken apart.
 */
#include "proto/mail/digest_priv.h"

#include "proto/mail/decode.h"
#include "proto/mail/header.h"
#include "proto/mail/param.h"

enum content_field {
	FIELD_TYPE,
	FIELD_ENCODING,
	FIELD_ID,
	FIELD_DESCRIPTION,
	FIELD_DISPOSITION,
	FIELD_LANGUAGE,
	FIELD_LOCATION,
	FIELD_MD5,
	FIELD_COUNT
};

static const char *const field_names[FIELD_COUNT] = {
	[FIELD_TYPE] = "content-type",
	[FIELD_ENCODING] = "content-transfer-encoding",
	[FIELD_ID] = "content-id",
	[FIELD_DESCRIPTION] = "content-description",
	[FIELD_DISPOSITION] = "content-disposition",
	[FIELD_LANGUAGE] = "content-language",
	[FIELD_LOCATION] = "content-location",
	[FIELD_MD5] = "content-md5",
};

bool digest_is_message(const Postern__DigestPart *p)
{
	return slice_eq(digest_slice(p->type), SLICE("message")) &&
	       (slice_eq(digest_slice(p->subtype), SLICE("rfc822")) ||
		slice_eq(digest_slice(p->subtype), SLICE("global")));
}

bool digest_is_multipart(const Postern__DigestPart *p)
{
	return slice_eq(digest_slice(p->type), SLICE("multipart"));
}

void digest_make_opaque(struct digest_run *r, Postern__DigestPart *p)
{
	p->flags |= DIGEST_PART_OPAQUE;
	p->type = digest_data(SLICE("application"));
	p->subtype = digest_data(SLICE("octet-stream"));
}

static void collect(struct slice header, struct slice values[FIELD_COUNT], unsigned *ret_have)
{
	struct header_scan h = header_scan_of(header);
	struct header_field f;
	*ret_have = 0;
	while (header_next(&h, &f) > 0) {
		if (!slice_starts_ci(f.name, SLICE("content-")))
			continue;
		for (unsigned i = 0; i < FIELD_COUNT; i++) {
			bool wanted = i == FIELD_DISPOSITION || !(*ret_have & 1u << i);
			if (wanted && slice_eq_ci(f.name, slice_str(field_names[i]))) {
				values[i] = f.value;
				*ret_have |= 1u << i;
			}
		}
	}
}

static ProtobufCBinaryData keep_lower(struct digest_run *r, struct budget *b, struct slice s,
				      size_t max)
{
	ProtobufCBinaryData d = digest_keep(r, b, s, max);
	for (size_t i = 0; i < d.len; i++)
		d.data[i] = ascii_lower(d.data[i]);
	return d;
}

static void keep_params(struct digest_run *r, struct budget *b, const struct param_list *l,
			size_t *ret_n, Postern__DigestParam ***ret)
{
	if (l->limited)
		digest_limited(r);
	*ret = l->n ? ARENA_ARRAY(r->arena, Postern__DigestParam *, l->n) : NULL;
	for (size_t i = 0; i < l->n; i++) {
		if (!digest_pay(r, b, l->params[i].name.n + l->params[i].value.n + 3 * VALUE_COST))
			break;
		Postern__DigestParam *p = ARENA_NEW(r->arena, Postern__DigestParam);
		postern__digest_param__init(p);
		p->name = digest_data(arena_dup(r->arena, l->params[i].name));
		p->value = digest_data(arena_dup(r->arena, l->params[i].value));
		(*ret)[(*ret_n)++] = p;
	}
}

static void set_type(struct digest_run *r, struct budget *b, const struct param_list *l,
		     bool in_digest, Postern__DigestPart *p)
{
	struct slice type = l->type, subtype = l->subtype;
	if (type.n == 0) {
		type = in_digest ? SLICE("message") : SLICE("text");
		subtype = in_digest ? SLICE("rfc822") : SLICE("plain");
	}
	if (type.n + subtype.n + 2 * VALUE_COST > b->left) {
		digest_limited(r);
		digest_make_opaque(r, p);
		return;
	}
	p->type = keep_lower(r, b, type, TYPE_MAX);
	p->subtype = keep_lower(r, b, subtype, TYPE_MAX);
}

/* The copy that the stack keeps; the digest's own one may have been left out. */
static struct slice boundary_of(struct digest_run *r, const struct param_list *l)
{
	const struct param *p = param_find(l, SLICE("boundary"));
	struct buf b = BUF_INIT(PARAM_VALUE_MAX);
	struct slice charset, ret = slice_of(NULL, 0);
	if (p) {
		param_bytes(p, &b, &charset);
		ret = arena_dup(r->arena, buf_view(&b));
	}
	buf_fini(&b);
	return ret;
}

static void set_encoding(struct digest_run *r, struct budget *b, struct slice raw,
			 Postern__DigestPart *p)
{
	struct param_list l;
	struct slice name = SLICE("7bit");
	/* Nothing else may stand there ("8 bit"), but a comment or a stray ';' does no harm. */
	if (param_parse(raw, false, r->scratch, &l) && !l.garbled)
		name = l.type;
	if (name.n + VALUE_COST <= b->left)
		p->encoding = keep_lower(r, b, name, TYPE_MAX);
	else
		p->encoding = digest_data(SLICE("7bit"));
}

static void set_text(struct digest_run *r, struct budget *b, const struct slice *value,
		     ProtobufCBinaryData *ret, Postern__DigestPart *p, unsigned flag)
{
	struct slice v = header_unfold(*value, VALUE_MAX, r->scratch);
	*ret = digest_keep(r, b, v, VALUE_MAX);
	p->flags |= v.n == 0 || ret->len ? flag : 0;
}

static void set_disposition(struct digest_run *r, struct budget *b, struct slice raw,
			    Postern__DigestPart *p)
{
	struct param_list l;
	if (!param_parse(raw, false, r->scratch, &l))
		return;
	p->disposition = digest_keep(r, b, l.type, TYPE_MAX);
	if (p->disposition.len == 0)
		return;
	p->flags |= DIGEST_PART_DISPOSITION;
	keep_params(r, b, &l, &p->n_disposition_params, &p->disposition_params);
}

/* Content-Language: tags between commas. */
static void set_language(struct digest_run *r, struct budget *b, struct slice raw,
			 Postern__DigestPart *p)
{
	enum { TAGS_MAX = 16 };
	struct slice v = header_unfold(raw, VALUE_MAX, r->scratch);
	p->language = ARENA_ARRAY(r->arena, ProtobufCBinaryData, TAGS_MAX);
	for (size_t at = 0; at < v.n && p->n_language < TAGS_MAX;) {
		ptrdiff_t comma = slice_find_byte(v, ',', at);
		size_t end = comma < 0 ? v.n : (size_t)comma;
		struct slice tag = slice_trim(slice_sub(v, at, end));
		ProtobufCBinaryData kept =
			tag.n ? digest_keep(r, b, tag, TYPE_MAX) : digest_data(tag);
		if (kept.len)
			p->language[p->n_language++] = kept;
		at = end + 1;
	}
}

static void set_others(struct digest_run *r, struct budget *b, const struct slice *v, unsigned have,
		       Postern__DigestPart *p)
{
	if (have & 1u << FIELD_ID)
		set_text(r, b, &v[FIELD_ID], &p->id, p, DIGEST_PART_ID);
	if (have & 1u << FIELD_DESCRIPTION)
		set_text(r, b, &v[FIELD_DESCRIPTION], &p->description, p, DIGEST_PART_DESCRIPTION);
	if (have & 1u << FIELD_MD5)
		set_text(r, b, &v[FIELD_MD5], &p->md5, p, DIGEST_PART_MD5);
	if (have & 1u << FIELD_LOCATION)
		set_text(r, b, &v[FIELD_LOCATION], &p->location, p, DIGEST_PART_LOCATION);
	if (have & 1u << FIELD_DISPOSITION)
		set_disposition(r, b, v[FIELD_DISPOSITION], p);
	if (have & 1u << FIELD_LANGUAGE)
		set_language(r, b, v[FIELD_LANGUAGE], p);
}

struct slice digest_part_fields(struct digest_run *r, struct slice header, bool in_digest,
				Postern__DigestPart *p)
{
	struct slice v[FIELD_COUNT] = { 0 }, boundary = { 0 };
	struct param_list type;
	unsigned have = 0;
	size_t all = r->strings.left < PART_STRINGS_MAX ? r->strings.left : PART_STRINGS_MAX;
	struct budget b = { all };
	collect(header, v, &have);
	param_parse(v[FIELD_TYPE], true, r->scratch, &type);
	set_type(r, &b, &type, in_digest, p);
	set_encoding(r, &b, v[FIELD_ENCODING], p);
	if (digest_is_multipart(p))
		boundary = boundary_of(r, &type);
	keep_params(r, &b, &type, &p->n_params, &p->params);
	set_others(r, &b, v, have, p);
	if (digest_is_message(p) &&
	    transfer_by_name(digest_slice(p->encoding)) != TRANSFER_IDENTITY)
		p->flags |= DIGEST_PART_OPAQUE;
	r->strings.left -= all - b.left;
	return boundary;
}
