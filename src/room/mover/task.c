/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One mailbox: a session at the store, a connection to the old server, its folders one after the other. What may
 * pass by itself (a lost connection, a store that is started again) ends the try, not the task: the next try asks
 * the store what is here and goes on from there. What will not pass (a wrong password) ends the task.
 */
#include "room/mover/mover_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/map.h"

#include <stdarg.h>

static ProtobufCBinaryData keep(struct arena *a, ProtobufCBinaryData d)
{
	struct slice s = arena_dup(a, slice_of(d.data, d.len));

	return (ProtobufCBinaryData){ .len = s.n, .data = (uint8_t *)s.p };
}

static struct slice bytes_of(ProtobufCBinaryData d)
{
	return slice_of(d.data, d.len);
}

struct move_task *move_task_new(struct mover *mover, const Postern__MoveTask *ask)
{
	struct move_task *t = calloc(1, sizeof(*t));

	bug_if(!t);
	t->mover = mover;
	t->arena = arena_new();
	t->try_arena = arena_new();
	t->ask = *ask;
	t->ask.host = arena_str(t->arena, slice_str(ask->host));
	t->ask.address = keep(t->arena, ask->address);
	t->ask.user = keep(t->arena, ask->user);
	t->ask.password = keep(t->arena, ask->password);
	t->ask.master_user = keep(t->arena, ask->master_user);
	t->config = (struct source_config){
		.loop = mover->room->loop,
		.resolver = mover->resolver,
		.tls_any = mover->tls_any,
		.tls_name = mover->tls_name,
		.host = t->ask.host,
		.port = (uint16_t)ask->port,
		.tls = ask->tls,
		.verify = ask->verify,
		.user = bytes_of(t->ask.user),
		.password = bytes_of(t->ask.password),
		.master_user = bytes_of(t->ask.master_user),
		.body_max = conf_u64(mover->room->conf, "smtp.max_size"),
	};
	t->new_before = ask->messages_new;
	t->bytes_before = ask->bytes_new;
	t->faults = BUF_INIT(16 * 1024);
	t->body_fd = -1;
	t->body_sha = EVP_MD_CTX_new();
	bug_if(!t->body_sha);
	list_init(&t->flight);
	return t;
}

/* Everything of this try. */
static void clean_up(struct move_task *t)
{
	transfer_clear(t);
	work_clear(t);
	source_free(&t->source);
	drop_free(&t->drop);
	t->maildrop = NULL;
	room_call_cancel(&t->grant);
	if (t->session && t->session_call)
		ipc_cancel(t->session, t->session_call);
	t->session_call = 0;
	ipc_chan_free(&t->session);
	map_free(&t->by_raw);
	map_free(&t->subscribed);
	arena_reset(t->try_arena);
	t->here = NULL;
	t->folders = NULL;
	t->n_here = t->n_folders = t->at = t->n_foreign = t->n_unnamed = t->status_next = 0;
	t->prefix = slice_of(NULL, 0);
}

void move_task_free(struct move_task **ret)
{
	struct move_task *t = *ret;

	*ret = NULL;
	if (!t)
		return;
	clean_up(t);
	if (t->ask.password.data)
		explicit_bzero(t->ask.password.data, t->ask.password.len);
	buf_fini(&t->faults);
	EVP_MD_CTX_free(t->body_sha);
	arena_free(&t->try_arena);
	arena_free(&t->arena);
	free(t);
}

bool move_task_dead(const struct move_task *t)
{
	return t->broken || t->over;
}

void move_task_fail(struct move_task *t, bool passing, const char *fmt, ...)
{
	va_list ap;

	if (move_task_dead(t))
		return;
	va_start(ap, fmt);
	IGNORE(vsnprintf(t->error, sizeof(t->error), fmt, ap) < 0, "cut is well");
	va_end(ap);
	if (passing && t->tries < TRIES_MAX) {
		t->tries++;
		t->broken = true;
		t->retry_at_ms = clock_mono_ms() + 500 * (int64_t)t->tries;
		ev(EV_INFO, "mover.task.again", KI("task", t->ask.task_id), KS("error", t->error), KI("try", t->tries));
	} else {
		move_task_finish(t);
	}
}

void move_task_tick(struct move_task *t, int64_t now_ms)
{
	if (!t->broken || now_ms < t->retry_at_ms)
		return;
	clean_up(t);
	t->broken = false;
	t->error[0] = 0;
	move_task_begin(t);
}

void move_task_ask(struct move_task *t, uint16_t op, const ProtobufCMessage *req, ipc_reply_fn *fn)
{
	t->session_call = ipc_call(t->session, op, req, NULL, 0, CALL_MS, fn, t);
}

bool move_task_answered(struct move_task *t, int err, const char *what, const char *text)
{
	t->session_call = 0;
	if (move_task_dead(t))
		return false;
	if (err == 0)
		return true;
	bool passing = err == ERR_CLOSED || err == ERR_UNAVAILABLE || err == ERR_TIMEOUT || err == ERR_FULL ||
		       err == ERR_NOT_FOUND;
	move_task_fail(t, passing, "%s: %s", what, text && *text ? text : err_text(err));
	return false;
}

