/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the digest share: the state of one run, and who may spend how much of
 * DIGEST_MAX. */
#ifndef PROTO_MAIL_DIGEST_PRIV_H
#define PROTO_MAIL_DIGEST_PRIV_H

#include "proto/mail/digest.h"

/*
 * Where the bytes of a packed digest go at most; the sum stays below DIGEST_MAX. A part costs
 * PART_COST for numbers, framing and the defaults; whatever strings it has beyond come out of the
 * strings all parts share.
 */
enum {
	BUDGET_ENVELOPE = 32 * 1024,
	BUDGET_STRINGS = 40 * 1024,
	BUDGET_DELIVERED = 2 * 1024,
	BUDGET_AUTHORS = 4 * 1024,
	BUDGET_REFERENCES = 8 * 1024,
	BUDGET_FIXED = 2 * 1024,
	PART_COST = 70,
	INNER_ENVELOPE_MAX = 8 * 1024, /* of BUDGET_STRINGS, for one message/rfc822 part */
	PART_STRINGS_MAX = 6 * 1024,
	VALUE_COST = 6,       /* tag and length of one value */
	ADDRESS_COST = 28,    /* framing, and the end of a group that is cut off */
	ADDRESSES_MAX = 2000, /* in one list */
	SUBJECT_MAX = 4096,
	VALUE_MAX = 1024, /* other unstructured values */
	TYPE_MAX = 127,
};
_Static_assert(BUDGET_ENVELOPE + BUDGET_STRINGS + BUDGET_AUTHORS + BUDGET_DELIVERED + BUDGET_REFERENCES +
			       BUDGET_FIXED + DIGEST_TEXT_MAX + DIGEST_PARTS_MAX * PART_COST <
		       DIGEST_MAX,
	       "the budget does not fit");

struct budget {
	size_t left;
};

/* A part that is not finished yet; the stack of them is the path to where the reader is. */
struct digest_frame {
	uint32_t part;
	uint64_t lines;        /* line ends before its body */
	struct slice boundary; /* of an open multipart, else empty */
};

struct digest_run {
	struct slice in;
	struct arena *arena;   /* the result's */
	struct arena *scratch; /* for one header */
	Postern__Digest *d;
	Postern__DigestPart *parts[DIGEST_PARTS_MAX];
	uint32_t n_parts;
	struct digest_frame stack[DIGEST_DEPTH_MAX];
	unsigned depth;
	bool full;     /* no more parts: boundaries are not looked for any more */
	uint64_t work; /* comparisons of boundaries so far */
	struct budget strings;
};

/* A kept copy of s, at most max bytes, paid from b; empty and flagged where b cannot. */
ProtobufCBinaryData digest_keep(struct digest_run *r, struct budget *b, struct slice s, size_t max);
bool digest_pay(struct digest_run *r, struct budget *b, size_t cost);

static inline void digest_limited(struct digest_run *r)
{
	r->d->flags |= DIGEST_LIMITED;
}

/* digest_envelope.c: the envelope of a header, paid from b. */
Postern__DigestEnvelope *digest_envelope(struct digest_run *r, struct slice header,
					 struct budget *b);
/* ... and what the message's own header says beyond it (date, domain, references ...). */
void digest_message_fields(struct digest_run *r, struct slice header);

/* digest_authors.c: who it says it is from. */
void digest_authors(struct digest_run *r, struct slice header);

/* digest_part.c: what a part's header says of it, into part; its boundary where it is a multipart.
 * in_digest: its parent is a multipart/digest, whose parts are messages unless they say otherwise.
 */
struct slice digest_part_fields(struct digest_run *r, struct slice header, bool in_digest,
				Postern__DigestPart *part);

/* It may have parts inside but is not taken apart. */
void digest_make_opaque(struct digest_run *r, Postern__DigestPart *part);
bool digest_is_message(const Postern__DigestPart *part);
bool digest_is_multipart(const Postern__DigestPart *part);

/* digest_text.c: preview text and the attachment flag. */
void digest_text(struct digest_run *r);

static inline struct slice digest_slice(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}

static inline ProtobufCBinaryData digest_data(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

#endif
