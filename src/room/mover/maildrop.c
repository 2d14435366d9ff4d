/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A maildrop of POP3 as the one folder INBOX. A message's number is its UID for this try; what it is known by across
 * tries and runs is its UIDL. A server may give identical messages one UIDL (RFC 1939 7): the second of them is
 * number two of that UIDL.
 *
 *   UIDL -> LIST -> what of it is here (SESSION_COPIED for each UIDL) -> transfer (RETR)
 *
 * POP3 has no flags and no internal date: the message's own Date is taken, where it can be.
 */
#include "room/mover/mover_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "ipc/digest.pb-c.h"

enum {
	MESSAGES_MAX = 1000000,
	UIDL_MAX = 255,			/* RFC 1939 has 70 */
	KEY_VALIDITY = 1,
	DAY_MS = 24 * 3600 * 1000,
};

/* What drop hands back: a RETR's message number comes behind these. */
enum { WHAT_UIDL, WHAT_LIST, WHAT_RETR };

struct uidl {
	struct slice key;	/* "uidl:..." */
	uint32_t number, nth;
};

struct maildrop {
	struct uidl *by_key;	/* sorted; then each gets its nth */
	struct uidl *by_number;
	size_t n, cap;
	size_t asked;		/* of by_key: which is looked for here */
	size_t batch_left;
	struct folder folder;
};