/* -- the source ----------------------------------------------------------------------------------- */

static void on_ready(void *ctx)
{
	struct move_task *t = ctx;

	if (!move_task_dead(t))
		folders_begin(t);
}

static void on_response(void *ctx, const struct imapc_response *r)
{
	struct move_task *t = ctx;

	if (move_task_dead(t))
		return;
	if (t->work.folder)
		folder_response(t, r);
	else
		folders_response(t, r);
}

static void on_done(void *ctx, int what, const struct imapc_response *r)
{
	struct move_task *t = ctx;

	if (move_task_dead(t))
		return;
	if (t->work.folder)
		folder_done(t, what, r);
	else
		folders_done(t, what, r);
}

static void on_failed(void *ctx, enum source_fault fault, const char *text)
{
	move_task_fail(ctx, fault == SOURCE_LOST, "%s", text);
}

static const struct source_ops source_ops = {
	.on_ready = on_ready,
	.on_response = on_response,
	.on_done = on_done,
	.on_failed = on_failed,
	.body = { transfer_body_begin, transfer_body_bytes },
};

/* -- what is here --------------------------------------------------------------------------------- */

static void ask_here(struct move_task *t, struct slice after);

static void keep_here(struct move_task *t, const Postern__ListReply *reply)
{
	struct here *here = ARENA_ARRAY(t->try_arena, struct here, t->n_here + reply->n_mailboxes + 1);

	if (t->n_here)
		memcpy(here, t->here, t->n_here * sizeof(*here));
	t->here = here;
	for (size_t i = 0; i < reply->n_mailboxes; i++) {
		const Postern__MailboxInfo *m = reply->mailboxes[i];
		if (m->exists)
			t->here[t->n_here++] = (struct here){
				arena_dup(t->try_arena, bytes_of(m->name)), m->special_use, m->subscribed,
			};
	}
}

static void on_here(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct move_task *t = ctx;
	const Postern__ListReply *list = (const Postern__ListReply *)reply;

	if (!move_task_answered(t, err, "the mailbox here", text))
		return;
	keep_here(t, list);
	if (list->more && list->n_mailboxes) {
		ask_here(t, bytes_of(list->mailboxes[list->n_mailboxes - 1]->name));
		return;
	}
	if (t->ask.pop3)
		t->drop = drop_new(&t->config, &maildrop_ops, t);
	else
		t->source = source_new(&t->config, &source_ops, t);
}

static void ask_here(struct move_task *t, struct slice after)
{
	Postern__ListRequest req = POSTERN__LIST_REQUEST__INIT;

	req.after = (ProtobufCBinaryData){ after.n, (uint8_t *)after.p };
	move_task_ask(t, POSTERN__SESSION_OP__SESSION_LIST, &req.base, on_here);
}

static void on_session_notice(struct ipc_chan *chan, uint16_t op, const ProtobufCMessage *msg, int fd, void *ctx)
{
	if (fd >= 0)
		close(fd);
	if (op == POSTERN__SESSION_OP__SESSION_GOODBYE)
		move_task_fail(ctx, true, "the store ended the session");
}

static void on_session_closed(struct ipc_chan *chan, int err, void *ctx)
{
	struct move_task *t = ctx;

	t->session = NULL;
	t->session_call = 0;
	move_task_fail(t, true, "the store was started again");
}

static const struct ipc_handlers session_handlers = { NULL, on_session_notice, on_session_closed };

static void on_grant(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct move_task *t = ctx;

	t->grant = NULL;
	if (err == 0 && fd < 0)
		err = ERR_INTERNAL;
	if (err < 0) {
		bool passing = err == ERR_UNAVAILABLE || err == ERR_CLOSED || err == ERR_TIMEOUT;
		move_task_fail(t, passing, "no session at the store: %s", text && *text ? text : err_text(err));
		return;
	}
	t->session = ipc_chan_new(t->mover->room->loop, fd, &session_contract, false, ROLE_STORE, t->ask.shard,
				  &session_handlers, t);
	ask_here(t, slice_of(NULL, 0));
}

void move_task_begin(struct move_task *t)
{
	Postern__GrantRequest req = POSTERN__GRANT_REQUEST__INIT;

	t->new_before = t->messages_new > t->new_before ? t->messages_new : t->new_before;
	t->bytes_before = t->bytes_new > t->bytes_before ? t->bytes_new : t->bytes_before;
	t->folders_done = t->messages_total = t->messages_done = t->messages_failed = t->messages_new = t->bytes_new = 0;
	buf_clear(&t->faults);
	req.account_id = t->ask.account_id;
	req.kind = POSTERN__SESSION_KIND__SESSION_MOVE;
	req.task_id = t->ask.task_id;
	req.client = "mover";
	t->grant = room_call(t->mover->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_GRANT, &req.base, NULL, 0,
			     CALL_MS, on_grant, t);
}
