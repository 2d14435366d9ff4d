/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GTUBE, the "Generic Test for Unsolicited Bulk Email": who looks after a mail server sends these 68 characters to see
 * whether, and how, it files junk. Only from outside: nobody is kept from sending one.
 */
#include "room/filter/verdict.h"

enum { LOOKED_AT = 64 * 1024 };

void check_gtube(const struct verdict_input *in, struct verdict *v)
{
	const struct slice gtube = SLICE("XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X");
	if (strcmp(in->request->origin, "smtp") != 0)
		return;
	if (slice_find(slice_sub(in->message, 0, LOOKED_AT), gtube, 0) >= 0)
		v->verdict = POSTERN__VERDICT__VERDICT_JUNK;
}
