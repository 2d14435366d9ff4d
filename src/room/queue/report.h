/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two kinds of reports have in common: notifications of deliveries (dsn.h) and of dispositions (mdn.h). Whatever came
 * from outside is cut, and stays one field, or lines behind an indent (S13).
 */
#ifndef ROOM_QUEUE_REPORT_H
#define ROOM_QUEUE_REPORT_H

#include "base/buf.h"

enum { REPORT_TEXT_MAX = 500, REPORT_REASON_MAX = 2000 };	/* of a value from outside; of a text of a mailbox here */

struct slice report_cut(struct slice value);

/* For people. until_ms: where the text has its %s. */
void report_lines(struct buf *out, struct slice text);
void report_words(struct buf *out, int64_t until_ms, const char *text);

/* For machines. type stands in front of the value: "dns; ". */
void report_field(struct buf *out, const char *name, const char *type, struct slice value);
/* As the client named it ("rfc822;xtext", or empty), without its xtext; what is none stays as it is. */
void report_original_recipient(struct buf *out, struct slice orcpt);
void report_final_recipient(struct buf *out, struct slice address);

/* The type of the part that has the message, or its header. */
const char *report_original_type(struct slice original, bool headers_only);

#endif
