/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MOVER_CHECK: can this source be logged in to, and what does it show? Nothing is copied; the answer is for a person
 * who has just typed a server's name.
 */
#include "room/mover/mover_priv.h"

#include "base/err.h"
#include "base/text.h"

/* Somebody waits at a command line: the answer is due before directory gives the question up. */
enum { CHECK_SILENCE_MS = 30000 };

struct check {
	struct ipc_call *call;
	struct mover *mover;
	struct source_config config;
	struct source *source;		/* IMAP */
	struct drop *drop;		/* or POP3 */
	uint64_t folders;
	uv_timer_t end;			/* frees it from the loop */
};

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_end(uv_timer_t *timer)
{
	struct check *c = timer->data;

	source_free(&c->source);
	drop_free(&c->drop);
	uv_close((uv_handle_t *)timer, on_closed);
}

static void answer(struct check *c, bool ok, const char *error)
{
	Postern__CheckReply reply = POSTERN__CHECK_REPLY__INIT;

	if (!c->call)
		return;
	reply.ok = ok;
	reply.error = (char *)error;
	reply.folders = c->folders;
	ipc_reply(c->call, &reply.base, -1);
	c->call = NULL;
	bug_if(uv_timer_start(&c->end, on_end, 0, 0) < 0);
}

static void on_ready(void *ctx)
{
	struct check *c = ctx;
	struct imapc_command command;

	source_begin(c->source, &command);
	imapc_put(&command, "LIST \"\" \"*\"");
	if (source_send(c->source, &command, ASK_LIST) < 0)
		answer(c, false, "a command could not be written");
}

static void on_response(void *ctx, const struct imapc_response *r)
{
	struct check *c = ctx;

	if (r->kind == IMAPC_LIST && c->folders < FOLDERS_MAX)
		c->folders++;
}

static void on_done(void *ctx, int what, const struct imapc_response *r)
{
	struct check *c = ctx;
	bool ok = r->condition == IMAPC_OK;

	answer(c, ok, ok ? "" : N_("the server does not list its folders"));
}

static void on_failed(void *ctx, enum source_fault fault, const char *text)
{
	answer(ctx, false, text);
}

static int no_begin(void *ctx, uint64_t size)
{
	return 0;
}

static int no_bytes(void *ctx, struct slice bytes)
{
	return 0;
}

/* -- POP3: a server without UIDL is of no use -- */

static void on_drop_ready(void *ctx)
{
	struct check *c = ctx;

	if (drop_ask(c->drop, POP3C_LINES, 0, "UIDL") < 0)
		answer(c, false, "a command could not be written");
}

static void on_drop_line(void *ctx, int what, struct slice line)
{
}

static int on_drop_bytes(void *ctx, int what, struct slice bytes)
{
	return 0;
}

static void on_drop_done(void *ctx, int what, bool ok, struct slice text)
{
	struct check *c = ctx;

	c->folders = 1;
	answer(c, ok, ok ? "" : N_("the server has no UIDL: nobody could tell what is here already"));
}

static const struct drop_ops drop_ops = { on_drop_ready, on_drop_line, on_drop_bytes, on_drop_done, on_failed };

static const struct source_ops ops = { on_ready, on_response, on_done, on_failed, { no_begin, no_bytes } };

void mover_check(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	const Postern__CheckRequest *req = (const Postern__CheckRequest *)call->req;
	struct check *c = calloc(1, sizeof(*c));

	bug_if(!c);
	c->call = call;
	c->mover = room->state;
	c->config = (struct source_config){
		.loop = room->loop,
		.resolver = c->mover->resolver,
		.tls_any = c->mover->tls_any,
		.tls_name = c->mover->tls_name,
		.host = req->host,
		.port = (uint16_t)req->port,
		.tls = (Postern__SourceTls)req->tls,
		.verify = req->verify,
		.user = slice_of(req->user.data, req->user.len),
		.password = slice_of(req->password.data, req->password.len),
		.master_user = slice_of(req->master_user.data, req->master_user.len),
		.body_max = 1,
		.silence_ms = CHECK_SILENCE_MS,
	};
	c->end.data = c;
	bug_if(uv_timer_init(room->loop, &c->end) < 0);
	if (req->pop3)
		c->drop = drop_new(&c->config, &drop_ops, c);
	else
		c->source = source_new(&c->config, &ops, c);
}
