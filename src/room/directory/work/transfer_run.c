/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transfer under way:
 *
 *   CLOSE origin -> FOLDERS -> for each folder { READ -> PUT }* -> DROP the folder, or the account -> the row goes
 *
 * Closing comes first: what was routed before is either in the folder by then or is sent back to ask again. Each
 * message is known at its target by (source, folder, UIDVALIDITY, uid), for good: whatever dies, the same steps again
 * change nothing that was done. READ goes on while PUTs are out, a window of them. What fails is begun again at the
 * next tick. A message that cannot be read keeps its origin: the disk may be mended, or only be away for a while. All is read
 * again each hour, and given up with what is damaged after two weeks.
 */
#include "room/directory/work/area.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "ipc/store.pb-c.h"
#include "room/directory/db/engine_priv.h"

enum { RUNNING_MAX = 4, PUTS_MAX = 16, DAMAGED_PAUSE_MS = 3600 * 1000, DAMAGED_KEEP_MS = 14 * 24 * 3600 * 1000 };

struct run {
	struct list node;
	struct directory *d;
	struct arena *a;
	struct transfer t;
	uint32_t to_shard;
	struct slice *folders;
	size_t n_folders, at;
	uint32_t uid;		/* read so far of the folder */
	bool reading, read_all;
	unsigned puts;
	uint64_t moved, damaged;
	int err;
};

static void step(struct run *x);

static void end(struct run *x)
{
	struct directory *d = x->d;
	if (x->err < 0) {
		ev(EV_WARN, "directory.transfer.stopped", KSL("from", x->t.origin), KSL("to", x->t.target),
		   KS("error", err_name(x->err)));
		IGNORE(transfer_note(d->e, x->t.id, x->moved, slice_str(err_text(x->err))),
		       "only tells how it is");
	} else {
		ev(EV_INFO, "directory.transfer.done", KSL("from", x->t.origin), KSL("to", x->t.target),
		   KI("messages", x->moved), KI("damaged", x->damaged));
	}
	bool again = x->err == 0;
	if (x->err == ERR_CORRUPT)
		d->damaged_until_ms = clock_wall_ms() + DAMAGED_PAUSE_MS;
	list_remove(&x->node);
	arena_free(&x->a);
	free(x);
	directory_check_disk(d);
	if (again) {
		finish_accounts(d);
		transfers_run(d);	/* the next one */
	}
}

static void call(struct run *x, uint32_t shard, uint16_t op, const ProtobufCMessage *req, int fd,
		 ipc_reply_fn *fn)
{
	room_call(x->d->room, ROLE_STORE, shard, op, req, &fd, fd >= 0, STORE_MS, fn, x);
}

static bool gone(int err)
{
	return err == ERR_NOT_FOUND;
}

/* --- the end: the origin goes ----------------------------------------------------------------------- */

static void finish(struct run *x)
{
	x->err = transfer_end(x->d->e, &x->t);
	end(x);
}

static void on_dropped(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct run *x = ctx;
	if (fd >= 0)
		close(fd);
	x->err = gone(err) ? 0 : err;
	if (x->err)
		end(x);
	else
		finish(x);
}

static void drop(struct run *x)
{
	Postern__FolderRequest req = POSTERN__FOLDER_REQUEST__INIT;
	if (!x->t.folder.n) {	/* an account is forgotten as every removed one */
		finish(x);
		return;
	}
	req.account_id = x->t.from;
	req.folder = data_of(x->t.folder);
	call(x, x->t.from_shard, POSTERN__STORE_OP__STORE_DROP, &req.base, -1, on_dropped);
}

/* --- messages --------------------------------------------------------------------------------------- */

static void on_put(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct run *x = ctx;
	if (fd >= 0)
		close(fd);
	x->puts--;
	if (err < 0)
		x->err = err;
	else
		x->moved++;
	step(x);
}

static void put(struct run *x, const Postern__ReadReply *reply, int fd)
{
	const Postern__ReadMessage *m = reply->messages[0];
	Postern__PutRequest req = POSTERN__PUT_REQUEST__INIT;
	req.account_id = x->t.to;
	req.mailbox = data_of(x->t.folder.n ? SLICE("INBOX") : x->folders[x->at]);
	req.source_id = x->t.source;
	req.source_folder = data_of(x->folders[x->at]);
	req.source_uidvalidity = reply->uidvalidity;
	req.source_uid = m->uid;
	req.internal_date_ms = m->internal_date_ms;
	req.flags = m->flags;
	req.n_keywords = m->n_keywords;
	req.keywords = m->keywords;
	req.digest = m->digest;
	x->puts++;
	call(x, x->to_shard, POSTERN__STORE_OP__STORE_PUT, &req.base, fd, on_put);
}

