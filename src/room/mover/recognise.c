/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder of which nothing was copied under its UIDVALIDITY, while there are messages in its place here: a server
 * that was restored, or that counted its UIDs anew, must not double the mail. A message is the same when size,
 * internal date and the SHA-256 of all its bytes are; then the store notes where it comes from and keeps no copy.
 *
 *   open here -> scan there -> hash those here that may be the same -> close -> transfer, which asks for each
 *
 * Threats: I09 (a UIDVALIDITY that changes).
 */
#include "room/mover/mover_priv.h"

#include "base/err.h"
#include "lib/ipc/memfd.h"

enum { PAGE_BYTES = 4 << 20, RANGES_MAX = 500 };

static void hash_next(struct move_task *t);

static int by_look(const void *a, const void *b)
{
	const struct twin *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return x->date_s < y->date_s ? -1 : x->date_s > y->date_s;
}

/* The first of those that look the same, or NULL. */
static struct twin *find_twin(struct work *w, uint64_t size, int64_t date_s)
{
	struct twin key = { .size = size, .date_s = date_s };
	struct twin *found = w->n_twins ? bsearch(&key, w->twins, w->n_twins, sizeof(key), by_look) : NULL;

	while (found && found > w->twins && by_look(found - 1, &key) == 0)
		found--;
	return found;
}

static bool looks(const struct work *w, const struct twin *twin, uint64_t size, int64_t date_s)
{
	return twin && twin < w->twins + w->n_twins && twin->size == size && twin->date_s == date_s;
}

/* -- what is here --------------------------------------------------------------------------------- */

static void take_list(struct work *w, const Postern__MessageList *list)
{
	w->twins = calloc(list->n_messages + 1, sizeof(*w->twins));
	bug_if(!w->twins);
	for (size_t i = 0; i < list->n_messages; i++) {
		const Postern__MessageMeta *m = list->messages[i];
		w->twins[w->n_twins++] = (struct twin){
			.size = m->size, .date_s = m->internal_date_ms / 1000, .uid = m->uid,
		};
	}
	qsort(w->twins, w->n_twins, sizeof(*w->twins), by_look);
}

static int take_list_fd(struct work *w, int fd)
{
	struct slice bytes;
	int r = memfd_map(fd, UINT32_MAX, &bytes);

	if (r < 0)
		return r;
	Postern__MessageList *list = postern__message_list__unpack(NULL, bytes.n, bytes.p);
	memfd_unmap(&bytes);
	if (!list)
		return ERR_SYNTAX;
	take_list(w, list);
	postern__message_list__free_unpacked(list, NULL);
	return 0;
}

static void on_opened(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct move_task *t = ctx;
	const Postern__OpenReply *open = (const Postern__OpenReply *)reply;
	bool going_on = move_task_answered(t, err, "the folder here", text);

	if (going_on && fd >= 0 && take_list_fd(&t->work, fd) < 0) {
		move_task_fail(t, true, "the folder here cannot be read");
		going_on = false;
	} else if (going_on && fd < 0 && open->list) {
		take_list(&t->work, open->list);
	}
	if (fd >= 0)
		close(fd);
	if (going_on)
		folder_scan(t);
}

void recognise_begin(struct move_task *t)
{
	Postern__OpenRequest req = POSTERN__OPEN_REQUEST__INIT;

	req.name = (ProtobufCBinaryData){ t->work.folder->name.n, (uint8_t *)t->work.folder->name.p };
	req.read_only = true;
	move_task_ask(t, POSTERN__SESSION_OP__SESSION_OPEN, &req.base, on_opened);
}

/* -- what of it may be the same ------------------------------------------------------------------- */

static void on_closed(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct move_task *t = ctx;

	if (move_task_answered(t, err, "the folder here", text))
		transfer_begin(t);
}

static void close_here(struct move_task *t)
{
	Postern__SessionNothing nothing = POSTERN__SESSION_NOTHING__INIT;

	move_task_ask(t, POSTERN__SESSION_OP__SESSION_CLOSE, &nothing.base, on_closed);
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = (*(struct twin *const *)a)->uid, y = (*(struct twin *const *)b)->uid;

	return x < y ? -1 : x > y;
}

