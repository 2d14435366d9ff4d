/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets a message. The envelope has an arena of its own, which moves from the connection to the delivery,
 * so that a delivery needs nothing of a connection that may be gone. Two recipients that lead to one mailbox
 * or to one address elsewhere are one target, which knows both. Limit: TARGETS_MAX.
 */
#include "room/smtpd/smtpd_priv.h"

#include "base/map.h"
#include "base/text.h"

enum { KEY_MAX = 1024 };

void envelope_begin(struct envelope *e, const struct smtp_mail *m)
{
	envelope_clear(e);
	e->arena = arena_new();
	e->keys = map_new();
	e->targets = ARENA_NEW(e->arena, struct list);
	e->rcpts = ARENA_NEW(e->arena, struct list);
	list_init(e->targets);
	list_init(e->rcpts);
	e->sender = arena_dup(e->arena, m->path.address);
	e->envid = arena_dup(e->arena, m->envid);
	e->ret_headers = m->ret == SMTP_RET_HDRS;
	e->smtputf8 = m->smtputf8;
	e->announced = m->has_size ? m->size : 0;
	e->body_8bit = m->body == SMTP_BODY_8BITMIME;
}

void envelope_clear(struct envelope *e)
{
	arena_free(&e->arena);
	map_free(&e->keys);
	*e = (struct envelope){ 0 };
}

/* What makes two targets one: account and mailbox (and the recipient, for multidrop), or route, host and address. */
static void target_key(struct buf *key, const Postern__RouteTarget *r)
{
	if (r->kind == POSTERN__ROUTE_KIND__ROUTE_MAILBOX) {
		buf_printf(key, r->multidrop.len ? "d%llu " : "m%llu ", (unsigned long long)r->account_id);
		buf_append(key, r->mailbox.data, r->mailbox.len);
		buf_append(key, r->multidrop.data, r->multidrop.len);
		return;
	}
	buf_printf(key, "%d %s %u ", r->kind, r->host, r->port);
	buf_append(key, r->address.data, r->address.len);
}

static struct target *known(struct envelope *e, const Postern__RouteTarget *r)
{
	struct buf key = BUF_INIT(KEY_MAX);
	target_key(&key, r);
	struct target *t = buf_ok(&key) ? map_get(e->keys, buf_view(&key)) : NULL;
	buf_fini(&key);
	return t;
}

static void remember(struct envelope *e, const Postern__RouteTarget *r, struct target *t)
{
	struct buf key = BUF_INIT(KEY_MAX);
	target_key(&key, r);
	if (buf_ok(&key))
		map_put(e->keys, buf_view(&key), t);
	buf_fini(&key);
}

/* RFC 3461 5.2.7.3: who was expanded is told so, and not of each member. */
static unsigned notify_of(const struct rcpt *r)
{
	unsigned left = r->notify & ~(unsigned)SMTP_NOTIFY_SUCCESS;
	if (r->n_targets < 2 || left == r->notify)
		return r->notify;
	return left ? left : SMTP_NOTIFY_NEVER;
}

static struct target *target_new(struct envelope *e, const struct rcpt *rcpt, const Postern__RouteTarget *r)
{
	struct target *t = ARENA_NEW(e->arena, struct target);
	list_init(&t->vias);
	t->way = r->kind == POSTERN__ROUTE_KIND__ROUTE_MAILBOX ? TO_STORE : TO_QUEUE;
	t->account_id = r->account_id;
	t->shard = r->shard;
	t->quota_bytes = r->quota_bytes;
	t->over_quota_refuse = r->over_quota_refuse;
	t->mailbox = arena_dup(e->arena, slice_of(r->mailbox.data, r->mailbox.len));
	t->mailboxes_max = r->mailboxes_max;
	t->multidrop = arena_dup(e->arena, slice_of(r->multidrop.data, r->multidrop.len));
	t->rules = r->rules && !r->mailbox.len;
	t->address = arena_dup(e->arena, slice_of(r->address.data, r->address.len));
	t->route = r->kind;
	t->host = arena_str(e->arena, slice_str(r->host));
	t->port = r->port;
	t->tls = r->tls;
	t->notify = notify_of(rcpt);
	t->sender = arena_dup(e->arena, slice_of(r->sender.data, r->sender.len));
	t->delivered_to = arena_dup(e->arena, slice_of(r->delivered_to.data, r->delivered_to.len));
	list_append(e->targets, &t->node);
	e->n_targets++;
	e->to_store |= t->way == TO_STORE;
	return t;
}

