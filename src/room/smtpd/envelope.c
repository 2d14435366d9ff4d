/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets a message. The envelope has an arena of its own, which moves from the connection to the delivery,
 * so that a delivery needs nothing of a connection that may be gone. Two recipients that lead to one mailbox
 * or to one address elsewhere are one target. Limit: TARGETS_MAX.
 */
#include "room/smtpd/smtpd_priv.h"

#include "base/map.h"

enum { KEY_MAX = 1024 };

void envelope_begin(struct envelope *e, const struct smtp_mail *m)
{
	envelope_clear(e);
	e->arena = arena_new();
	e->keys = map_new();
	e->targets = ARENA_NEW(e->arena, struct list);
	list_init(e->targets);
	e->sender = arena_dup(e->arena, m->path.address);
	e->envid = arena_dup(e->arena, m->envid);
	e->ret_headers = m->ret == SMTP_RET_HDRS;
	e->smtputf8 = m->smtputf8;
	e->body_8bit = m->body == SMTP_BODY_8BITMIME;
}

void envelope_clear(struct envelope *e)
{
	arena_free(&e->arena);
	map_free(&e->keys);
	*e = (struct envelope){ 0 };
}

/* What makes two targets one: account and mailbox, or route, host and address. */
static void target_key(struct buf *key, const Postern__RouteTarget *r)
{
	if (r->kind == POSTERN__ROUTE_KIND__ROUTE_MAILBOX) {
		buf_printf(key, "m%llu ", (unsigned long long)r->account_id);
		buf_append(key, r->mailbox.data, r->mailbox.len);
		return;
	}
	buf_printf(key, "%d %s %u ", r->kind, r->host, r->port);
	buf_append(key, r->address.data, r->address.len);
}

static bool known(struct envelope *e, const Postern__RouteTarget *r)
{
	struct buf key = BUF_INIT(KEY_MAX);
	target_key(&key, r);
	bool was = buf_ok(&key) && map_put(e->keys, buf_view(&key), e) != NULL;
	buf_fini(&key);
	return was;
}

static void add(struct envelope *e, const struct smtp_rcpt *rcpt, const Postern__RouteTarget *r)
{
	struct target *t = ARENA_NEW(e->arena, struct target);
	t->way = r->kind == POSTERN__ROUTE_KIND__ROUTE_MAILBOX ? TO_STORE : TO_QUEUE;
	t->account_id = r->account_id;
	t->shard = r->shard;
	t->quota_bytes = r->quota_bytes;
	t->mailbox = arena_dup(e->arena, slice_of(r->mailbox.data, r->mailbox.len));
	t->mailboxes_max = r->mailboxes_max;
	t->address = arena_dup(e->arena, slice_of(r->address.data, r->address.len));
	t->route = r->kind;
	t->host = arena_str(e->arena, slice_str(r->host));
	t->port = r->port;
	t->tls = r->tls;
	t->notify = rcpt->notify;
	t->orcpt = arena_dup(e->arena, rcpt->orcpt);
	t->original = arena_dup(e->arena, rcpt->path.original);
	list_append(e->targets, &t->node);
	e->n_targets++;
	e->to_store |= t->way == TO_STORE;
	e->to_queue |= t->way == TO_QUEUE;
}

/* Codes of another room go out as they are only where they are refusals. */
static const struct smtp_status *refusal(const Postern__RouteReply *reply, struct smtp_status *ret)
{
	*ret = (struct smtp_status){ 550, "5.1.1", "No such address" };
	if (reply->code >= 400 && reply->code < 600)
		*ret = (struct smtp_status){ reply->code, reply->enhanced, reply->text };
	return ret;
}

const struct smtp_status *envelope_route(struct envelope *e, const struct smtp_rcpt *r,
					 const Postern__RouteReply *reply, struct smtp_status *ret)
{
	static const struct smtp_status full = { 452, "4.5.3", "Too many recipients behind this address" };
	if (!reply->n_targets)
		return refusal(reply, ret);
	if (reply->n_targets > TARGETS_MAX - e->n_targets)
		return &full;
	for (size_t i = 0; i < reply->n_targets; i++) {
		const Postern__RouteTarget *t = reply->targets[i];
		if (t->kind != POSTERN__ROUTE_KIND__ROUTE_DISCARD && !known(e, t))
			add(e, r, t);
	}
	if (e->n_rcpts++ == 0)
		e->only_rcpt = arena_dup(e->arena, r->path.address);
	return NULL;
}
