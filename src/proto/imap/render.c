/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 3501 7.4.2 and 9 (envelope, body), RFC 9051 7.5.2. What a mail brought is never trusted
 * (THREATS I30): CR and LF are left out of strings, NUL becomes "?", 8-bit text goes as a literal
 * unless the client took UTF-8. Where the grammar has no way to say what the message is, Dovecot's
 * ways are followed, which clients know: MISSING_MAILBOX and MISSING_DOMAIN for parts that an
 * address lacks, an empty text/plain inside a multipart without parts.
 */
#include "proto/imap/render.h"

#include "base/codec.h"
#include "proto/mail/digest.h"

enum { QUOTED_MAX = 4096 }; /* longer strings go as literals */

static struct slice of(ProtobufCBinaryData d)
{
	return slice_of(d.data, d.len);
}

static bool needs_cleaning(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == 0 || s.p[i] == '\r' || s.p[i] == '\n')
			return true;
	}
	return false;
}

static void put_quoted(struct buf *out, struct slice s)
{
	buf_byte(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_byte(out, '\\');
		buf_byte(out, s.p[i]);
	}
	buf_byte(out, '"');
}

static void put_string(struct buf *out, struct slice s, bool utf8)
{
	if (s.n <= QUOTED_MAX && (ascii_only(s) || (utf8 && utf8_valid(s)))) {
		put_quoted(out, s);
		return;
	}
	buf_printf(out, "{%zu}\r\n", s.n);
	buf_slice(out, s);
}

void imap_render_string(struct buf *out, struct slice s, bool utf8)
{
	if (!needs_cleaning(s)) {
		put_string(out, s, utf8);
		return;
	}
	struct buf clean = BUF_INIT(s.n);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '\r' && s.p[i] != '\n')
			buf_byte(&clean, s.p[i] ? s.p[i] : '?');
	}
	put_string(out, buf_view(&clean), utf8);
	buf_fini(&clean);
}

void imap_render_nstring(struct buf *out, bool present, struct slice s, bool utf8)
{
	if (present)
		imap_render_string(out, s, utf8);
	else
		buf_str(out, "NIL");
}

static bool is_atom(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f || strchr("(){%*\"\\", s.p[i]))
			return false;
	}
	return s.n > 0 && !slice_eq_ci(s, SLICE("NIL"));
}

void imap_render_astring(struct buf *out, struct slice s, bool utf8)
{
	if (is_atom(s))
		buf_slice(out, s);
	else
		imap_render_string(out, s, utf8);
}

static void put_address(struct buf *out, const Postern__DigestAddress *a, bool utf8)
{
	struct slice mailbox = of(a->mailbox), host = of(a->host);
	if (a->flags & DIGEST_ADDR_HOST) {
		mailbox = mailbox.n ? mailbox : SLICE("MISSING_MAILBOX");
		host = host.n ? host : SLICE("MISSING_DOMAIN");
	}
	buf_byte(out, '(');
	imap_render_nstring(out, a->flags & DIGEST_ADDR_NAME, of(a->name), utf8);
	buf_byte(out, ' ');
	imap_render_nstring(out, a->flags & DIGEST_ADDR_ROUTE, of(a->route), utf8);
	buf_byte(out, ' ');
	imap_render_nstring(out, a->flags & DIGEST_ADDR_MAILBOX, mailbox, utf8);
	buf_byte(out, ' ');
	imap_render_nstring(out, a->flags & DIGEST_ADDR_HOST, host, utf8);
	buf_byte(out, ')');
}

static void put_addresses(struct buf *out, Postern__DigestAddress *const *a, size_t n, bool utf8)
{
	buf_byte(out, ' ');
	if (n == 0) {
		buf_str(out, "NIL");
		return;
	}
	buf_byte(out, '(');
	for (size_t i = 0; i < n; i++)
		put_address(out, a[i], utf8);
	buf_byte(out, ')');
}

