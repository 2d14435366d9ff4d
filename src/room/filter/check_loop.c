/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5321 6.3: a message that went through too many servers is in a loop. Only where it is on its
 * way: what a user or the mover puts into a mailbox has arrived.
 */
#include "room/filter/verdict.h"

enum { DELIVERED_MAX = 50 };	/* what the digest keeps: whoever is among more might not be seen */

static bool is_on_its_way(const char *origin)
{
	return strcmp(origin, "smtp") == 0 || strcmp(origin, "submission") == 0;
}

void check_loop(const struct verdict_input *in, struct verdict *v)
{
	bool loops = in->digest->received_count > in->max_hops || in->digest->delivered_count > DELIVERED_MAX;
	if (!loops || !is_on_its_way(in->request->origin))
		return;
	v->verdict = POSTERN__VERDICT__VERDICT_REFUSE;
	v->code = 554;
	v->enhanced = "5.4.6";
	v->text = "too many Received or Delivered-To lines: this message is in a loop";
}
