/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIST patterns (RFC 3501 6.3.8): '*' is any run of characters, '%' any without '/'. Matching reads each
 * byte of a name once, whatever the pattern (THREATS I13).
 */
#ifndef PROTO_IMAP_PATTERN_H
#define PROTO_IMAP_PATTERN_H

#include "base/slice.h"

enum { IMAP_PATTERN_MAX = 1023 };	/* bytes */

struct imap_pattern;

NODISCARD int imap_pattern_new(struct slice utf8, struct imap_pattern **ret);	/* ERR_TOO_BIG */
void imap_pattern_free(struct imap_pattern **p);
bool imap_pattern_match(const struct imap_pattern *p, struct slice name);

#endif
