/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One folder: made here where it is not yet, opened read-only there, compared by UID with what was copied from it
 * before, and what is new handed to transfer.c. A message is known by (folder, UIDVALIDITY, UID).
 *
 * Threats: I09 (UIDs that repeat, are out of order or more than the server said).
 */
#include "room/mover/mover_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "proto/mail/date.h"

enum { UIDS_BEYOND = 100000 };	/* what may come on top of EXISTS while we look */

static void examine(struct move_task *t);
static void ask_copied(struct move_task *t, uint32_t after);

void work_clear(struct move_task *t)
{
	for (size_t i = 0; i < t->work.n_metas; i++)
		free(t->work.metas[i].sha);
	free(t->work.metas);
	free(t->work.copied);
	free(t->work.by_local);
	free(t->work.twins);
	free(t->work.unhashed);
	t->work = (struct work){ 0 };
}

static const struct here *find_here(const struct move_task *t, struct slice name)
{
	for (size_t i = 0; i < t->n_here; i++)
		if (slice_eq(t->here[i].name, name))
			return &t->here[i];
	return NULL;
}

static ProtobufCBinaryData bytes(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

static void on_made(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct move_task *t = ctx;

	if (move_task_answered(t, err == ERR_EXISTS ? 0 : err, "a folder here", text))
		examine(t);
}

static void make(struct move_task *t, const struct folder *f)
{
	Postern__CreateRequest req = POSTERN__CREATE_REQUEST__INIT;

	req.name = bytes(f->name);
	req.special_use = f->special;
	req.subscribe = f->subscribed;
	move_task_ask(t, POSTERN__SESSION_OP__SESSION_CREATE, &req.base, on_made);
}

static void subscribe(struct move_task *t, const struct folder *f)
{
	Postern__SubscribeRequest req = POSTERN__SUBSCRIBE_REQUEST__INIT;

	req.name = bytes(f->name);
	req.on = true;
	move_task_ask(t, POSTERN__SESSION_OP__SESSION_SUBSCRIBE, &req.base, on_made);
}

void folder_next(struct move_task *t)
{
	for (; t->at < t->n_folders; t->at++, t->folders_done++)
		if (!t->folders[t->at].skip && !(t->folders[t->at].attributes & IMAPC_NOSELECT))
			break;
	if (t->at == t->n_folders) {
		move_task_finish(t);
		return;
	}
	struct folder *f = &t->folders[t->at];
	const struct here *here = find_here(t, f->name);
	work_clear(t);
	t->work.folder = f;
	if (t->ask.proof)
		examine(t);
	else if (!here && !slice_eq(f->name, SLICE("INBOX")))
		make(t, f);
	else if (here && f->subscribed && !here->subscribed)
		subscribe(t, f);
	else
		examine(t);
}

void folder_end(struct move_task *t)
{
	work_clear(t);
	t->at++;
	t->folders_done++;
	folder_next(t);
}

static void give_up(struct move_task *t, const char *why)
{
	t->work.folder->skip = why;
	t->messages_failed += t->work.folder->messages;
	folder_end(t);
}

static void examine(struct move_task *t)
{
	struct imapc_command c;

	source_begin(t->source, &c);
	imapc_put(&c, "EXAMINE ");
	imapc_put_string(&c, t->work.folder->raw);
	if (source_send(t->source, &c, ASK_EXAMINE) < 0)
		give_up(t, "its name cannot be sent");
}

static void opened(struct move_task *t, const struct imapc_response *r)
{
	struct work *w = &t->work;

	if (r->condition != IMAPC_OK) {
		give_up(t, "the old server does not open it");
	} else if (w->uidvalidity == 0) {
		give_up(t, "the old server gives it no UIDVALIDITY");
	} else if (w->exists > FOLDER_MESSAGES_MAX) {
		give_up(t, "the old server says that it holds more messages than can be");
	} else {
		t->messages_total -= w->folder->known ? w->folder->messages : 0;
		t->messages_total += w->exists;
		w->folder->known = true;
		w->folder->messages = w->exists;
		ask_copied(t, 0);
	}
}

/* -- what was copied before ----------------------------------------------------------------------- */

static void *grow(void *p, size_t *cap, size_t size)
{
	*cap = *cap ? *cap * 2 : 256;
	p = reallocarray(p, *cap, size);
	bug_if(!p);
	return p;
}

bool folder_add_copied(struct work *w, uint32_t source, uint32_t local)
{
	if (w->n_copied == 2 * FOLDER_MESSAGES_MAX)
		return false;
	if (w->n_copied == w->cap_copied)
		w->copied = grow(w->copied, &w->cap_copied, sizeof(*w->copied));
	w->copied[w->n_copied++] = (struct uid_pair){ source, local };
	return true;
}

static bool take_copied(struct work *w, const Postern__CopiedReply *reply)
{
	for (size_t i = 0; i < reply->n_pairs; i++)
		for (uint32_t k = 0; k < reply->pairs[i]->count; k++)
			if (!folder_add_copied(w, reply->pairs[i]->from + k, reply->pairs[i]->to + k))
				return false;
	for (size_t i = 0; i < reply->n_uids && !reply->n_pairs; i++)
		for (uint64_t uid = reply->uids[i]->first; uid <= reply->uids[i]->last; uid++)
			if (!folder_add_copied(w, (uint32_t)uid, 0))
				return false;
	return true;
}

int pair_by_source(const void *a, const void *b)
{
	uint32_t x = ((const struct uid_pair *)a)->source, y = ((const struct uid_pair *)b)->source;

	return x < y ? -1 : x > y;
}

uint32_t folder_copied(const struct move_task *t, uint32_t uid, bool *ret_known)
{
	struct uid_pair key = { .source = uid };
	const struct uid_pair *found = NULL;

	if (t->work.n_copied)
		found = bsearch(&key, t->work.copied, t->work.n_copied, sizeof(key), pair_by_source);
	*ret_known = found != NULL;
	return found ? found->local : 0;
}

void folder_scan(struct move_task *t)
{
	struct imapc_command c;

	t->work.scanning = true;
	source_begin(t->source, &c);
	imapc_put(&c, "UID FETCH 1:* (UID RFC822.SIZE");
	imapc_put(&c, t->ask.proof || t->work.n_twins ? " INTERNALDATE)" : ")");
	if (source_send(t->source, &c, ASK_SCAN) < 0)
		move_task_fail(t, false, "a command could not be written");
}

static void on_copied(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct move_task *t = ctx;
	const Postern__CopiedReply *copied = (const Postern__CopiedReply *)reply;

	if (!move_task_answered(t, err, "what was copied before", text))
		return;
	t->messages_new += copied->messages_since;
	t->bytes_new += copied->bytes_since;
	if (!take_copied(&t->work, copied)) {
		move_task_fail(t, false, "the store knows more copied messages than can be");
		return;
	}
	if (copied->next_uid) {
		ask_copied(t, copied->next_uid);
		return;
	}
	if (t->work.n_copied)
		qsort(t->work.copied, t->work.n_copied, sizeof(*t->work.copied), pair_by_source);
	if (t->work.exists == 0)
		folder_end(t);
	else if (t->work.n_copied == 0 && !t->ask.proof && find_here(t, t->work.folder->name))
		recognise_begin(t);
	else
		folder_scan(t);
}

static void ask_copied(struct move_task *t, uint32_t after)
{
	Postern__CopiedRequest req = POSTERN__COPIED_REQUEST__INIT;

	req.source_folder = bytes(t->work.folder->raw);
	req.source_uidvalidity = t->work.uidvalidity;
	req.after_uid = after;
	req.since_ms = t->ask.since_ms;
	move_task_ask(t, POSTERN__SESSION_OP__SESSION_COPIED, &req.base, on_copied);
}

/* -- what is there -------------------------------------------------------------------------------- */

bool folder_add_meta(struct work *w, const struct meta *meta)
{
	if (w->n_metas == FOLDER_MESSAGES_MAX + UIDS_BEYOND)
		return false;
	if (w->n_metas == w->cap_metas)
		w->metas = grow(w->metas, &w->cap_metas, sizeof(*w->metas));
	w->metas[w->n_metas++] = *meta;
	return true;
}

int64_t folder_date(const struct imapc_response *r)
{
	struct mail_date date;

	if (!(r->fetch.has & IMAPC_HAS_DATE) || imap_date_time_parse(r->fetch.date, &date) < 0)
		return 0;
	return clock_given(date.ms);
}

static void scan_response(struct move_task *t, const struct imapc_response *r)
{
	struct work *w = &t->work;

	if (r->kind != IMAPC_FETCH || !(r->fetch.has & IMAPC_HAS_UID))
		return;
	if (w->n_metas > w->exists + UIDS_BEYOND) {
		move_task_fail(t, false, "the old server lists more messages than it says there are");
		return;
	}
	struct meta meta = {
		.uid = r->fetch.uid,
		.size = r->fetch.size < UINT32_MAX ? (uint32_t)r->fetch.size : UINT32_MAX,
		.date_ms = folder_date(r),
	};
	if (!folder_add_meta(w, &meta))
		move_task_fail(t, false, "the old server lists more messages than can be");
}

int meta_by_uid(const void *a, const void *b)
{
	uint32_t x = ((const struct meta *)a)->uid, y = ((const struct meta *)b)->uid;

	return x < y ? -1 : x > y;
}

struct meta *folder_meta(struct move_task *t, uint32_t uid)
{
	struct meta key = { .uid = uid };

	if (!t->work.n_metas)
		return NULL;
	return bsearch(&key, t->work.metas, t->work.n_metas, sizeof(key), meta_by_uid);
}

static void sort_metas(struct work *w)
{
	size_t n = 0;

	if (w->n_metas)
		qsort(w->metas, w->n_metas, sizeof(*w->metas), meta_by_uid);
	for (size_t i = 0; i < w->n_metas; i++)
		if (n == 0 || w->metas[n - 1].uid != w->metas[i].uid)
			w->metas[n++] = w->metas[i];
	w->n_metas = n;
}

void folder_listed(struct move_task *t)
{
	struct work *w = &t->work;
	size_t here = 0;

	sort_metas(w);
	for (size_t i = 0; i < w->n_metas; i++) {
		bool known;
		w->metas[i].local_uid = folder_copied(t, w->metas[i].uid, &known);
		if (known)
			here++;
		if (known && !t->ask.proof)
			w->metas[i].state = META_HERE;
	}
	t->messages_total += w->n_metas;
	t->messages_total -= w->folder->messages;
	w->folder->messages = w->n_metas;
	if (t->ask.proof) {
		proof_begin(t);
		return;
	}
	w->folder->done = here;
	t->messages_done += here;
	if (w->n_twins)
		recognise_scanned(t);
	else
		transfer_begin(t);
}

static void scanned(struct move_task *t, const struct imapc_response *r)
{
	t->work.scanning = false;
	if (r->condition != IMAPC_OK)
		give_up(t, "the old server does not say what is in it");
	else
		folder_listed(t);
}

/* -- what the source says ------------------------------------------------------------------------- */

static void changed_uidvalidity(struct move_task *t, uint64_t now)
{
	if (t->work.uidvalidity && t->work.uidvalidity != now)
		move_task_fail(t, true, "a folder of the old server was made anew meanwhile");
	t->work.uidvalidity = (uint32_t)now;
}

void folder_response(struct move_task *t, const struct imapc_response *r)
{
	uint64_t n;

	if (r->kind == IMAPC_STATUS && imapc_code_number(r->code, "UIDVALIDITY", UINT32_MAX, &n))
		changed_uidvalidity(t, n);
	else if (r->kind == IMAPC_EXISTS && !t->work.scanning && !t->work.transferring)
		t->work.exists = r->number;
	else if (t->work.scanning)
		scan_response(t, r);
	else if (t->work.transferring)
		transfer_response(t, r);
}

void folder_done(struct move_task *t, int what, const struct imapc_response *r)
{
	if (what == ASK_EXAMINE)
		opened(t, r);
	else if (what == ASK_SCAN)
		scanned(t, r);
	else if (what == ASK_BATCH)
		transfer_done(t);
}