static const struct uidl *find(const struct move_task *t, uint32_t number)
{
	size_t low = 0, high = t->maildrop->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct uidl *u = &t->maildrop->by_number[mid];
		if (u->number == number)
			return u;
		if (u->number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

struct source_key maildrop_key(const struct move_task *t, uint32_t uid)
{
	const struct uidl *u = find(t, uid);

	bug_if(!u);	/* it was asked for by a number of the list */
	return (struct source_key){ u->key, KEY_VALIDITY, u->nth };
}

int64_t maildrop_date(struct slice digest)
{
	int64_t ms = 0, now = clock_wall_ms();
	Postern__Digest *d = postern__digest__unpack(NULL, digest.n, digest.p);

	if (d)
		ms = d->date_ms;
	postern__digest__free_unpacked(d, NULL);
	return ms > 0 && ms < now + DAY_MS ? ms : now;
}

/* -- what is there --------------------------------------------------------------------------------- */

static void on_ready(void *ctx)
{
	struct move_task *t = ctx;

	if (move_task_dead(t))
		return;
	struct maildrop *d = ARENA_NEW(t->try_arena, struct maildrop);
	d->folder = (struct folder){ .raw = SLICE("INBOX"), .name = SLICE("INBOX"), .known = true };
	t->maildrop = d;
	t->folders = &d->folder;
	t->n_folders = 1;
	work_clear(t);
	t->work.folder = &d->folder;
	if (drop_ask(t->drop, POP3C_LINES, WHAT_UIDL, "UIDL") < 0 || drop_ask(t->drop, POP3C_LINES, WHAT_LIST, "LIST") < 0)
		move_task_fail(t, true, "a command could not be written");
}

static bool take_uidl(struct move_task *t, uint64_t number, struct slice text)
{
	struct maildrop *d = t->maildrop;
	struct meta meta = { .uid = (uint32_t)number };

	if (d->n == MESSAGES_MAX || text.n > UIDL_MAX)
		return false;
	if (d->n == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 1024;
		struct uidl *more = ARENA_ARRAY(t->try_arena, struct uidl, cap);
		if (d->n)
			memcpy(more, d->by_number, d->n * sizeof(*more));
		d->by_number = more;
		d->cap = cap;
	}
	struct buf key = BUF_INIT(UIDL_MAX + 8);
	buf_str(&key, "uidl:");
	buf_slice(&key, text);
	d->by_number[d->n++] = (struct uidl){ arena_dup(t->try_arena, buf_view(&key)), (uint32_t)number, 1 };
	buf_fini(&key);
	return folder_add_meta(&t->work, &meta);
}

static void on_line(void *ctx, int what, struct slice line)
{
	struct move_task *t = ctx;
	struct slice rest;
	uint64_t number, size;

	if (move_task_dead(t) || !t->maildrop)
		return;
	if (pop3c_pair(line, INT32_MAX - WHAT_RETR, &number, &rest) < 0 || number == 0) {
		move_task_fail(t, false, "the old server's list cannot be understood");
	} else if (what == WHAT_UIDL) {
		if (!take_uidl(t, number, rest))
			move_task_fail(t, false, "the old server lists more messages than can be");
	} else if (slice_u64(rest, UINT64_MAX, &size) == 0) {
		struct meta *meta = folder_meta(t, (uint32_t)number);
		if (meta)
			meta->size = size < UINT32_MAX ? (uint32_t)size : UINT32_MAX;
	}
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = ((const struct uidl *)a)->number, y = ((const struct uidl *)b)->number;

	return x < y ? -1 : x > y;
}

static int by_key(const void *a, const void *b)
{
	const struct uidl *x = a, *y = b;
	size_t n = x->key.n < y->key.n ? x->key.n : y->key.n;
	int c = memcmp(x->key.p, y->key.p, n);

	if (c || x->key.n != y->key.n)
		return c ? c : x->key.n < y->key.n ? -1 : 1;
	return by_number(a, b);
}

/* A number that comes twice keeps its first UIDL. */
static void sort(struct move_task *t)
{
	struct maildrop *d = t->maildrop;
	size_t n = 0;

	if (!d->n)
		return;
	qsort(d->by_number, d->n, sizeof(*d->by_number), by_number);
	for (size_t i = 0; i < d->n; i++)
		if (n == 0 || d->by_number[n - 1].number != d->by_number[i].number)
			d->by_number[n++] = d->by_number[i];
	d->n = n;
	d->by_key = ARENA_ARRAY(t->try_arena, struct uidl, n);
	memcpy(d->by_key, d->by_number, n * sizeof(*d->by_key));
	qsort(d->by_key, n, sizeof(*d->by_key), by_key);
	for (size_t i = 1; i < n; i++)
		if (slice_eq(d->by_key[i].key, d->by_key[i - 1].key))
			d->by_key[i].nth = d->by_key[i - 1].nth + 1;
	for (size_t i = 0; i < n; i++)
		((struct uidl *)find(t, d->by_key[i].number))->nth = d->by_key[i].nth;
	qsort(t->work.metas, t->work.n_metas, sizeof(*t->work.metas), meta_by_uid);
}

/* -- what is here --------------------------------------------------------------------------------- */

static void ask_copied(struct move_task *t);

static void listed(struct move_task *t)
{
	if (t->work.n_copied)
		qsort(t->work.copied, t->work.n_copied, sizeof(*t->work.copied), pair_by_source);
	if (t->work.n_metas)
		folder_listed(t);
	else
		folder_end(t);
}

/* Those of this key from by_key[asked] on that the answer names. */
static bool take_copied(struct move_task *t, const Postern__CopiedReply *reply)
{
	struct maildrop *d = t->maildrop;
	struct slice key = d->by_key[d->asked].key;

	for (; d->asked < d->n && slice_eq(d->by_key[d->asked].key, key); d->asked++) {
		const struct uidl *u = &d->by_key[d->asked];
		for (size_t i = 0; i < reply->n_pairs; i++) {
			const Postern__UidPair *p = reply->pairs[i];
			if (u->nth >= p->from && u->nth - p->from < p->count &&
			    !folder_add_copied(&t->work, u->number, p->to + (u->nth - p->from)))
				return false;
		}
	}
	return true;
}

static void on_copied(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct move_task *t = ctx;

	const Postern__CopiedReply *copied = (const Postern__CopiedReply *)reply;

	if (!move_task_answered(t, err, "what was copied before", text))
		return;
	t->messages_new += copied->messages_since;
	t->bytes_new += copied->bytes_since;
	if (take_copied(t, copied))
		ask_copied(t);
	else
		move_task_fail(t, false, "the store knows more copied messages than can be");
}

static void ask_copied(struct move_task *t)
{
	Postern__CopiedRequest req = POSTERN__COPIED_REQUEST__INIT;
	struct maildrop *d = t->maildrop;

	if (d->asked == d->n) {
		listed(t);
		return;
	}
	req.source_folder = (ProtobufCBinaryData){ d->by_key[d->asked].key.n, (uint8_t *)d->by_key[d->asked].key.p };
	req.source_uidvalidity = KEY_VALIDITY;
	req.since_ms = t->ask.since_ms;
	move_task_ask(t, POSTERN__SESSION_OP__SESSION_COPIED, &req.base, on_copied);
}

/* -- messages -------------------------------------------------------------------------------------- */

void maildrop_ask(struct move_task *t, const uint32_t *uids, size_t n)
{
	t->maildrop->batch_left += n;
	for (size_t i = 0; i < n; i++)
		if (drop_ask(t->drop, POP3C_MESSAGE, (int)uids[i] + WHAT_RETR, "RETR %u", uids[i]) < 0)
			move_task_fail(t, true, "a command could not be written");
}

static int on_bytes(void *ctx, int what, struct slice bytes)
{
	struct move_task *t = ctx;
	int r = t->body_begun || move_task_dead(t) ? 0 : transfer_body_begin(t, 0);

	return r < 0 ? r : transfer_body_bytes(t, bytes);
}

static void retrieved(struct move_task *t, uint32_t uid, bool ok)
{
	struct arrival from = { .uid = uid };

	if (ok && !t->body_begun && transfer_body_begin(t, 0) < 0)
		move_task_fail(t, true, "no memory for a message");
	else if (ok)
		transfer_take(t, &from);
	if (--t->maildrop->batch_left == 0 && !move_task_dead(t))
		transfer_done(t);
}

static void on_done(void *ctx, int what, bool ok, struct slice text)
{
	struct move_task *t = ctx;

	if (move_task_dead(t) || !t->maildrop)
		return;
	if (what >= WHAT_RETR) {
		retrieved(t, (uint32_t)(what - WHAT_RETR), ok);
	} else if (!ok && what == WHAT_UIDL) {
		move_task_fail(t, false, "the server has no UIDL: nobody could tell what is here already");
	} else if (!ok) {
		move_task_fail(t, false, "the old server does not say what is in it");
	} else if (what == WHAT_UIDL) {
		sort(t);
	} else {
		t->maildrop->folder.messages = t->work.n_metas;
		t->messages_total = t->work.n_metas;
		ask_copied(t);
	}
}

static void on_failed(void *ctx, enum source_fault fault, const char *text)
{
	move_task_fail(ctx, fault == SOURCE_LOST, "%s", text);
}

const struct drop_ops maildrop_ops = { on_ready, on_line, on_bytes, on_done, on_failed };
