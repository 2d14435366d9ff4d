/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages that Postern writes itself: notices, vacation replies, notifications. Whatever comes in is text that
 * others may have had a hand in: a header field never gets a line end or another control character out of a value, a
 * body never a line longer than the format allows, and what is not UTF-8 becomes U+FFFD. Lines end with CRLF.
 *
 * RFC 5322, RFC 2045 to 2047, RFC 3834 (Auto-Submitted), RFC 6532 (addresses that are not ASCII stand as UTF-8).
 */
#ifndef PROTO_MAIL_COMPOSE_H
#define PROTO_MAIL_COMPOSE_H

#include "base/buf.h"

enum {
	COMPOSE_LINE_MAX = 76,		/* of a header line or an encoded body line, as far as blanks allow */
	COMPOSE_VALUE_MAX = 8192,	/* bytes of a field's value that are taken; the rest is cut off */
};

/* "Name: value": free text. What is not printable ASCII becomes encoded words; runs of blanks become one. */
void compose_field(struct buf *out, const char *name, struct slice value);

/* "Name: value": a value with a syntax of its own (a list of ids, a type), folded at its blanks, nothing encoded. */
void compose_plain(struct buf *out, const char *name, struct slice value);

/* One value as lines of a text, each behind indent; folded at its blanks, no line of it begins anywhere else. */
void compose_lines(struct buf *out, const char *indent, struct slice value);

/* "From: Display Name <local@domain>"; display may be empty. address is written as it is, without controls. */
void compose_address(struct buf *out, const char *name, struct slice display, struct slice address);

/* "Date: Sun, 22 Nov 2026 01:02:03 +0000" */
void compose_date(struct buf *out, const char *name, int64_t ms);

/* Content-Type, Content-Transfer-Encoding, an empty line and the content: 7bit where it may be, else
 * quoted-printable where half of it stays readable, or base64. type: "text/plain". Text is UTF-8 with any line ends. */
void compose_text(struct buf *out, const char *type, struct slice text);

/* As what stands in the body: CRLF line ends and one at the end, controls and what is not UTF-8 replaced. */
void compose_clean_text(struct buf *out, struct slice text);

struct compose {
	struct slice from_name, from;	/* from: addr-spec */
	struct slice to_name, to;
	struct slice subject;
	int64_t date_ms;
	const char *id;			/* left of Message-ID's "@": letters and digits, never the same again */
	const char *host;		/* right of it */
	const char *auto_submitted;	/* "auto-generated", "auto-replied"; NULL: no such field */
	struct slice in_reply_to, references;	/* message ids with their brackets; empty: no such field */
	const char *language;		/* "de": Content-Language; NULL: none */
	struct slice text, html;	/* html empty: text alone */
};

/* The whole message. */
void compose_write(struct buf *out, const struct compose *m);

/* For who writes a body of its own: the fields up to MIME-Version ... */
void compose_head(struct buf *out, const struct compose *m);
/* ... and a multipart one. kind: "report; report-type=delivery-status"; id as above makes the boundary, which must not be
 * guessed by whoever wrote what goes into a part as it is; eight_bit: some part is 8bit. This ends the header: */
void compose_multipart(struct buf *out, const char *kind, const char *id, bool eight_bit);
void compose_part(struct buf *out, const char *id);	/* then a text, or */
void compose_as_is(struct buf *out, const char *type, struct slice bytes);	/* 7bit or 8bit, with CRLF line ends */
void compose_end(struct buf *out, const char *id);

#endif
