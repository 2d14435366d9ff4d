/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5173: the body raw, the decoded parts of given types, or the text. One test looks at SIEVE_BODY_MAX bytes
 * at most. :text is every text/ part as UTF-8; of HTML and XHTML without its tags.
 */
#include "proto/sieve/run_priv.h"

#include "proto/mail/charset.h"
#include "proto/mail/decode.h"
#include "proto/mail/param.h"

struct body {
	struct sieve_matcher m;
	struct sieve_runner *r;
	size_t left;	/* of SIEVE_BODY_MAX */
};

static struct slice bytes_of(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}

static bool match_bytes(struct body *b, struct slice s)
{
	s = slice_sub(s, 0, b->left);
	b->left -= s.n;
	return sieve_charge(b->r, s.n / 8 + 1) && sieve_matcher_value(&b->m, s);
}

/* Tags become nothing; what is in them is no text. */
static void strip_tags(struct buf *text)
{
	size_t n = 0;
	bool tag = false;
	for (size_t i = 0; i < text->n; i++) {
		uint8_t c = text->p[i];
		if (c == '<')
			tag = true;
		else if (c == '>' && tag)
			tag = false;
		else if (!tag)
			text->p[n++] = c;
	}
	text->n = n;
}

static struct slice charset_of(const Postern__DigestPart *part)
{
	for (size_t i = 0; i < part->n_params; i++) {
		if (slice_eq_ci(bytes_of(part->params[i]->name), SLICE("charset")))
			return bytes_of(part->params[i]->value);
	}
	return slice_of(NULL, 0);
}

static bool is_xhtml(const Postern__DigestPart *part)
{
	return slice_eq_ci(bytes_of(part->type), SLICE("application")) && slice_eq_ci(bytes_of(part->subtype), SLICE("xhtml+xml"));
}

static bool match_decoded(struct body *b, const Postern__DigestPart *part, struct slice raw, bool no_tags)
{
	bool is_text = slice_eq_ci(bytes_of(part->type), SLICE("text")) || (no_tags && is_xhtml(part));
	struct buf bytes = BUF_INIT(b->left), text = BUF_INIT(3 * b->left + 16);
	struct decoder d = decoder_of(transfer_by_name(bytes_of(part->encoding)));
	raw = slice_sub(raw, 0, 2 * b->left);
	if (sieve_charge(b->r, raw.n / 8 + 1)) {
		decoder_feed(&d, raw, &bytes);
		decoder_end(&d, &bytes);
	}
	if (is_text) {
		charset_to_utf8(charset_of(part), buf_view(&bytes), &text);
		if (no_tags && (slice_eq_ci(bytes_of(part->subtype), SLICE("html")) || is_xhtml(part)))
			strip_tags(&text);
	}
	bool hit = match_bytes(b, is_text ? buf_view(&text) : buf_view(&bytes));
	buf_fini(&bytes);
	buf_fini(&text);
	return hit;
}

/* RFC 5173 4: "" everything; "text" or "text/plain"; with a slash at an end, or two, nothing. */
static bool type_fits(struct slice want, const Postern__DigestPart *part)
{
	ptrdiff_t slash = slice_find_byte(want, '/', 0);
	if (want.n == 0)
		return true;
	if (slash < 0)
		return slice_eq_ci(want, bytes_of(part->type));
	return slice_eq_ci(slice_sub(want, 0, (size_t)slash), bytes_of(part->type)) &&
	       slice_eq_ci(slice_sub(want, (size_t)slash + 1, want.n), bytes_of(part->subtype));
}

static bool any_type_fits(const struct slice *want, size_t n, const Postern__DigestPart *part)
{
	for (size_t i = 0; i < n; i++) {
		if (type_fits(want[i], part))
			return true;
	}
	return false;
}

