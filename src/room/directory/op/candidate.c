/* SPDX-License-Identifier: Apache-2.0 */
/*
 * candidate list, show, messages, message, remove; address moves. Every look into an area is an audit row: this is mail of
 * people who do not know that it is here. The area's folders are counted before anything is shown.
 */
#include "room/directory/op/admin.h"
#include "room/directory/work/area.h"

#include "base/err.h"
#include "ipc/digest.pb-c.h"
#include "ipc/store.pb-c.h"
#include "lib/ipc/memfd.h"
#include "proto/mail/words.h"
#include "room/directory/db/name.h"
#include "room/directory/noun/account_close.h"

enum { SOURCE_MAX = 1 << 20, WORDS_MAX = 16 * 1024 };

struct looking {
	struct admin *ad;
	struct domain d;
	struct slice local, text;
	struct candidate c;
	struct account area;
	void (*then)(struct looking *l);
	bool refused;		/* nothing is looked at, nothing happens */
};

static json_t *candidate_json(struct admin *ad, const struct domain *d, const struct candidate *c)
{
	return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I}", "address",
			 json_text(name_text(ad->a, c->local, d->name)), "type", json_text(c->type),
			 "messages", (json_int_t)c->messages, "size_bytes", (json_int_t)c->bytes,
			 "first_ms", (json_int_t)c->first_ms, "last_ms", (json_int_t)c->last_ms);
}

static int find_area(struct looking *l)
{
	struct addressing x;
	int r = addressing_get(l->ad->e, l->ad->a, l->d.id, &x);
	return r < 0 ? r : x.area ? account_by_id(l->ad->e, l->ad->a, x.area, &l->area) : 0;
}

/* --- list ------------------------------------------------------------------------------------------- */

static void on_list_synced(void *ctx, int err)
{
	struct looking *l = ctx;
	struct admin *ad = l->ad;
	struct page page = admin_page(ad);
	struct candidate *rows;
	size_t n = 0;
	int r = err < 0 ? ERR_UNAVAILABLE : audit_look(ad, l->d.name);
	if (r == 0)
		r = candidate_list(ad->e, ad->a, l->d.id, &page, &rows, &n);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, candidate_json(ad, &l->d, &rows[i]));
	admin_page_ok(ad, items, n ? name_text(ad->a, rows[n - 1].local, l->d.name) : SLICE(""), n);
}

void op_candidate_list(struct admin *ad)
{
	struct looking *l = ARENA_NEW(ad->a, struct looking);
	l->ad = ad;
	int r = admin_domain(ad, admin_get(ad, "domain"), &l->d);
	if (r < 0)
		admin_refuse(ad, r);
	else
		area_sync(ad->d, l->d.id, on_list_synced, l);
}

/* --- one -------------------------------------------------------------------------------------------- */

static void on_one_synced(void *ctx, int err)
{
	struct looking *l = ctx;
	struct admin *ad = l->ad;
	int r = err < 0 ? ERR_UNAVAILABLE : candidate_get(ad->e, ad->a, l->d.id, l->local, &l->c);
	if (r == 0)
		r = find_area(l);
	if (r == 0 && (!l->c.messages || !l->area.id))
		r = problem_set(&ad->why, ERR_NOT_FOUND, "address", "there is no mail of a candidate " SLICE_FMT,
				SLICE_ARG(l->text));
	if (r == 0 && !l->refused)
		r = audit_look(ad, l->text);
	if (r < 0)
		admin_refuse(ad, r);
	else
		l->then(l);
}

static void look(struct admin *ad, bool refused, void (*then)(struct looking *l))
{
	struct looking *l = ARENA_NEW(ad->a, struct looking);
	l->ad = ad;
	l->then = then;
	l->refused = refused;
	int r = admin_address(ad, &l->d, &l->local);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	l->text = name_text(ad->a, l->local, l->d.name);
	area_sync(ad->d, l->d.id, on_one_synced, l);
}

static void show(struct looking *l)
{
	admin_ok(l->ad, 200, candidate_json(l->ad, &l->d, &l->c));
}

void op_candidate_show(struct admin *ad)
{
	look(ad, false, show);
}

/* --- messages --------------------------------------------------------------------------------------- */

static json_t *words(ProtobufCBinaryData in)
{
	struct buf out = BUF_INIT(WORDS_MAX);
	words_decode(bytes_of(&in), &out);
	json_t *j = json_text(buf_view(&out));
	buf_fini(&out);
	return j;
}

static void from_text(const Postern__DigestEnvelope *env, struct buf *out)
{
	for (size_t i = 0; env && i < env->n_from && i < 10; i++) {
		const Postern__DigestAddress *x = env->from[i];
		if (i)
			buf_str(out, ", ");
		if (x->name.len) {
			words_decode(bytes_of(&x->name), out);
			buf_str(out, " ");
		}
		buf_str(out, "<");
		buf_slice(out, bytes_of(&x->mailbox));
		buf_str(out, "@");
		buf_slice(out, bytes_of(&x->host));
		buf_str(out, ">");
	}
}

static json_t *message_json(const Postern__ReadMessage *m)
{
	Postern__Digest *digest = postern__digest__unpack(NULL, m->digest.len, m->digest.data);
	const Postern__DigestEnvelope *env = digest ? digest->envelope : NULL;
	struct buf from = BUF_INIT(WORDS_MAX);
	ProtobufCBinaryData none = { 0 };
	from_text(env, &from);
	json_t *j = json_pack("{s:I, s:I, s:I, s:o, s:o}", "uid", (json_int_t)m->uid, "size_bytes",
			      (json_int_t)m->size, "received_ms", (json_int_t)m->internal_date_ms, "from",
			      json_text(buf_view(&from)), "subject", words(env ? env->subject : none));
	buf_fini(&from);
	if (digest)
		postern__digest__free_unpacked(digest, NULL);
	return j;
}

