/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proof of a folder: every message of the old server is read again and hashed (transfer.c, without storing),
 * then every one that it became here. A message counts as here when it is here with the
 * same bytes and the same internal date; one that is here otherwise counts as missing, and as different. Flags may
 * have moved on since and are not compared.
 *
 *   scan -> hash there -> open here -> hash here, page by page -> compare
 */
#include "room/mover/mover_priv.h"

#include "base/err.h"
#include "lib/ipc/memfd.h"

enum { PAGE_BYTES = 4 << 20 };

static void ask_page(struct move_task *t);

static int by_local(const void *a, const void *b)
{
	uint32_t x = (*(struct meta *const *)a)->local_uid, y = (*(struct meta *const *)b)->local_uid;

	return x < y ? -1 : x > y;
}

static void folder_proved(struct move_task *t)
{
	struct work *w = &t->work;

	for (size_t i = 0; i < w->n_metas; i++) {
		if (w->metas[i].state == META_HERE)
			w->folder->done++;
	}
	w->folder->done -= w->folder->different;
	w->folder->missing = w->n_metas - w->folder->done;
	t->messages_done += w->folder->done;
	t->messages_failed += w->folder->missing;
	folder_end(t);
}

static void sort_by_local(struct work *w)
{
	w->by_local = reallocarray(NULL, w->n_metas + 1, sizeof(*w->by_local));
	bug_if(!w->by_local);
	for (size_t i = 0; i < w->n_metas; i++)
		if (w->metas[i].local_uid)
			w->by_local[w->n_by_local++] = &w->metas[i];
	qsort(w->by_local, w->n_by_local, sizeof(*w->by_local), by_local);
}

static struct meta *find_local(const struct work *w, uint32_t uid)
{
	struct meta key = { .local_uid = uid }, *p = &key, **found;

	found = bsearch(&p, w->by_local, w->n_by_local, sizeof(p), by_local);
	return found ? *found : NULL;
}

static void compare_item(struct move_task *t, struct meta *meta, const Postern__FetchItem *item, struct slice bytes)
{
	uint8_t sha[SHA_BYTES];
	const char *why = NULL;
	struct slice all = slice_sub(bytes, item->offset, item->offset + item->header_length + item->body_length);

	meta->state = META_HERE;
	bug_if(EVP_Digest(all.p ? all.p : (const uint8_t *)"", all.n, sha, NULL, EVP_sha256(), NULL) != 1);
	if (!meta->sha)
		why = "it could not be read again there";
	else if (memcmp(sha, meta->sha, sizeof(sha)) != 0)
		why = "its bytes differ";
	else if (meta->date_ms && item->meta->internal_date_ms / 1000 != meta->date_ms / 1000)
		why = "its date differs";
	if (!why)
		return;
	t->work.folder->different++;
	report_fault(t, meta->uid, why);
}

static void compare_page(struct move_task *t, const Postern__FetchReply *reply, struct slice bytes)
{
	for (size_t i = 0; i < reply->n_items; i++) {
		struct meta *meta = reply->items[i]->meta ? find_local(&t->work, reply->items[i]->meta->uid) : NULL;
		if (meta)
			compare_item(t, meta, reply->items[i], bytes);
	}
}

static void on_page(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct move_task *t = ctx;
	const Postern__FetchReply *page = (const Postern__FetchReply *)reply;
	struct slice bytes = { 0 };

	if (!move_task_answered(t, err, "the folder here", text))
		return;
	if (fd >= 0 && memfd_map(fd, UINT32_MAX, &bytes) < 0) {
		close(fd);
		move_task_fail(t, true, "the messages here cannot be read");
		return;
	}
	compare_page(t, page, bytes);
	if (fd >= 0) {
		memfd_unmap(&bytes);
		close(fd);
	}
	t->work.local_next = page->next_uid;
	if (page->next_uid)
		ask_page(t);
	else
		folder_proved(t);
}

static void ask_page(struct move_task *t)
{
	Postern__FetchRequest req = POSTERN__FETCH_REQUEST__INIT;
	Postern__UidRange range = POSTERN__UID_RANGE__INIT;
	Postern__UidRange *ranges[] = { &range };

	range.first = t->work.local_next ? t->work.local_next : 1;
	req.n_uids = 1;
	req.uids = ranges;
	req.meta = req.header = req.body = true;
	req.max_bytes = PAGE_BYTES;
	move_task_ask(t, POSTERN__SESSION_OP__SESSION_FETCH, &req.base, on_page);
}

static void on_opened(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct move_task *t = ctx;

	if (fd >= 0)
		close(fd);
	if (err == ERR_NOT_FOUND && !move_task_dead(t)) {
		t->session_call = 0;
		folder_proved(t);
	} else if (move_task_answered(t, err, "the folder here", text)) {
		ask_page(t);
	}
}

static void open_here(struct move_task *t)
{
	Postern__OpenRequest req = POSTERN__OPEN_REQUEST__INIT;

	for (size_t i = 0; i < t->work.n_metas; i++)	/* from now on HERE means here */
		t->work.metas[i].state = META_WANTED;
	req.name = (ProtobufCBinaryData){ t->work.folder->name.n, (uint8_t *)t->work.folder->name.p };
	req.read_only = true;
	move_task_ask(t, POSTERN__SESSION_OP__SESSION_OPEN, &req.base, on_opened);
}

void proof_begin(struct move_task *t)
{
	struct work *w = &t->work;

	if (!w->hashed) {
		w->hashed = true;
		transfer_begin(t);
		return;
	}
	t->messages_failed -= w->folder->failed;	/* what could not be read there counts by what is here */
	w->folder->failed = 0;
	sort_by_local(w);
	open_here(t);
}
