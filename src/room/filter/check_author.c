/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exactly one interpretation of who wrote it (S34), or none gets in: what DMARC judges and what a reader sees must be
 * the same. Whoever logged in has to name an author at all, and has every field of that kind read strictly (S35):
 * smtpd then asks whether each of these addresses is theirs. What a user or the mover puts into a mailbox has arrived.
 */
#include "proto/mail/digest.h"
#include "room/filter/verdict.h"

static void refuse(struct verdict *v, const char *text)
{
	v->verdict = POSTERN__VERDICT__VERDICT_REFUSE;
	v->code = 550;
	v->enhanced = "5.6.0";
	v->text = text;
}

void check_author(const struct verdict_input *in, struct verdict *v)
{
	bool submitted = strcmp(in->request->origin, "submission") == 0;
	unsigned flags = in->digest->author_flags;
	if (!submitted && strcmp(in->request->origin, "smtp") != 0)
		return;
	if (flags & DIGEST_FROM_SEVERAL)
		refuse(v, "the message has more than one From field");
	else if (flags & DIGEST_FROM_UNCLEAR)
		refuse(v, "the From field can be read in more than one way");
	else if (flags & DIGEST_FROM_DOMAINS && !submitted)
		refuse(v, "the From field names authors of several domains");
	else if (submitted && flags & DIGEST_SENDER_UNCLEAR)
		refuse(v, "a Sender or Resent field can be read in more than one way");
	else if (submitted && !in->digest->n_authors)
		refuse(v, "the message has no From field with an address");
}
