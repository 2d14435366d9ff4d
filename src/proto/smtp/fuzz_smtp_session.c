/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session in every state: the first byte chooses the face and when questions are answered, then lines of
 * the input go in one by one; some bytes stand for what an owner does (time, TLS, stop). The owner of
 * fake_owner.h is the reference model: it aborts where a message comes without a living MAIL and RCPT (S09).
 */
#include "proto/smtp/fake_owner.h"

static void act(struct fake *f, uint8_t c)
{
	static const struct smtp_status stopping = { 421, "4.3.2", "Stopping" };
	switch (c) {
	case 1:
		smtp_server_timeout(f->s);
		break;
	case 2:
		if (f->tls_wanted)
			smtp_server_tls_started(f->s);
		f->tls_wanted = false;
		break;
	case 3:
		smtp_server_stop(f->s, &stopping);
		break;
	case 4:
		f->body_fails = !f->body_fails;
		break;
	default:
		f->refuse_body = !f->refuse_body;
	}
}

/* What is not taken is offered again with more, as a stream does. */
static void offer(struct fake *f, struct slice all, size_t *at, size_t upto)
{
	while (*at < upto && !f->closed) {
		size_t used = f->waits ? 0 : smtp_server_input(f->s, slice_sub(all, *at, upto));
		bug_if(used > upto - *at);
		*at += used;
		if (f->question)
			fake_answer(f);
		else if (f->waits)
			smtp_server_timeout(f->s);	/* the tarpit */
		else if (!used)
			break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct fake f;
	fake_start(&f, data[0] & 1);
	f.later = data[0] & 2;
	f.cfg.greet_ms = data[0] & 4 ? 10 : 0;
	f.cfg.tarpit_ms = data[0] & 8 ? 10 : 0;
	struct slice all = slice_of(data + 1, size - 1);
	size_t at = 0;
	smtp_server_start(f.s);
	for (size_t i = 0; i < all.n && !f.closed; i++) {
		if (all.p[i] == '\n' || i + 1 == all.n || i % 61 == 60)
			offer(&f, all, &at, i + 1);
		if (all.p[i] >= 1 && all.p[i] <= 5 && !f.closed && (!f.question || all.p[i] == 3))
			act(&f, all.p[i]);
	}
	bug_if(!buf_ok(&f.out));
	fake_fini(&f);
	return 0;
}