static void on_messages(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct looking *l = ctx;
	const Postern__ReadReply *reply = (const Postern__ReadReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err < 0) {
		admin_refuse(l->ad, err == ERR_NOT_FOUND ? err : ERR_UNAVAILABLE);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < reply->n_messages; i++)
		json_array_append_new(items, message_json(reply->messages[i]));
	uint32_t last = reply->n_messages ? reply->messages[reply->n_messages - 1]->uid : 0;
	json_t *next = reply->more ? json_text(slice_str(arena_printf(l->ad->a, "%u", last))) : json_null();
	admin_ok(l->ad, 200, json_pack("{s:o, s:o}", "items", items, "next", next));
}

static void read_folder(struct looking *l, uint32_t after, uint32_t limit, bool bytes, ipc_reply_fn *fn)
{
	Postern__ReadRequest req = POSTERN__READ_REQUEST__INIT;
	req.account_id = l->area.id;
	req.folder = data_of(candidate_folder(l->ad->a, l->c.generation, l->c.local));
	req.after_uid = after;
	req.limit = limit;
	req.bytes = bytes;
	room_call(l->ad->d->room, ROLE_STORE, l->area.shard, POSTERN__STORE_OP__STORE_READ, &req.base, NULL,
		  0, STORE_MS, fn, l);
}

static void messages(struct looking *l)
{
	struct page page = admin_page(l->ad);
	uint64_t after = 0;
	if (page.after.n && slice_u64(page.after, UINT32_MAX, &after) < 0)
		after = 0;
	read_folder(l, (uint32_t)after, (uint32_t)page.limit, false, on_messages);
}

void op_candidate_messages(struct admin *ad)
{
	look(ad, false, messages);
}

static uint64_t uid_of(struct admin *ad)
{
	uint64_t uid = 0;
	return slice_u64(admin_get(ad, "uid"), UINT32_MAX, &uid) < 0 ? 0 : uid;
}

static void on_message(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct looking *l = ctx;
	struct admin *ad = l->ad;
	const Postern__ReadReply *reply = (const Postern__ReadReply *)msg;
	struct slice source = { 0 };
	if (err == 0 && (reply->n_messages != 1 || reply->messages[0]->uid != uid_of(ad)))
		err = problem_set(&ad->why, ERR_NOT_FOUND, "uid", SLICE_FMT " has no message with this uid",
				  SLICE_ARG(l->text));
	if (err == 0)
		err = fd < 0 ? ERR_CORRUPT : memfd_map(fd, UINT64_MAX, &source);
	if (fd >= 0)
		close(fd);
	if (err < 0) {
		admin_refuse(ad, err);
		return;
	}
	json_t *j = message_json(reply->messages[0]);
	bool whole = source.n <= SOURCE_MAX;
	json_object_set_new(j, "source", json_text(whole ? source : slice_sub(source, 0, SOURCE_MAX)));
	json_object_set_new(j, "complete", json_boolean(whole));
	memfd_unmap(&source);
	admin_ok(ad, 200, j);
}

static void message(struct looking *l)
{
	read_folder(l, (uint32_t)uid_of(l->ad) - 1, 1, true, on_message);
}

void op_candidate_message(struct admin *ad)
{
	look(ad, false, message);
}

/* --- remove ----------------------------------------------------------------------------------------- */

static void on_removed(void *ctx, int err)
{
	struct looking *l = ctx;
	admin_ok(l->ad, 200,
		 json_pack("{s:o, s:I}", "address", json_text(l->text), "messages",
			   (json_int_t)l->c.messages));
}

static void on_dropped(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct looking *l = ctx;
	const Postern__DropReply *reply = (const Postern__DropReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err < 0 && err != ERR_NOT_FOUND) {
		admin_refuse(l->ad, ERR_UNAVAILABLE);
		return;
	}
	l->c.messages = err < 0 ? 0 : reply->messages;
	area_sync(l->ad->d, l->d.id, on_removed, l);
}

static void drop(struct looking *l)
{
	struct admin *ad = l->ad;
	Postern__FolderRequest req = POSTERN__FOLDER_REQUEST__INIT;
	if (l->refused) {
		admin_refuse(ad, account_holds_mail(&ad->why, "discard_mail", l->text, l->c.messages));
		return;
	}
	int r = admin_claim(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	req.account_id = l->area.id;
	req.folder = data_of(candidate_folder(ad->a, l->c.generation, l->c.local));
	room_call(ad->d->room, ROLE_STORE, l->area.shard, POSTERN__STORE_OP__STORE_DROP, &req.base, NULL, 0,
		  STORE_MS, on_dropped, l);
}

void op_candidate_remove(struct admin *ad)
{
	look(ad, !admin_flag(ad, "discard_mail", false), drop);
}

/* --- mail under way --------------------------------------------------------------------------------- */

void op_address_moves(struct admin *ad)
{
	struct domain d = { 0 };
	struct transfer *rows;
	size_t n = 0;
	int r = admin_domain(ad, admin_get(ad, "domain"), &d);
	if (r == 0)
		r = transfer_list(ad->e, ad->a, d.id, &rows, &n);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, json_pack("{s:o, s:o, s:o, s:I}", "address", json_text(rows[i].origin),
						       "to", json_text(rows[i].target), "error",
						       json_text(rows[i].error), "created_ms",
						       (json_int_t)rows[i].created_ms));
	admin_ok(ad, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}
