/* SPDX-License-Identifier: Apache-2.0 */
/* What the sender is told of a refusal (RFC 5429). */
#include "lib/delivery/reject.h"

#include "base/buf.h"

enum { REPLY_LINE_MAX = 400 };

static const char no_reason[] = "The recipient does not want this message";

/* RFC 5429 2.5: the lines of the reason are those of the reply; no longer than a reply's line may be. */
const char *reject_reply(struct arena *a, struct slice reject)
{
	struct buf out = BUF_INIT(REJECT_MAX + 1);
	size_t line = 0;
	for (size_t i = 0; i < reject.n && out.n + 1 < REJECT_MAX; i++) {
		uint8_t c = reject.p[i];
		if (line == REPLY_LINE_MAX) {
			buf_byte(&out, '\n');
			line = 0;
		}
		if (c == '\r' || (c >= 0x7f && c < 0xc0))	/* of an octet sequence, all but the first */
			continue;
		buf_byte(&out, c >= 0xc0 ? '?' : c >= ' ' || c == '\n' ? c : ' ');
		line = c == '\n' ? 0 : line + 1;
	}
	const char *text = arena_str(a, slice_trim(buf_view(&out)));
	buf_fini(&out);
	return text[0] ? text : no_reason;
}

struct slice reject_reason(struct arena *a, struct slice reject)
{
	size_t n = reject.n < REJECT_MAX ? reject.n : REJECT_MAX;
	while (n && n < reject.n && (reject.p[n] & 0xc0) == 0x80)
		n--;
	struct slice s = slice_trim(slice_sub(reject, 0, n));
	return s.n ? arena_dup(a, s) : slice_str(no_reason);
}

const char *reject_unreported(bool logged_in, struct slice sender, bool list, const struct rules_plan *plan)
{
	if (!logged_in)
		return "unproved-sender";
	if (!sender.n)
		return "null-sender";
	if (list)
		return "list";
	return plan->mdn && plan->no_mdn ? "automatic" : NULL;
}