/* What stands before the first part of a multipart, and behind the last, without the boundary lines. */
static bool match_around(struct body *b, size_t at)
{
	const Postern__Digest *d = b->r->env->digest;
	const Postern__DigestPart *p = d->parts[at], *last = NULL;
	for (size_t i = at + 1; i < d->n_parts; i++) {
		if (d->parts[i]->parent == at)
			last = d->parts[i];
	}
	if (!last)
		return match_bytes(b, slice_sub(b->r->env->message, p->body_start, p->body_end));
	struct slice before = slice_sub(b->r->env->message, p->body_start, d->parts[at + 1]->header_start);
	size_t n = before.n ? before.n - 1 : 0;
	while (n && before.p[n - 1] != '\n')
		n--;
	if (match_bytes(b, slice_sub(before, 0, n)))
		return true;
	struct slice behind = slice_sub(b->r->env->message, last->body_end, p->body_end);
	ptrdiff_t dashes = slice_find(behind, SLICE("--"), 0);
	ptrdiff_t line = dashes < 0 ? -1 : slice_find_byte(behind, '\n', (size_t)dashes);
	return line >= 0 && match_bytes(b, slice_sub(behind, (size_t)line + 1, behind.n));
}

/* Its fields, without the empty line behind them. */
static struct slice header_of(struct slice s)
{
	size_t line = slice_ends_ci(s, SLICE("\n\r\n")) ? 2 : slice_ends_ci(s, SLICE("\n\n")) ? 1 : 0;
	return slice_sub(s, 0, s.n - line);
}

static bool match_part(struct body *b, size_t at, bool no_tags)
{
	const Postern__Digest *d = b->r->env->digest;
	const Postern__DigestPart *p = d->parts[at];
	struct slice message = b->r->env->message;
	if (slice_eq_ci(bytes_of(p->type), SLICE("multipart")))
		return match_around(b, at);
	if (slice_eq_ci(bytes_of(p->type), SLICE("message")) && at + 1 < d->n_parts && d->parts[at + 1]->parent == at)
		return match_bytes(b, header_of(slice_sub(message, d->parts[at + 1]->header_start, d->parts[at + 1]->body_start)));
	return match_decoded(b, p, slice_sub(message, p->body_start, p->body_end), no_tags);
}

/* RFC 5173 3: without an empty line behind the header there is no body, not even an empty one. */
static bool has_body(const struct sieve_env *env)
{
	struct slice head = slice_sub(env->message, 0, env->digest->body_start);
	if (head.n < env->message.n)
		return true;
	return slice_eq(head, SLICE("\r\n")) || slice_eq(head, SLICE("\n")) || slice_ends_ci(head, SLICE("\n\r\n")) ||
	       slice_ends_ci(head, SLICE("\n\n"));
}

bool sieve_test_body(struct sieve_runner *r, const struct sieve_node *n)
{
	static const struct slice texts[] = { { (const uint8_t *)"text", 4 }, { (const uint8_t *)"application/xhtml+xml", 21 } };
	const Postern__Digest *d = r->env->digest;
	const struct sieve_arg *types = sieve_tag_arg(n, TAG_CONTENT);
	struct body b = { .r = r, .left = SIEVE_BODY_MAX };
	sieve_matcher_init(&b.m, r, n, n->positional[0]);
	b.m.no_captures = true;	/* RFC 5173 4 */
	if (!has_body(r->env))
		return sieve_matcher_end(&b.m);
	if (sieve_tag(n, TAG_RAW))
		return match_bytes(&b, slice_sub(r->env->message, d->body_start, r->env->message.n)) ||
		       sieve_matcher_end(&b.m);
	const struct slice *want = types ? sieve_texts(r, types->strings, types->n) : texts;
	size_t n_want = types ? types->n : ARRAY_SIZE(texts);
	for (size_t i = 0; i < d->n_parts && b.left && r->err == 0; i++) {
		if (any_type_fits(want, n_want, d->parts[i]) && match_part(&b, i, !types))
			return true;
	}
	return sieve_matcher_end(&b.m);
}