void imap_render_envelope(struct buf *out, const Postern__DigestEnvelope *e, bool utf8)
{
	buf_byte(out, '(');
	imap_render_nstring(out, e->flags & DIGEST_ENV_DATE, of(e->date), utf8);
	buf_byte(out, ' ');
	imap_render_nstring(out, e->flags & DIGEST_ENV_SUBJECT, of(e->subject), utf8);
	put_addresses(out, e->from, e->n_from, utf8);
	/* An absent Sender or Reply-To is the author's (RFC 3501 7.4.2). */
	bool sender = e->flags & DIGEST_ENV_SENDER, reply_to = e->flags & DIGEST_ENV_REPLY_TO;
	put_addresses(out, sender ? e->sender : e->from, sender ? e->n_sender : e->n_from, utf8);
	put_addresses(out, reply_to ? e->reply_to : e->from, reply_to ? e->n_reply_to : e->n_from,
		      utf8);
	put_addresses(out, e->to, e->n_to, utf8);
	put_addresses(out, e->cc, e->n_cc, utf8);
	put_addresses(out, e->bcc, e->n_bcc, utf8);
	buf_byte(out, ' ');
	imap_render_nstring(out, e->flags & DIGEST_ENV_IN_REPLY_TO, of(e->in_reply_to), utf8);
	buf_byte(out, ' ');
	imap_render_nstring(out, e->flags & DIGEST_ENV_MESSAGE_ID, of(e->message_id), utf8);
	buf_byte(out, ')');
}

struct body_writer {
	struct buf *out;
	const Postern__Digest *d;
	bool extended;
};

static bool is(ProtobufCBinaryData d, const char *text)
{
	return slice_eq(of(d), slice_str(text));
}

static void put_param(struct buf *out, const Postern__DigestParam *p)
{
	imap_render_string(out, of(p->name), false);
	buf_byte(out, ' ');
	imap_render_string(out, of(p->value), false);
}

static bool has_charset(const Postern__DigestPart *p)
{
	for (size_t i = 0; i < p->n_params; i++) {
		if (slice_eq_ci(of(p->params[i]->name), SLICE("charset")))
			return true;
	}
	return false;
}

/* default_charset: text without a charset is us-ascii (RFC 2045 5.2). */
static void put_params(struct buf *out, Postern__DigestParam *const *p, size_t n,
		       bool default_charset)
{
	if (n == 0 && !default_charset) {
		buf_str(out, "NIL");
		return;
	}
	buf_byte(out, '(');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_byte(out, ' ');
		put_param(out, p[i]);
	}
	if (default_charset) {
		if (n)
			buf_byte(out, ' ');
		buf_str(out, "\"charset\" \"us-ascii\"");
	}
	buf_byte(out, ')');
}

static void put_disposition(struct buf *out, const Postern__DigestPart *p)
{
	if (!(p->flags & DIGEST_PART_DISPOSITION)) {
		buf_str(out, "NIL");
		return;
	}
	buf_byte(out, '(');
	imap_render_string(out, of(p->disposition), false);
	buf_byte(out, ' ');
	put_params(out, p->disposition_params, p->n_disposition_params, false);
	buf_byte(out, ')');
}

static void put_language(struct buf *out, const Postern__DigestPart *p)
{
	if (p->n_language == 0) {
		buf_str(out, "NIL");
		return;
	}
	buf_byte(out, '(');
	for (size_t i = 0; i < p->n_language; i++) {
		if (i)
			buf_byte(out, ' ');
		imap_render_string(out, of(p->language[i]), false);
	}
	buf_byte(out, ')');
}

/* body-fld-dsp, body-fld-lang, body-fld-loc: the extension data both kinds of part share. */
static void put_extension(struct buf *out, const Postern__DigestPart *p)
{
	put_disposition(out, p);
	buf_byte(out, ' ');
	put_language(out, p);
	buf_byte(out, ' ');
	imap_render_nstring(out, p->flags & DIGEST_PART_LOCATION, of(p->location), false);
}

