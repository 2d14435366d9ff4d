/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room that takes hostile mail apart: it maps a message that another room holds in a sealed
 * memfd, makes its digest, runs the checks, answers, and forgets. It has no disk, no listener and
 * connects to nobody; converters of charsets and time zones are opened before the sandbox, because they
 * are files.
 */
#include "base/arena.h"
#include "base/err.h"
#include "base/event.h"
#include "lib/ipc/memfd.h"
#include "lib/zone/zones.h"
#include "proto/mail/charset.h"
#include "proto/mail/digest.h"
#include "room/filter/filter_priv.h"
#include "room/filter/sieve.h"
#include "room/filter/verdict.h"

static int init(struct room *room)
{
	room->state = calloc(1, sizeof(struct filter));
	bug_if(!room->state);
	ev(EV_DEBUG, "filter.charset.ready", KI("converters", charset_preload()), KI("zones", zones_load()));
	return 0;
}

static void answer(struct ipc_call *call, const Postern__Digest *d, struct verdict *v)
{
	Postern__JudgeReply reply = POSTERN__JUDGE_REPLY__INIT;
	size_t n = postern__digest__get_packed_size(d);
	uint8_t *packed = arena_alloc(call->arena, n);
	reply.digest = (ProtobufCBinaryData){ postern__digest__pack(d, packed), packed };
	reply.verdict = v->verdict;
	reply.code = v->code;
	reply.enhanced = (char *)(v->enhanced ? v->enhanced : "");
	reply.text = (char *)(v->text ? v->text : "");
	reply.report = (ProtobufCBinaryData){ v->report.n, v->report.p };
	ipc_reply(call, &reply.base, -1);
}

static void count(struct filter *f, const Postern__JudgeRequest *req, const Postern__Digest *d,
		  const struct verdict *v)
{
	f->judged++;
	f->limited += (d->flags & DIGEST_LIMITED) != 0;
	if (v->verdict == POSTERN__VERDICT__VERDICT_ACCEPT)
		return;
	f->refused += v->verdict == POSTERN__VERDICT__VERDICT_REFUSE;
	ev(EV_INFO, "filter.message.judged", KS("origin", req->origin), KS("check", v->check),
	   KI("verdict", v->verdict), KI("code", v->code));
}

static void on_judge(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct slice message;
	int err = memfd_map(call->fds[0], FILTER_MESSAGE_MAX, &message);
	if (err < 0) {
		ipc_fail(call, err, err_text(err));
		return;
	}
	struct verdict v;
	verdict_init(&v);
	struct verdict_input in = {
		.request = (const Postern__JudgeRequest *)call->req,
		.digest = digest_make(call->arena, message),
		.message = message,
		.max_hops = conf_u64(room->conf, "smtp.max_hops"),
	};
	verdict_run(&in, &v);
	count(room->state, in.request, in.digest, &v);
	answer(call, in.digest, &v);
	verdict_fini(&v);
	memfd_unmap(&message);
}

static void on_stats(struct room *room, struct stats *stats)
{
	const struct filter *f = room->state;
	stats_add(stats, "judged", f->judged);
	stats_add(stats, "refused", f->refused);
	stats_add(stats, "limited", f->limited);
	stats_add(stats, "scripts", f->scripts);
}

static ipc_handler_fn *const handlers[] = {
	[POSTERN__FILTER_OP__FILTER_JUDGE] = on_judge,
	[POSTERN__FILTER_OP__FILTER_SIEVE] = on_sieve,
};

static const struct sandbox_policy policy = { .nofile = 1024, .memory = 1ull << 30 };

const struct room_ops filter_ops = {
	.sandbox = &policy,
	.serves = &filter_contract,
	.handlers = handlers,
	.init = init,
	.on_stats = on_stats,
};
