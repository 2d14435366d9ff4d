/* SPDX-License-Identifier: Apache-2.0 */
/* Any line: parsed or refused with a reply that can be written; what was taken obeys its limits. */
#include "proto/smtp/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct smtp_command c;
	const struct smtp_status *st = NULL;
	if (smtp_command_parse(slice_of(data, size), a, &c, &st) < 0) {
		struct buf out = BUF_INIT(SMTP_REPLY_MAX);
		smtp_reply_write(&out, st);
		bug_if(!buf_ok(&out) || st->code < 400);
		buf_fini(&out);
	} else {
		bug_if(size && memchr(data, 0, size));
		bug_if(c.mail.envid.n > SMTP_ENVID_MAX || c.rcpt.orcpt.n > SMTP_ORCPT_MAX);
		bug_if(c.verb == SMTP_VERB_RCPT && !c.rcpt.path.address.n);
		bug_if(c.verb == SMTP_VERB_MAIL && c.mail.path.utf8 && !c.mail.smtputf8);
		bug_if(c.verb == SMTP_VERB_UNKNOWN);
	}
	arena_free(&a);
	return 0;
}
