/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a message is made of, as offsets into its bytes (src/ipc/digest.proto says what each field
 * means; RFC 5322, 2045-2047, 2231). Made once, in the filter room, and kept with the message.
 *
 * Any bytes give a digest: there is no malformed message. Time is linear in the message, memory is
 * bounded by the limits below whatever the message holds, and the packed digest never passes
 * DIGEST_MAX. Past a limit values are left out or cut, parts become opaque
 * (application/octet-stream, flag 32) and Digest.flags says so.
 */
#ifndef PROTO_MAIL_DIGEST_H
#define PROTO_MAIL_DIGEST_H

#include "base/arena.h"
#include "ipc/digest.pb-c.h"

enum {
	DIGEST_MAX = 160 * 1024, /* bytes, packed */
	DIGEST_VERSION = 1,
	DIGEST_DEPTH_MAX = 100, /* of nested parts; the message itself is depth 1 */
	DIGEST_PARTS_MAX = 1000,
	DIGEST_TEXT_MAX = 2 * 1024, /* a preview; the digest is read often */
	DIGEST_REFERENCES_MAX = 100,
};

/* Digest.flags */
enum {
	DIGEST_LIMITED = 1,
	DIGEST_ATTACHMENT = 2,
	DIGEST_HEADER_8BIT = 4,
	DIGEST_BARE_CR_LF = 8,
};

/* Digest.author_flags */
enum {
	DIGEST_FROM_THERE = 1,
	DIGEST_FROM_SEVERAL = 2,
	DIGEST_FROM_UNCLEAR = 4,
	DIGEST_FROM_DOMAINS = 8,
	DIGEST_SENDER_UNCLEAR = 16,
};

/* DigestPart.flags */
enum {
	DIGEST_PART_ID = 1,
	DIGEST_PART_DESCRIPTION = 2,
	DIGEST_PART_DISPOSITION = 4,
	DIGEST_PART_MD5 = 8,
	DIGEST_PART_LOCATION = 16,
	DIGEST_PART_OPAQUE = 32,
};

/* DigestEnvelope.flags */
enum {
	DIGEST_ENV_DATE = 1,
	DIGEST_ENV_SUBJECT = 2,
	DIGEST_ENV_IN_REPLY_TO = 4,
	DIGEST_ENV_MESSAGE_ID = 8,
	DIGEST_ENV_SENDER = 16,
	DIGEST_ENV_REPLY_TO = 32,
};

/* DigestAddress.flags */
enum {
	DIGEST_ADDR_NAME = 1,
	DIGEST_ADDR_ROUTE = 2,
	DIGEST_ADDR_MAILBOX = 4,
	DIGEST_ADDR_HOST = 8,
};

/* Never NULL. Lives in the arena and points into the message: both must outlive it. */
Postern__Digest *digest_make(struct arena *arena, struct slice message);

/* Bytes of a kept digest, checked: offsets in order and within size, parents before their children,
 * parts within their parents. ERR_CORRUPT else. Free with postern__digest__free_unpacked(*ret,
 * NULL). */
NODISCARD int digest_unpack(struct slice packed, Postern__Digest **ret);
/* The same in an arena's memory: nothing to free. */
NODISCARD int digest_unpack_in(struct arena *a, struct slice packed, Postern__Digest **ret);

/* RFC 3501 6.4.5, RFC 9051 6.4.5.1: the bytes that a section of FETCH BODY[...] names. */
enum digest_kind {
	DIGEST_WHOLE,  /* BODY[] or BODY[1.2]: the message, or a part's body */
	DIGEST_HEADER, /* BODY[HEADER], BODY[2.HEADER]: with its empty line; path must be empty or a
			  message part */
	DIGEST_TEXT,   /* BODY[TEXT], BODY[2.TEXT] */
	DIGEST_MIME,   /* BODY[1.MIME]; path must not be empty */
};

struct digest_range {
	uint64_t offset, length;
};

/* path: part numbers from 1, n of them. ERR_NOT_FOUND where the message has no such section. */
NODISCARD int digest_section(const Postern__Digest *d, const uint32_t *path, size_t n,
			     enum digest_kind kind, struct digest_range *ret);

/* The part that a path names (n > 0), for its encoding (BINARY) or type; NULL where there is none.
 */
const Postern__DigestPart *digest_part(const Postern__Digest *d, const uint32_t *path, size_t n);

#endif