static void put_multipart_end(struct body_writer *w, const Postern__DigestPart *p)
{
	buf_byte(w->out, ' ');
	imap_render_string(w->out, of(p->subtype), false);
	if (!w->extended)
		return;
	buf_byte(w->out, ' ');
	put_params(w->out, p->params, p->n_params, false);
	buf_byte(w->out, ' ');
	put_extension(w->out, p);
}

/* What stands before the inner body of a message, and all of any other single part but its
 * extension. */
static void put_single(struct body_writer *w, const Postern__DigestPart *p)
{
	struct buf *out = w->out;
	bool charset = is(p->type, "text") && !has_charset(p);
	imap_render_string(out, of(p->type), false);
	buf_byte(out, ' ');
	imap_render_string(out, of(p->subtype), false);
	buf_byte(out, ' ');
	put_params(out, p->params, p->n_params, charset);
	buf_byte(out, ' ');
	imap_render_nstring(out, p->flags & DIGEST_PART_ID, of(p->id), false);
	buf_byte(out, ' ');
	imap_render_nstring(out, p->flags & DIGEST_PART_DESCRIPTION, of(p->description), false);
	buf_byte(out, ' ');
	imap_render_string(out, of(p->encoding), false);
	buf_byte(out, ' ');
	buf_u64(out, p->body_end - p->body_start);
	if (is(p->type, "text")) {
		buf_byte(out, ' ');
		buf_u64(out, p->body_lines);
	}
}

static void put_single_end(struct body_writer *w, const Postern__DigestPart *p)
{
	if (!w->extended)
		return;
	buf_byte(w->out, ' ');
	imap_render_nstring(w->out, p->flags & DIGEST_PART_MD5, of(p->md5), false);
	buf_byte(w->out, ' ');
	put_extension(w->out, p);
}

static bool is_message(const Postern__DigestPart *p)
{
	return is(p->type, "message") && (is(p->subtype, "rfc822") || is(p->subtype, "global"));
}

/* The grammar wants a part inside where there is none. */
static void put_empty_text(struct body_writer *w)
{
	buf_str(w->out, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0");
	buf_str(w->out, w->extended ? " NIL NIL NIL NIL)" : ")");
}

/* The part's front; its children come next. */
static void open_part(struct body_writer *w, const Postern__DigestPart *p, bool has_children)
{
	static const Postern__DigestEnvelope nothing = POSTERN__DIGEST_ENVELOPE__INIT;
	buf_byte(w->out, '(');
	if (is(p->type, "multipart")) {
		if (!has_children)
			put_empty_text(w);
		return;
	}
	put_single(w, p);
	if (is_message(p)) {
		buf_byte(w->out, ' ');
		imap_render_envelope(w->out, p->envelope ? p->envelope : &nothing, false);
		buf_byte(w->out, ' ');
		if (!has_children)
			put_empty_text(w);
	}
}

static void close_part(struct body_writer *w, const Postern__DigestPart *p)
{
	if (is(p->type, "multipart")) {
		put_multipart_end(w, p);
	} else {
		if (is_message(p)) {
			buf_byte(w->out, ' ');
			buf_u64(w->out, p->body_lines);
		}
		put_single_end(w, p);
	}
	buf_byte(w->out, ')');
}

void imap_render_bodystructure(struct buf *out, const Postern__Digest *d, bool extended)
{
	struct body_writer w = { out, d, extended };
	uint32_t open[DIGEST_DEPTH_MAX];
	unsigned depth = 0;
	for (uint32_t i = 0; i < d->n_parts; i++) {
		while (depth && open[depth - 1] != d->parts[i]->parent)
			close_part(&w, d->parts[open[--depth]]);
		bool has_children = i + 1 < d->n_parts && d->parts[i + 1]->parent == i;
		bug_if(depth == DIGEST_DEPTH_MAX);
		open[depth++] = i;
		open_part(&w, d->parts[i], has_children);
	}
	while (depth)
		close_part(&w, d->parts[open[--depth]]);
}
