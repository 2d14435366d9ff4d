/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages on their way: asked for in batches, a few at a time; each streams from the source into a memfd, filter
 * makes its digest, the store keeps it under its source's key. Stores are asked in the order of the source, so that
 * the order here is the order there; many are under way at once, so that the store commits them together. When too
 * much is on its way the source is not read any more.
 *
 *   FETCH -> memfd -> FILTER_JUDGE -> SESSION_APPEND (source key: a second time changes nothing)
 *
 * Threats: I09 (messages that were not asked for, that come twice or never). Limits: FLIGHT_*, BATCH_*.
 */
#include "room/mover/mover_priv.h"

#include "base/err.h"
#include "lib/ipc/memfd.h"

static void go_on(struct move_task *t);

static void message_free(struct message *m)
{
	struct move_task *t = m->task;

	list_remove(&m->node);
	t->flight_messages--;
	t->flight_bytes -= m->size;
	room_call_cancel(&m->judge);
	if (m->append && t->session)
		ipc_cancel(t->session, m->append);
	if (m->fd >= 0)
		close(m->fd);
	arena_free(&m->arena);
}

void transfer_clear(struct move_task *t)
{
	list_each(m, &t->flight, struct message, node)
		message_free(m);
	if (t->body_fd >= 0)
		close(t->body_fd);
	t->body_fd = -1;
	t->body_begun = false;
}

/* -- asking --------------------------------------------------------------------------------------- */

void transfer_failed(struct move_task *t, uint32_t uid, const char *why)
{
	struct meta *meta = folder_meta(t, uid);

	if (meta)
		meta->state = META_FAILED;
	t->work.folder->failed++;
	t->messages_failed++;
	report_fault(t, uid, why);
}

static size_t collect(struct move_task *t, uint32_t *uids)
{
	struct work *w = &t->work;
	size_t n = 0, max = w->singly ? 1 : BATCH_MESSAGES;
	uint64_t size = 0;

	for (; w->next < w->n_metas && n < max; w->next++) {
		struct meta *meta = &w->metas[w->next];
		if (meta->state != META_WANTED)
			continue;
		if (meta->size > t->config.body_max) {
			transfer_failed(t, meta->uid, "larger than a message may be here");
			continue;
		}
		if (n && size + meta->size > BATCH_BYTES)
			break;
		size += meta->size;
		meta->state = META_ASKED;
		uids[n++] = meta->uid;
	}
	return n;
}

static void pause_source(struct move_task *t, bool on)
{
	if (t->drop)
		drop_pause(t->drop, on);
	else
		source_pause(t->source, on);
}

static void ask_batch(struct move_task *t, const uint32_t *uids, size_t n)
{
	struct imapc_command c;

	t->work.batches++;
	if (t->drop) {
		maildrop_ask(t, uids, n);
		return;
	}

	source_begin(t->source, &c);
	imapc_put(&c, "UID FETCH ");
	imapc_put_set(&c, uids, n);
	imapc_put(&c, t->ask.proof ? " (UID BODY.PEEK[])" : " (UID FLAGS INTERNALDATE BODY.PEEK[])");
	if (source_send(t->source, &c, ASK_BATCH) < 0)
		move_task_fail(t, false, "a command could not be written");
}

/* What was asked for and did not come is asked for once more, one at a time: one bad message must not hide others. */
static bool second_round(struct move_task *t)
{
	struct work *w = &t->work;
	bool any = false;

	for (size_t i = 0; i < w->n_metas; i++) {
		if (w->metas[i].state != META_ASKED)
			continue;
		w->metas[i].state = w->singly ? META_FAILED : META_WANTED;
		any = true;
		if (w->singly)
			transfer_failed(t, w->metas[i].uid, "the old server does not give it");
	}
	if (!any || w->singly)
		return false;
	w->singly = true;
	w->next = 0;
	return true;
}

static void finished(struct move_task *t)
{
	t->work.transferring = false;
	if (t->ask.proof)
		proof_begin(t);
	else
		folder_end(t);
}

static void go_on(struct move_task *t)
{
	struct work *w = &t->work;
	uint32_t uids[BATCH_MESSAGES];
	size_t n;

	while (!move_task_dead(t) && w->batches == 0 && (n = collect(t, uids)) > 0)
		ask_batch(t, uids, n);
	if (move_task_dead(t))
		return;
	bool full = t->flight_messages >= FLIGHT_MESSAGES || t->flight_bytes >= FLIGHT_BYTES;
	bool half = t->flight_messages >= FLIGHT_MESSAGES / 2 || t->flight_bytes >= FLIGHT_BYTES / 2;
	if (full || !half)
		pause_source(t, full);
	if (w->batches || t->flight_messages)
		return;
	if (second_round(t))
		go_on(t);
	else
		finished(t);
}