static void on_read(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct run *x = ctx;
	const Postern__ReadReply *reply = (const Postern__ReadReply *)msg;
	x->reading = false;
	if (gone(err))
		x->read_all = true;
	else if (err < 0)
		x->err = err;
	else if (!reply->n_messages)
		x->read_all = true;
	else {
		x->uid = reply->messages[0]->uid;
		if (fd >= 0)
			put(x, reply, fd);
		else
			x->damaged++;
	}
	if (fd >= 0)
		close(fd);
	step(x);
}

static void read_next(struct run *x)
{
	Postern__ReadRequest req = POSTERN__READ_REQUEST__INIT;
	req.account_id = x->t.from;
	req.folder = data_of(x->folders[x->at]);
	req.after_uid = x->uid;
	req.bytes = true;
	x->reading = true;
	call(x, x->t.from_shard, POSTERN__STORE_OP__STORE_READ, &req.base, -1, on_read);
}

static void step(struct run *x)
{
	if (!x->err && x->at < x->n_folders && !x->read_all && !x->reading && x->puts < PUTS_MAX) {
		read_next(x);
		return;
	}
	if (x->reading || x->puts)
		return;
	if (x->err) {
		end(x);
	} else if (x->at < x->n_folders) {
		x->at++;
		x->uid = 0;
		x->read_all = false;
		step(x);
	} else if (x->damaged && clock_wall_ms() - x->t.created_ms < DAMAGED_KEEP_MS) {
		x->err = ERR_CORRUPT;
		end(x);
	} else {
		drop(x);
	}
}

/* --- folders ---------------------------------------------------------------------------------------- */

static void ask_folders(struct run *x);

static void on_folders(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct run *x = ctx;
	const Postern__FoldersReply *reply = (const Postern__FoldersReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err < 0 && !gone(err)) {
		x->err = err;
		end(x);
		return;
	}
	for (size_t i = 0; err == 0 && i < reply->n_folders; i++)
		*ROWS_MORE(x->a, &x->folders, &x->n_folders) =
			arena_dup(x->a, bytes_of(&reply->folders[i]->name));
	if (err == 0 && reply->more && reply->n_folders)
		ask_folders(x);
	else
		step(x);
}

static void ask_folders(struct run *x)
{
	Postern__FoldersRequest req = POSTERN__FOLDERS_REQUEST__INIT;
	req.account_id = x->t.from;
	if (x->n_folders)
		req.after = data_of(x->folders[x->n_folders - 1]);
	call(x, x->t.from_shard, POSTERN__STORE_OP__STORE_FOLDERS, &req.base, -1, on_folders);
}

static void on_closed(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct run *x = ctx;
	if (fd >= 0)
		close(fd);
	if (err < 0 && !gone(err)) {
		x->err = err;
		end(x);
	} else if (x->t.folder.n) {
		*ROWS_MORE(x->a, &x->folders, &x->n_folders) = x->t.folder;
		step(x);
	} else {
		ask_folders(x);
	}
}

static void start(struct directory *d, const struct transfer *t)
{
	struct run *x = calloc(1, sizeof(*x));
	struct account to;
	bug_if(!x);
	*x = (struct run){ .d = d, .a = arena_new(), .t = *t };
	x->t.folder = arena_dup(x->a, t->folder);
	x->t.origin = arena_dup(x->a, t->origin);
	x->t.target = arena_dup(x->a, t->target);
	list_append(&d->transfers, &x->node);
	x->err = account_by_id(d->e, x->a, t->to, &to);
	if (x->err == 0 && to.state != ACCOUNT_LIVE)
		x->err = ERR_UNAVAILABLE;
	if (x->err < 0) {
		end(x);
		return;
	}
	x->to_shard = to.shard;
	Postern__FolderRequest req = POSTERN__FOLDER_REQUEST__INIT;
	req.account_id = t->from;
	req.folder = data_of(t->folder);
	call(x, t->from_shard, POSTERN__STORE_OP__STORE_CLOSE, &req.base, -1, on_closed);
}

static bool is_running(struct directory *d, uint64_t id, size_t *n)
{
	bool found = false;
	*n = 0;
	list_each(x, &d->transfers, struct run, node) {
		found |= x->t.id == id;
		++*n;
	}
	return found;
}

static bool rests(const struct directory *d, const struct transfer *t)
{
	return clock_wall_ms() < d->damaged_until_ms && slice_eq(t->error, slice_str(err_text(ERR_CORRUPT)));
}

void transfers_run(struct directory *d)
{
	struct arena *a = arena_new();
	struct transfer *rows;
	size_t n = 0, running;
	if (transfer_list(d->e, a, 0, &rows, &n) < 0)
		n = 0;
	for (size_t i = 0; i < n; i++)
		if (!is_running(d, rows[i].id, &running) && running < RUNNING_MAX && !rests(d, &rows[i]))
			start(d, &rows[i]);
	arena_free(&a);
}
