/* SPDX-License-Identifier: Apache-2.0 */
/* Small codecs: base64 (RFC 4648 4), hex, UTF-8 validity (RFC 3629), CRC-32C (RFC 3720 B.4). */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include "base/buf.h"

void base64_encode(struct buf *out, struct slice in);	/* one line, padded */

/* Strict: whole quads, right padding, no blanks; ERR_SYNTAX else, ERR_TOO_BIG if out is full. */
NODISCARD int base64_decode(struct buf *out, struct slice in);

void hex_encode(struct buf *out, struct slice in);	/* lower case */
NODISCARD int hex_decode(struct buf *out, struct slice in);

bool utf8_valid(struct slice s);	/* no overlong forms, no surrogates, <= U+10FFFF */
bool ascii_only(struct slice s);

/* One code point from the front: its length in bytes, or 0 where the bytes are not valid UTF-8. */
size_t utf8_decode(struct slice s, uint32_t *ret_cp);
void utf8_encode(struct buf *out, uint32_t cp);		/* cp is a valid scalar value */

uint32_t crc32c(uint32_t crc, const void *p, size_t n);	/* start with 0 */

/* Constant time for equal lengths. */
bool secret_eq(struct slice a, struct slice b);

#endif