void transfer_begin(struct move_task *t)
{
	t->work.transferring = true;
	t->work.next = 0;
	t->work.singly = false;
	go_on(t);
}

void transfer_done(struct move_task *t)
{
	t->work.batches--;
	go_on(t);
}

/* -- storing -------------------------------------------------------------------------------------- */

static bool passes(int err)
{
	return err == ERR_CLOSED || err == ERR_UNAVAILABLE || err == ERR_TIMEOUT || err == ERR_FULL ||
	       err == ERR_NOT_FOUND;
}

static void stored(struct move_task *t, struct message *m, bool existed)
{
	t->work.folder->done++;
	t->messages_done++;
	t->tries = 0;
	if (!existed) {
		t->messages_new++;
		t->bytes_new += m->size;
		t->mover->copied_messages++;
		t->mover->copied_bytes += m->size;
	}
	struct meta *meta = folder_meta(t, m->uid);
	if (meta)
		meta->state = META_HERE;
}

static void on_appended(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct message *m = ctx;
	struct move_task *t = m->task;

	m->append = 0;
	if (move_task_dead(t))
		return;
	if (err == ERR_QUOTA) {
		move_task_fail(t, false, "the mailbox here is full: its quota is too small for the old mail");
		return;
	}
	if (passes(err)) {
		move_task_fail(t, true, "the store: %s", text && *text ? text : err_text(err));
		return;
	}
	if (err < 0)
		transfer_failed(t, m->uid, text && *text ? text : err_text(err));
	else
		stored(t, m, ((const Postern__AppendReply *)reply)->existed);
	message_free(m);
	go_on(t);
}

static void append(struct move_task *t, struct message *m)
{
	Postern__AppendRequest req = POSTERN__APPEND_REQUEST__INIT;
	const struct folder *f = t->work.folder;

	req.mailbox = (ProtobufCBinaryData){ f->name.n, (uint8_t *)f->name.p };
	req.flags = m->flags;
	req.n_keywords = m->n_keywords;
	req.keywords = m->keywords;
	req.internal_date_ms = m->date_ms;
	req.digest = (ProtobufCBinaryData){ m->digest.n, (uint8_t *)m->digest.p };
	struct source_key key = { f->raw, t->work.uidvalidity, m->uid };
	if (t->drop)
		key = maildrop_key(t, m->uid);
	req.source_folder = (ProtobufCBinaryData){ key.folder.n, (uint8_t *)key.folder.p };
	req.source_uidvalidity = key.uidvalidity;
	req.source_uid = key.uid;
	req.same_uid = m->same_uid;
	m->append = ipc_call(t->session, POSTERN__SESSION_OP__SESSION_APPEND, &req.base, &m->fd, 1, CALL_MS,
			     on_appended, m);
	close(m->fd);
	m->fd = -1;
}

/* From the front, as far as digests are there. */
static void append_judged(struct move_task *t)
{
	list_each(m, &t->flight, struct message, node) {
		if (!m->judged)
			return;
		if (m->fd >= 0)
			append(t, m);
	}
}

static void on_judged(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct message *m = ctx;
	struct move_task *t = m->task;
	const Postern__JudgeReply *judge = (const Postern__JudgeReply *)reply;

	m->judge = NULL;
	if (move_task_dead(t))
		return;
	if (err == ERR_UNAVAILABLE) {
		move_task_fail(t, true, "filter does not answer");
		return;
	}
	if (err < 0) {
		transfer_failed(t, m->uid, "it cannot be taken apart");
		message_free(m);
	} else {
		m->digest = arena_dup(m->arena, slice_of(judge->digest.data, judge->digest.len));
		m->judged = true;
		if (t->drop)
			m->date_ms = maildrop_date(m->digest);
	}
	append_judged(t);
	go_on(t);
}

static void judge(struct move_task *t, struct message *m)
{
	Postern__JudgeRequest req = POSTERN__JUDGE_REQUEST__INIT;

	req.origin = "copy";
	m->judge = room_call(t->mover->room, ROLE_FILTER, PEER_ANY, POSTERN__FILTER_OP__FILTER_JUDGE, &req.base,
			     &m->fd, 1, CALL_MS, on_judged, m);
}

/* -- reading -------------------------------------------------------------------------------------- */

