/* SPDX-License-Identifier: Apache-2.0 */
/* A reject or ereject: its text, for a reply in the session and for a report, and whether there may be a report. */
#ifndef LIB_DELIVERY_REJECT_H
#define LIB_DELIVERY_REJECT_H

#include "base/arena.h"
#include "lib/delivery/rules.h"

enum { REJECT_MAX = 2000 };	/* bytes of a reason that are told; the rest is cut off */
/* The reason of a refusal for an SMTP reply (proto/smtp/reply.h): printable ASCII, a '\n' between its lines. */
const char *reject_reply(struct arena *a, struct slice reject);
/* For a report: as it was written. */
struct slice reject_reason(struct arena *a, struct slice reject);
/* Why nobody is told by a report, so that the mailbox keeps the message; NULL: the sender can be. Whose address is proved by
 * nothing gets none (RFC 5429 2.1): it would go to whoever was made up. list: the mailbox is one of several behind a name. */
const char *reject_unreported(bool logged_in, struct slice sender, bool list, const struct rules_plan *plan);

#endif
