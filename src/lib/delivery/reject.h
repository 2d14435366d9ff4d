/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a reject or ereject, for a reply in the session and for a report. */
#ifndef LIB_DELIVERY_REJECT_H
#define LIB_DELIVERY_REJECT_H

#include "base/arena.h"

enum { REJECT_MAX = 2000 };	/* bytes of a reason that are told; the rest is cut off */
/* The reason of a refusal for an SMTP reply (proto/smtp/reply.h): printable ASCII, a '\n' between its lines. */
const char *reject_reply(struct arena *a, struct slice reject);
/* For a report: as it was written. */
struct slice reject_reason(struct arena *a, struct slice reject);

#endif
