/* SPDX-License-Identifier: Apache-2.0 */
/* store check, store compact: every shard is asked, the answers are added up. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "base/text.h"
#include "ipc/store.pb-c.h"

enum { CHECK_MS = 14 * 60 * 1000 };

struct asking {
	struct admin *ad;
	uint16_t op;
	unsigned left;
	int err;
	Postern__StoreCheckReply check;
	Postern__StoreCompactReply compact;
	json_t *texts;
};

static void add_check(struct asking *x, const Postern__StoreCheckReply *m)
{
	x->check.accounts += m->accounts;
	x->check.mailboxes += m->mailboxes;
	x->check.messages += m->messages;
	x->check.blobs += m->blobs;
	x->check.bytes += m->bytes;
	x->check.faults += m->faults;
	for (size_t i = 0; i < m->n_texts; i++)
		json_array_append_new(x->texts, json_text(slice_str(m->texts[i])));
}

static void add_compact(struct asking *x, const Postern__StoreCompactReply *m)
{
	x->compact.segments_before += m->segments_before;
	x->compact.segments_after += m->segments_after;
	x->compact.bytes_before += m->bytes_before;
	x->compact.bytes_after += m->bytes_after;
}

static json_t *check_json(struct asking *x)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "accounts",
			 (json_int_t)x->check.accounts, "mailboxes", (json_int_t)x->check.mailboxes,
			 "messages", (json_int_t)x->check.messages, "blobs",
			 (json_int_t)x->check.blobs, "size_bytes", (json_int_t)x->check.bytes,
			 "faults", (json_int_t)x->check.faults, "texts", x->texts);
}

static json_t *compact_json(struct asking *x)
{
	json_decref(x->texts);
	return json_pack("{s:I, s:I, s:I, s:I}", "segments_before",
			 (json_int_t)x->compact.segments_before, "segments_after",
			 (json_int_t)x->compact.segments_after, "before_bytes",
			 (json_int_t)x->compact.bytes_before, "after_bytes",
			 (json_int_t)x->compact.bytes_after);
}

static void on_answer(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct asking *x = ctx;
	bool check = x->op == POSTERN__STORE_OP__STORE_CHECK;
	if (fd >= 0)
		close(fd);
	if (err < 0)
		x->err = problem_set(&x->ad->why, err, NULL, "a shard: %s",
				     text && *text ? text : text_in(x->ad->why.language, err_text(err)));
	else if (check)
		add_check(x, (const Postern__StoreCheckReply *)msg);
	else
		add_compact(x, (const Postern__StoreCompactReply *)msg);
	if (--x->left)
		return;
	if (x->err) {
		json_decref(x->texts);
		admin_refuse(x->ad, x->err);
		return;
	}
	admin_ok(x->ad, 200, check ? check_json(x) : compact_json(x));
}

static void ask_all(struct admin *ad, uint16_t op)
{
	Postern__StoreNothing req = POSTERN__STORE_NOTHING__INIT;
	struct asking *x = ARENA_NEW(ad->a, struct asking);
	unsigned shards = ad->d->room->shards ? ad->d->room->shards : 1;
	x->ad = ad;
	x->op = op;
	x->left = shards;
	x->texts = json_array();
	for (unsigned i = 0; i < shards; i++)
		room_call(ad->d->room, ROLE_STORE, i, op, &req.base, NULL, 0, CHECK_MS, on_answer,
			  x);
}

void op_store_check(struct admin *ad)
{
	ask_all(ad, POSTERN__STORE_OP__STORE_CHECK);
}

void op_store_compact(struct admin *ad)
{
	ask_all(ad, POSTERN__STORE_OP__STORE_COMPACT);
}
