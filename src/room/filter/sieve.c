/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FILTER_SIEVE: a mailbox's rules over one message. Only here do a user's script and hostile mail meet: the room has no
 * disk and nobody to talk to, and a script's work is bounded. What to do comes back as a list; others do it.
 */
#include "room/filter/sieve.h"

#include "base/err.h"
#include "base/event.h"
#include "lib/ipc/memfd.h"
#include "lib/zone/zones.h"
#include "proto/mail/digest.h"
#include "proto/sieve/sieve.h"
#include "room/filter/filter_priv.h"

/* docs/formats/sieve.md: an account's scripts together; a frame between rooms holds no more anyhow. */
enum { SCRIPTS_MAX = 64 };

struct job {
	struct arena *arena;
	const Postern__SieveRequest *req;
	struct sieve_script *compiled[SCRIPTS_MAX];
};

static struct slice bytes_of(ProtobufCBinaryData b)
{
	return slice_of(b.data, b.len);
}

static ProtobufCBinaryData data_of(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

static int compile(struct job *j, size_t i, const struct sieve_script **ret, struct sieve_error *why)
{
	if (!j->compiled[i]) {
		int err = sieve_compile(j->arena, bytes_of(j->req->scripts[i]->text), &j->compiled[i], why);
		if (err < 0) {
			j->compiled[i] = NULL;
			return err;
		}
	}
	*ret = j->compiled[i];
	return 0;
}

/* ---- what a run asks ---- */

static int find_include(void *ctx, bool global, struct slice name, const struct sieve_script **ret,
			struct sieve_error *why)
{
	struct job *j = ctx;
	for (size_t i = 0; i < j->req->n_scripts; i++) {
		if (j->req->scripts[i]->global == global && slice_eq(slice_str(j->req->scripts[i]->name), name))
			return compile(j, i, ret, why);
	}
	return ERR_NOT_FOUND;
}

static int has_mailbox(void *ctx, struct slice name)
{
	const struct job *j = ctx;
	for (size_t i = 0; i < j->req->n_mailboxes; i++) {
		if (slice_eq(bytes_of(j->req->mailboxes[i]), name))
			return 1;
	}
	return 0;
}

static int zone_at(void *ctx, int64_t ms)
{
	const struct job *j = ctx;
	return zones_minutes(slice_str(j->req->zone), ms);
}

static const struct slice *own_addresses(struct job *j)
{
	struct slice *own = ARENA_ARRAY(j->arena, struct slice, j->req->n_addresses + 1);
	for (size_t i = 0; i < j->req->n_addresses; i++)
		own[i] = bytes_of(j->req->addresses[i]);
	return own;
}

/* ---- the answer ---- */

static const char *error_text(struct job *j, size_t script, struct slice within, const struct sieve_error *why)
{
	struct buf out = BUF_INIT(1024);
	buf_printf(&out, "%.200s: ", script < j->req->n_scripts ? j->req->scripts[script]->name : "");
	if (within.n)
		buf_printf(&out, SLICE_FMT ": ", SLICE_ARG(within));
	sieve_error_text(why, NULL, &out);
	const char *text = arena_str(j->arena, buf_view(&out));
	buf_fini(&out);
	return text;
}

static Postern__SieveKind kind_of(enum sieve_kind kind)
{
	switch (kind) {
	case SIEVE_FILEINTO: return POSTERN__SIEVE_KIND__SIEVE_FILEINTO;
	case SIEVE_REDIRECT: return POSTERN__SIEVE_KIND__SIEVE_REDIRECT;
	case SIEVE_REJECT: return POSTERN__SIEVE_KIND__SIEVE_REJECT;
	case SIEVE_EREJECT: return POSTERN__SIEVE_KIND__SIEVE_EREJECT;
	case SIEVE_VACATION: return POSTERN__SIEVE_KIND__SIEVE_VACATION;
	default: return POSTERN__SIEVE_KIND__SIEVE_KEEP;
	}
}

static void fill_action(struct job *j, const struct sieve_env *env, const char *host, const struct sieve_action *a,
			Postern__SieveAction *out)
{
	postern__sieve_action__init(out);
	out->kind = kind_of(a->kind);
	out->mailbox = data_of(a->mailbox);
	out->create = a->create;
	out->n_flags = a->n_flags;
	out->flags = ARENA_ARRAY(j->arena, ProtobufCBinaryData, a->n_flags + 1);
	for (size_t i = 0; i < a->n_flags; i++)
		out->flags[i] = data_of(a->flags[i]);
	out->address = data_of(a->address);
	out->automatic = a->automatic;
	if (a->kind == SIEVE_VACATION)
		vacation_fill(j->arena, env, host, a, out);
	else
		out->text = data_of(a->reason);
}

static void fill_failure(struct job *j, const struct sieve_result *result, Postern__SieveReply *reply)
{
	Postern__SieveFailure *f = ARENA_NEW(j->arena, Postern__SieveFailure);
	postern__sieve_failure__init(f);
	f->script = (uint32_t)result->failed_script;
	f->within = data_of(result->failed_within);
	f->line = result->why.line;
	f->column = result->why.column;
	f->what = (char *)(uintptr_t)result->why.what;
	f->arg = data_of(arena_dup(j->arena, slice_str(result->why.arg)));
	reply->failure = f;
	reply->error = (char *)(uintptr_t)error_text(j, result->failed_script, result->failed_within, &result->why);
}

static void answer(struct ipc_call *call, struct job *j, const struct sieve_env *env, const char *host,
		   const struct sieve_result *result)
{
	Postern__SieveReply reply = POSTERN__SIEVE_REPLY__INIT;
	Postern__SieveAction *all = ARENA_ARRAY(j->arena, Postern__SieveAction, result->n_actions + 1);
	reply.actions = ARENA_ARRAY(j->arena, Postern__SieveAction *, result->n_actions + 1);
	for (size_t i = 0; i < result->n_actions; i++) {
		if (result->actions[i].kind == SIEVE_DISCARD)	/* no action says so */
			continue;
		reply.actions[reply.n_actions] = &all[i];
		fill_action(j, env, host, &result->actions[i], reply.actions[reply.n_actions++]);
	}
	if (result->failed)
		fill_failure(j, result, &reply);
	ipc_reply(call, &reply.base, -1);
}

/* Scripts before one that does not compile run; the message is kept, and the error told. */
static void run(struct ipc_call *call, struct job *j, struct slice message, const Postern__Digest *digest,
		const char *host)
{
	const struct sieve_script *scripts[SCRIPTS_MAX];
	struct sieve_error why;
	struct sieve_result result;
	const Postern__SieveRequest *req = j->req;
	struct sieve_env env = {
		.message = message, .digest = digest, .sender = bytes_of(req->sender),
		.recipient = bytes_of(req->recipient), .own = own_addresses(j), .n_own = req->n_addresses,
		.now_ms = req->now_ms, .zone = zone_at, .junk = req->junk, .separator = (uint8_t)req->separator[0], .include = find_include,
		.mailbox = has_mailbox, .ctx = j,
	};
	size_t n = 0;
	int err = 0;
	while (n < req->run && n < req->n_scripts && (err = compile(j, n, &scripts[n], &why)) == 0)
		n++;
	sieve_run(j->arena, scripts, n, &env, &result);
	if (err < 0 && !result.failed)
		sieve_keep_for_error(j->arena, &result, &why, n);
	answer(call, j, &env, host, &result);
}

void on_sieve(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct filter *f = room->state;
	struct job j = { .arena = call->arena, .req = (const Postern__SieveRequest *)call->req };
	struct slice message;
	Postern__Digest *digest;
	if (j.req->n_scripts > SCRIPTS_MAX) {
		ipc_fail(call, ERR_TOO_BIG, "too many scripts");
		return;
	}
	int err = memfd_map(call->fds[0], FILTER_MESSAGE_MAX, &message);
	if (err < 0) {
		ipc_fail(call, err, err_text(err));
		return;
	}
	/* A digest that is of other bytes must not lead a read out of these. */
	if (digest_unpack_in(j.arena, bytes_of(j.req->digest), &digest) < 0 || digest->size != message.n)
		digest = digest_make(j.arena, message);
	f->scripts++;
	run(call, &j, message, digest, conf_str(room->conf, "host.name"));
	memfd_unmap(&message);
}
