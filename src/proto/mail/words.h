/* SPDX-License-Identifier: Apache-2.0 */
/* Encoded words of header text (RFC 2047), tolerant as readers are, to UTF-8. See charset.h for
 * what is known. */
#ifndef PROTO_MAIL_WORDS_H
#define PROTO_MAIL_WORDS_H

#include "base/buf.h"

/* Appends the text of a header value as valid UTF-8: encoded words decoded, blanks between two of
 * them left out, raw 8-bit bytes taken as UTF-8 or Windows-1252, line ends gone. What is no encoded
 * word stays as it is. */
void words_decode(struct slice in, struct buf *out);

#endif
