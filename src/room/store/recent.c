/* SPDX-License-Identifier: Apache-2.0 */
/*
 * \Recent (RFC 3501 2.3.2): which session hears of a message first. A mailbox has one number, recent_from; uids from it
 * on are recent. Sessions of imapd that may write take them: when they open the mailbox, or, the first among them, when
 * new ones come. POP3 and copies from an old server look without taking. What was taken counts at once and is written
 * with the next batch or a little later; where a crash comes between, the messages are recent once more.
 */
#include "room/store/room.h"

#include "base/clock.h"
#include "base/err.h"

enum { SESSION_KIND_IMAP = 0, CLAIMS_MS = 2000 };

static uint32_t claimed(const struct store *st, uint64_t mailbox)
{
	return (uint32_t)(uintptr_t)map_get(st->claims, map_key_u64(&mailbox));
}

static void claim(struct store *st, struct box *b)
{
	if (b->recent_from == b->uidnext)
		return;
	b->recent_from = b->uidnext;
	if (!map_count(st->claims))
		st->claimed_at = clock_mono_ms();
	map_put(st->claims, map_key_u64(&b->id), (void *)(uintptr_t)b->uidnext);
}

static bool takes(const struct session *s)
{
	return s->kind == SESSION_KIND_IMAP && !s->read_only && s->chan;
}

uint32_t recent_open(struct store *st, struct box *b, const struct session *s)
{
	uint32_t from = b->recent_from;

	if (takes(s))
		claim(st, b);
	return from;
}

const struct session *recent_new(struct store *st, struct box *b)
{
	list_each(s, &b->sessions, struct session, box_node) {
		if (takes(s)) {
			claim(st, b);
			return s;
		}
	}
	return NULL;
}

uint32_t recent_from(const struct store *st, const struct mailbox *m)
{
	uint32_t from = claimed(st, m->id);

	return from > m->recent_from ? from : m->recent_from;
}

uint32_t recent_count(struct store *st, const struct mailbox *m)
{
	uint32_t from = recent_from(st, m), n = 0;

	if (from == m->recent_from)
		return m->recent;
	if (from >= m->uidnext)
		return 0;
	return shard_count_from(st->engine, m->id, from, &n) ? 0 : n;
}

/* ---- on the disk ---- */

void recent_flush(struct store *st)
{
	size_t at = 0;
	struct slice key;
	void *uid;
	int err = 0;

	st->claims_written = false;
	if (!map_count(st->claims) || shard_op_begin(st->engine, NULL))
		return;
	while (!err && map_next(st->claims, &at, &key, &uid)) {
		uint64_t mailbox;
		memcpy(&mailbox, key.p, sizeof(mailbox));
		err = shard_claim_recent(st->engine, mailbox, (uint32_t)(uintptr_t)uid);
	}
	st->claims_written = shard_op_end(st->engine, err) == 0;
}

void recent_written(struct store *st)
{
	if (!st->claims_written)
		return;
	map_free(&st->claims);
	st->claims = map_new();
	st->claims_written = false;
}

void recent_save(struct store *st, bool now)
{
	if (!map_count(st->claims) || shard_fatal(st->engine) || (!now && clock_mono_ms() - st->claimed_at < CLAIMS_MS))
		return;
	st->claimed_at = clock_mono_ms();	/* where the disk is full: again after a while */
	if (shard_begin(st->engine, store_now()))
		return;
	recent_flush(st);
	if (shard_commit(st->engine) == 0)
		recent_written(st);
}