static void add(struct envelope *e, struct rcpt *rcpt, const Postern__RouteTarget *r)
{
	struct target *t = known(e, r);
	struct via *v = ARENA_NEW(e->arena, struct via);
	v->rcpt = rcpt;
	if (t && t->state == TARGET_LOST)	/* directory insists: once more */
		t->state = TARGET_NEW;
	if (!t) {
		t = target_new(e, rcpt, r);
		remember(e, r, t);
	}
	list_append(&t->vias, &v->node);
	rcpt->stored |= t->way == TO_STORE;
}

static void add_all(struct envelope *e, struct rcpt *rcpt, const Postern__RouteReply *reply)
{
	rcpt->stored = false;
	rcpt->n_targets = 0;
	for (size_t i = 0; i < reply->n_targets; i++)
		rcpt->n_targets += reply->targets[i]->kind != POSTERN__ROUTE_KIND__ROUTE_DISCARD;
	for (size_t i = 0; i < reply->n_targets; i++)
		if (reply->targets[i]->kind != POSTERN__ROUTE_KIND__ROUTE_DISCARD)
			add(e, rcpt, reply->targets[i]);
}

/* Codes of another room go out as they are only where they are refusals. */
static const struct smtp_status *refusal(const Postern__RouteReply *reply, struct smtp_status *ret)
{
	*ret = (struct smtp_status){ 550, "5.1.1", N_("No such address") };
	if (reply->code >= 400 && reply->code < 600)
		*ret = (struct smtp_status){ reply->code, reply->enhanced, reply->text };
	return ret;
}

/*
 * A mailbox whose rules may refuse in the session (RFC 5429 2.1) can do so where it is the only recipient; of several the
 * others come in a transaction of their own (RFC 5321 4.5.3.1.10). Not for who logged in: a report reaches him.
 */
static bool wants_to_be_alone(const struct envelope *e, const Postern__RouteReply *reply)
{
	const Postern__RouteTarget *t = reply->n_targets == 1 ? reply->targets[0] : NULL;
	return !e->reports && t && t->alone && t->kind == POSTERN__ROUTE_KIND__ROUTE_MAILBOX && !t->mailbox.len;
}

const struct smtp_status *envelope_route(struct envelope *e, const struct smtp_rcpt *r,
					 const Postern__RouteReply *reply, struct smtp_status *ret)
{
	static const struct smtp_status full = { 452, "4.5.3", N_("Too many recipients behind this address") };
	static const struct smtp_status one = { 452, "4.5.3", "Too many recipients: send it to this one by itself" };
	if (!reply->n_targets)
		return refusal(reply, ret);
	if (reply->n_targets > TARGETS_MAX - e->n_targets)
		return &full;
	bool alone = wants_to_be_alone(e, reply);
	if (e->n_rcpts && (alone || e->alone))
		return &one;
	e->alone = alone;
	struct rcpt *rcpt = ARENA_NEW(e->arena, struct rcpt);
	rcpt->address = arena_dup(e->arena, r->path.address);
	rcpt->original = arena_dup(e->arena, r->path.original);
	rcpt->orcpt = arena_dup(e->arena, r->orcpt);
	rcpt->notify = r->notify;
	rcpt->authors = reply->authors;
	list_append(e->rcpts, &rcpt->node);
	e->n_rcpts++;
	add_all(e, rcpt, reply);
	return NULL;
}

/* Among several one that is full must not keep the mail from the others: the end of the data decides. */
const Postern__RouteTarget *envelope_near_full(const Postern__RouteReply *reply)
{
	const Postern__RouteTarget *t = reply->n_targets == 1 ? reply->targets[0] : NULL;
	return t && t->near_full && t->kind == POSTERN__ROUTE_KIND__ROUTE_MAILBOX ? t : NULL;
}

const struct smtp_status *envelope_over_quota(bool refuse)
{
	static const struct smtp_status later = { 452, "4.2.2", N_("The mailbox of a recipient is full") },
		never = { 552, "5.2.2", N_("The mailbox of a recipient is full") };
	return refuse ? &never : &later;
}

void envelope_route_again(struct envelope *e, struct rcpt *r, const Postern__RouteReply *reply)
{
	struct smtp_status *st = ARENA_NEW(e->arena, struct smtp_status);
	if (reply->n_targets && reply->n_targets <= TARGETS_MAX - e->n_targets) {
		add_all(e, r, reply);
		return;
	}
	refusal(reply, st);
	st->enhanced = arena_str(e->arena, slice_str(st->enhanced));
	st->text = arena_str(e->arena, slice_str(st->text));
	r->refused = st;
}

struct slice envelope_only_rcpt(const struct envelope *e)
{
	return e->n_rcpts == 1 ? list_first(e->rcpts, struct rcpt, node)->address : slice_of(NULL, 0);
}
