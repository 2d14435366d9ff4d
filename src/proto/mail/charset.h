/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text of any charset to UTF-8. US-ASCII, UTF-8, ISO-8859-1 and Windows-1252 are done here, the
 * others by iconv, whose converters are files: a room that will decode text calls charset_preload
 * before its sandbox, and has the usual charsets at hand from then on. A process-wide table; rooms
 * have one thread.
 */
#ifndef PROTO_MAIL_CHARSET_H
#define PROTO_MAIL_CHARSET_H

#include "base/buf.h"

enum { CHARSET_NAME_MAX = 40 };

/* Opens the converters; more calls do nothing. Returns how many there are. */
unsigned charset_preload(void);

/* Always appends valid UTF-8 (as far as out has room): bytes without meaning become U+FFFD; an
 * unknown charset, or none, is taken as UTF-8 where it is valid and as Windows-1252 else. NULs are
 * left out. False where the charset is not known here. Only the whole text of a stateful charset is
 * right, so callers do not split. */
bool charset_to_utf8(struct slice charset, struct slice in, struct buf *out);

/* May text be searched in this charset (IMAP SEARCH CHARSET)? */
bool charset_known(struct slice charset);

#endif
