/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An attempt's way in and out: the request is checked (queue is trusted, what it carries came from outside),
 * the message mapped, and at the end one result a recipient goes back. An attempt is answered exactly once.
 */
#include "room/relay/relay.h"

#include "base/err.h"
#include "base/event.h"
#include "lib/ipc/memfd.h"

struct smtp_result relay_result(enum smtp_outcome outcome, const char *enhanced, const char *text)
{
	struct smtp_result r = { .outcome = outcome, .text = slice_str(text) };
	snprintf(r.enhanced, sizeof(r.enhanced), "%s", enhanced);
	return r;
}

static ProtobufCBinaryData bytes_of(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

static struct slice slice_of_bytes(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}

static void fill_mail(struct attempt *a)
{
	const Postern__AttemptRequest *req = a->req;
	struct smtp_client_rcpt *rcpts =
		ARENA_ARRAY(a->call->arena, struct smtp_client_rcpt, req->n_recipients);
	for (size_t i = 0; i < req->n_recipients; i++) {
		rcpts[i].address = slice_of_bytes(req->recipients[i]->address);
		rcpts[i].notify = req->recipients[i]->notify;
		rcpts[i].orcpt = slice_of_bytes(req->recipients[i]->orcpt);
	}
	a->mail = (struct smtp_client_mail){
		.sender = slice_of_bytes(req->sender),
		.rcpts = rcpts,
		.n_rcpts = req->n_recipients,
		.envid = slice_of_bytes(req->envid),
		.ret_headers = req->ret_headers,
		.smtputf8 = req->smtputf8,
		.body_8bit = req->body_8bit,
		.size = a->message.n,
	};
}

void attempt_handle(struct ipc_call *call, void *ctx)
{
	struct relay *relay = ((struct room *)ctx)->state;
	const Postern__AttemptRequest *req = (const Postern__AttemptRequest *)call->req;
	struct slice message;
	struct dest *dest;
	if (relay->stopping) {
		ipc_fail(call, ERR_UNAVAILABLE, "stopping");
		return;
	}
	if (!req->n_recipients || req->n_recipients > SMTP_CLIENT_RCPTS_MAX) {
		ipc_fail(call, ERR_INVALID, "number of recipients");
		return;
	}
	int err = dest_of(relay, req, &dest);
	if (err == 0)
		err = memfd_map(call->fds[0], RELAY_MESSAGE_MAX, &message);
	if (err < 0) {
		ipc_fail(call, err, NULL);
		return;
	}
	struct attempt *a = calloc(1, sizeof(*a));
	bug_if(!a);
	a->call = call;
	a->req = req;
	a->message = message;
	fill_mail(a);
	relay->attempts++;
	dest_add(dest, a);
}

static void free_attempt(struct attempt **a)
{
	struct relay *relay = (*a)->dest->relay;
	relay->attempts--;
	memfd_unmap(&(*a)->message);
	free(*a);
	*a = NULL;
	relay_maybe_exit(relay);
}

static void count(struct relay *relay, const struct smtp_result *r)
{
	if (r->outcome == SMTP_DELIVERED)
		relay->delivered++;
	else if (r->outcome == SMTP_LATER)
		relay->later++;
	else
		relay->failed++;
}

static void tell(const struct attempt *a, size_t i, const struct smtp_result *r, const char *server)
{
	static const char *const names[] = { "relay.recipient.delivered", "relay.recipient.later",
					     "relay.recipient.failed" };
	ev(EV_INFO, names[r->outcome], KI("queue_id", a->req->queue_id),
	   KSL("address", slice_of_bytes(a->req->recipients[i]->address)), KS("server", server),
	   KI("code", r->code), KS("status", r->enhanced), KSL("text", r->text));
}

/* step 0: the same result for all. */
static void answer(struct attempt **ap, const struct smtp_result *results, size_t step,
		   const char *server, bool unreachable)
{
	struct attempt *a = *ap;
	size_t n = a->req->n_recipients;
	Postern__AttemptReply reply = POSTERN__ATTEMPT_REPLY__INIT;
	Postern__AttemptResult *all = ARENA_ARRAY(a->call->arena, Postern__AttemptResult, n);
	reply.results = ARENA_ARRAY(a->call->arena, Postern__AttemptResult *, n);
	reply.n_results = n;
	reply.unreachable = unreachable;
	for (size_t i = 0; i < n; i++) {
		const struct smtp_result *r = &results[i * step];
		postern__attempt_result__init(&all[i]);
		all[i].outcome = (Postern__AttemptOutcome)r->outcome;
		all[i].code = r->code;
		all[i].enhanced = (char *)r->enhanced;
		all[i].text = bytes_of(slice_sub(r->text, 0, SMTP_CLIENT_TEXT_MAX));
		all[i].server = bytes_of(slice_str(server));
		all[i].dsn_passed_on = r->dsn_passed_on;
		reply.results[i] = &all[i];
		count(a->dest->relay, r);
		tell(a, i, r, server);
	}
	ipc_reply(a->call, &reply.base, -1);
	free_attempt(ap);
}

void attempt_results(struct attempt **a, const struct smtp_result *results, const char *server)
{
	answer(a, results, 1, server, false);
}

void attempt_fail(struct attempt **a, const struct smtp_result *why, const char *server,
		  bool unreachable)
{
	answer(a, why, 0, server, unreachable);
}

void attempt_drop(struct attempt **a)
{
	ipc_fail((*a)->call, ERR_UNAVAILABLE, "stopping");
	free_attempt(a);
}