int transfer_body_begin(void *ctx, uint64_t size)
{
	struct move_task *t = ctx;

	if (t->body_fd >= 0)
		close(t->body_fd);
	t->body_fd = -1;
	t->body_begun = !move_task_dead(t) && t->work.transferring;
	if (!t->body_begun)
		return 0;
	if (t->ask.proof)
		return EVP_DigestInit_ex(t->body_sha, EVP_sha256(), NULL) == 1 ? 0 : ERR_INTERNAL;
	return memfd_new("copy", &t->body_fd);
}

int transfer_body_bytes(void *ctx, struct slice bytes)
{
	struct move_task *t = ctx;

	if (!t->body_begun)
		return 0;
	if (t->ask.proof)
		return EVP_DigestUpdate(t->body_sha, bytes.p, bytes.n) == 1 ? 0 : ERR_INTERNAL;
	return memfd_write(t->body_fd, bytes);
}

static void take_keywords(struct message *m, struct slice flags)
{
	struct slice word;
	size_t bytes = 0;

	while (imapc_word(&flags, &word) && m->n_keywords < KEYWORDS_MAX) {
		m->flags |= imapc_flag_bit(word);
		if (word.p[0] == '\\' || bytes + word.n > KEYWORD_BYTES_MAX)
			continue;
		bytes += word.n;
		struct slice kept = arena_dup(m->arena, word);
		m->keywords[m->n_keywords++] = (ProtobufCBinaryData){ kept.n, (uint8_t *)kept.p };
	}
}

static struct message *message_new(struct move_task *t, const struct arrival *from, uint64_t size)
{
	struct arena *arena = arena_new();
	struct message *m = ARENA_NEW(arena, struct message);

	m->arena = arena;
	m->task = t;
	m->uid = from->uid;
	m->size = size;
	m->fd = t->body_fd;
	t->body_fd = -1;
	take_keywords(m, from->flags);
	m->date_ms = from->date_ms;
	list_append(&t->flight, &m->node);
	t->flight_messages++;
	t->flight_bytes += size;
	return m;
}

/* A short content that came as a quoted string goes the way of the others. */
static int take_inline(struct move_task *t, const struct imapc_response *r)
{
	int err;

	if (r->fetch.streamed)
		return 0;
	if ((err = transfer_body_begin(t, r->fetch.body.n)) < 0)
		return err;
	return transfer_body_bytes(t, r->fetch.body);
}

static void take_message(struct move_task *t, const struct arrival *from, struct meta *meta)
{
	uint64_t size = 0;

	if (t->ask.proof) {
		meta->state = META_HERE;
		if (!meta->sha)
			meta->sha = calloc(1, SHA_BYTES);
		bug_if(!meta->sha);
		bug_if(EVP_DigestFinal_ex(t->body_sha, meta->sha, NULL) != 1);
		return;
	}
	off_t end = lseek(t->body_fd, 0, SEEK_END);
	size = end > 0 ? (uint64_t)end : 0;
	if (memfd_seal(t->body_fd) < 0) {
		move_task_fail(t, true, "no memory for a message");
		return;
	}
	meta->state = META_HERE;
	struct message *m = message_new(t, from, size);
	m->same_uid = recognise_message(t, m->fd, m->date_ms);
	m->judged = m->same_uid != 0;
	if (m->judged)
		append_judged(t);
	else
		judge(t, m);
}

void transfer_take(struct move_task *t, const struct arrival *from)
{
	struct meta *meta = folder_meta(t, from->uid);

	if (!t->body_begun || !meta || meta->state != META_ASKED)
		return;
	take_message(t, from, meta);
	t->body_begun = false;
	if (!move_task_dead(t) && (t->flight_messages >= FLIGHT_MESSAGES || t->flight_bytes >= FLIGHT_BYTES))
		pause_source(t, true);
}

void transfer_response(struct move_task *t, const struct imapc_response *r)
{
	struct arrival from = { .uid = r->fetch.uid, .flags = r->fetch.flags, .date_ms = folder_date(r) };

	if (r->kind != IMAPC_FETCH || !(r->fetch.has & IMAPC_HAS_UID) || !(r->fetch.has & IMAPC_HAS_BODY))
		return;
	struct meta *meta = folder_meta(t, r->fetch.uid);
	if (!meta || meta->state != META_ASKED)
		return;		/* not asked for, or here already */
	if (take_inline(t, r) < 0) {
		move_task_fail(t, true, "no memory for a message");
		return;
	}
	transfer_take(t, &from);
}