static void hash_item(struct work *w, const Postern__FetchItem *item, struct slice bytes)
{
	struct slice all = slice_sub(bytes, item->offset, item->offset + item->header_length + item->body_length);
	struct twin key = { .uid = item->meta ? item->meta->uid : 0 }, *p = &key, **found;

	found = bsearch(&p, w->unhashed, w->n_unhashed, sizeof(p), by_uid);
	if (!found)
		return;
	(*found)->hashed = true;
	bug_if(EVP_Digest(all.p ? all.p : (const uint8_t *)"", all.n, (*found)->sha, NULL, EVP_sha256(), NULL) != 1);
}

/* A page ends where its bytes are enough: next_uid is the first that it does not hold. */
static void advance(struct work *w, uint32_t next_uid)
{
	size_t end = w->unhashed_at + w->unhashed_asked;

	while (w->unhashed_at < end && (next_uid == 0 || w->unhashed[w->unhashed_at]->uid < next_uid))
		w->unhashed_at++;
}

static void on_page(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct move_task *t = ctx;
	const Postern__FetchReply *page = (const Postern__FetchReply *)reply;
	struct slice bytes = { 0 };
	bool going_on = move_task_answered(t, err, "the folder here", text);

	if (going_on && fd >= 0 && memfd_map(fd, UINT32_MAX, &bytes) < 0) {
		move_task_fail(t, true, "the messages here cannot be read");
		going_on = false;
	}
	for (size_t i = 0; going_on && i < page->n_items; i++)
		hash_item(&t->work, page->items[i], bytes);
	if (going_on && fd >= 0)
		memfd_unmap(&bytes);
	if (fd >= 0)
		close(fd);
	if (!going_on)
		return;
	advance(&t->work, page->next_uid);
	hash_next(t);
}

static void hash_next(struct move_task *t)
{
	struct work *w = &t->work;
	Postern__FetchRequest req = POSTERN__FETCH_REQUEST__INIT;
	Postern__UidRange ranges[RANGES_MAX], *uids[RANGES_MAX];

	while (req.n_uids < RANGES_MAX && w->unhashed_at + req.n_uids < w->n_unhashed) {
		size_t i = req.n_uids++;
		postern__uid_range__init(&ranges[i]);
		ranges[i].first = ranges[i].last = w->unhashed[w->unhashed_at + i]->uid;
		uids[i] = &ranges[i];
	}
	w->unhashed_asked = req.n_uids;
	if (req.n_uids == 0) {
		close_here(t);
		return;
	}
	req.uids = uids;
	req.meta = req.header = req.body = true;
	req.max_bytes = PAGE_BYTES;
	move_task_ask(t, POSTERN__SESSION_OP__SESSION_FETCH, &req.base, on_page);
}

void recognise_scanned(struct move_task *t)
{
	struct work *w = &t->work;

	w->unhashed = reallocarray(NULL, w->n_twins + 1, sizeof(*w->unhashed));
	bug_if(!w->unhashed);
	for (size_t i = 0; i < w->n_metas; i++) {
		int64_t date_s = w->metas[i].date_ms / 1000;
		struct twin *twin = find_twin(w, w->metas[i].size, date_s);
		for (; looks(w, twin, w->metas[i].size, date_s) && !twin->used; twin++) {
			twin->used = true;	/* is in the list already */
			w->unhashed[w->n_unhashed++] = twin;
		}
	}
	for (size_t i = 0; i < w->n_unhashed; i++)
		w->unhashed[i]->used = false;
	qsort(w->unhashed, w->n_unhashed, sizeof(*w->unhashed), by_uid);
	hash_next(t);
}

/* -- is this one of them? ------------------------------------------------------------------------- */

uint32_t recognise_message(struct move_task *t, int fd, int64_t date_ms)
{
	struct work *w = &t->work;
	uint8_t sha[SHA_BYTES];
	struct slice all;

	if (!w->n_unhashed || memfd_map(fd, UINT32_MAX, &all) < 0)
		return 0;
	uint64_t size = all.n;
	bug_if(EVP_Digest(all.p ? all.p : (const uint8_t *)"", all.n, sha, NULL, EVP_sha256(), NULL) != 1);
	memfd_unmap(&all);
	for (struct twin *twin = find_twin(w, size, date_ms / 1000); looks(w, twin, size, date_ms / 1000); twin++) {
		if (!twin->hashed || twin->used || memcmp(twin->sha, sha, sizeof(sha)) != 0)
			continue;
		twin->used = true;
		return twin->uid;
	}
	return 0;
}
