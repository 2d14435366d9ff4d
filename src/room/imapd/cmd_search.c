/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SEARCH (RFC 3501 6.4.4, RFC 4731, RFC 7162 3.1.5). First pass: every message the client knows is asked by what the
 * view has. What stays open is fetched in batches, with no more than the program needs (header, digest, body). A batch is
 * looked at in slices of SEARCH_TURN octets, one a turn of the loop, so that others are served meanwhile. A client that waits long
 * hears "* OK".
 */
#include "room/imapd/imapd_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "lib/ipc/memfd.h"
#include "proto/imap/search.h"
#include "room/imapd/search_content.h"

enum { BATCH_BYTES = 1 << 20, BYTES_MAX = 2u << 30, STILL_MS = 15000, LINE_MAX_BYTES = 16 << 20 };

struct search {
	struct imap_search program;
	struct imap_seqset open;	/* uids that content must decide */
	struct imap_seqset found;	/* numbers or uids, as the answer wants them; in order of finding */
	uint64_t modseq;		/* the highest of those found */
	uint32_t from;
	size_t range;			/* the first one behind the question that is under way */
	int64_t now_ms, told_ms;
	struct batch {
		struct arena *arena;	/* holds reply; NULL: there is none */
		const Postern__FetchReply *reply;
		struct slice bytes;
		size_t item;		/* that is looked at */
		Postern__Digest *digest;	/* of it */
		bool begun;		/* it is */
	} batch;
	struct search_content content;
};

/* A message and what of it is at hand: what the program's questions are answered from. */
struct subject {
	const struct view *view;
	const struct view_msg *msg;
	struct search_content *content;
};

static bool ask_keyword(void *ctx, struct slice name)
{
	const struct subject *s = ctx;
	return view_has_keyword(s->view, s->msg, name);
}

static enum imap_search_answer ask_header(void *ctx, unsigned key, struct slice field, struct slice folded)
{
	return search_content_header(((struct subject *)ctx)->content, key, field, folded);
}

static bool ask_sent(void *ctx, int64_t *ret)
{
	return search_content_sent(((struct subject *)ctx)->content, ret);
}

static enum imap_search_answer ask_text(void *ctx, unsigned key, bool with_header, struct slice folded)
{
	return search_content_text(((struct subject *)ctx)->content, key, with_header, folded);
}

static unsigned message_flags(const struct view_msg *m)
{
	return (m->bits & VIEW_FLAGS) | (m->bits & VIEW_RECENT ? IMAP_RECENT : 0);
}

static struct imap_search_msg message_of(const struct search *s, struct subject *subject, size_t at)
{
	const struct view_msg *m = &subject->view->msgs[at];

	subject->msg = m;
	return (struct imap_search_msg){
		.seq = (uint32_t)at + 1, .uid = m->uid, .flags = message_flags(m),
		.date_ms = view_date_ms(m), .size = m->size, .modseq = m->modseq, .now_ms = s->now_ms,
		.keyword = ask_keyword, .ctx = subject,
	};
}

static void found(struct cmd *cmd, size_t at)
{
	struct search *s = cmd->state;
	const struct view_msg *m = &cmd->conn->view->msgs[at];
	uint32_t number = cmd->uid ? m->uid : (uint32_t)at + 1;

	imap_seqset_add_range(&s->found, number, number);
	if (m->modseq > s->modseq)
		s->modseq = m->modseq;
}

/* ---- the answer ---- */

static void write_search(struct search *s, struct buf *out)
{
	buf_str(out, "* SEARCH");
	for (size_t i = 0; i < s->found.n; i++) {
		for (uint64_t v = s->found.ranges[i].first; v <= s->found.ranges[i].last; v++) {
			buf_byte(out, ' ');
			buf_u64(out, v);
		}
	}
	if (s->program.has_modseq && s->found.n)
		buf_printf(out, " (MODSEQ %llu)", (unsigned long long)s->modseq);
	buf_str(out, "\r\n");
}

static void write_esearch(struct cmd *cmd, struct search *s, struct buf *out)
{
	unsigned want = s->program.returns;
	const struct imap_seqset *f = &s->found;

	buf_printf(out, "* ESEARCH (TAG \"%s\")%s", cmd->tag, cmd->uid ? " UID" : "");
	if ((want & IMAP_RETURN_MIN) && f->n)
		buf_printf(out, " MIN %u", f->ranges[0].first);
	if ((want & IMAP_RETURN_MAX) && f->n)
		buf_printf(out, " MAX %u", f->ranges[f->n - 1].last);
	if ((want & IMAP_RETURN_ALL) && f->n) {
		buf_str(out, " ALL ");
		imap_seqset_write(out, f);
	}
	if (want & IMAP_RETURN_COUNT)
		buf_printf(out, " COUNT %llu", (unsigned long long)imap_seqset_count(f));
	if (s->program.has_modseq && f->n)
		buf_printf(out, " MODSEQ %llu", (unsigned long long)s->modseq);
	buf_str(out, "\r\n");
}

/* RFC 4731 3.1 with RFC 7162 3.1.10: for MIN or MAX alone, MODSEQ is that of the named messages only. */
static void narrow_modseq(struct cmd *cmd, struct search *s)
{
	unsigned want = s->program.returns;
	const struct view *v = cmd->conn->view;

	if (!s->found.n || !want || (want & (IMAP_RETURN_ALL | IMAP_RETURN_COUNT)))
		return;
	uint32_t ends[2] = { s->found.ranges[0].first, s->found.ranges[s->found.n - 1].last };
	s->modseq = 0;
	for (int i = 0; i < 2; i++) {
		if (!(want & (i ? IMAP_RETURN_MAX : IMAP_RETURN_MIN)))
			continue;
		ptrdiff_t at = cmd->uid ? view_find(v, ends[i]) : (ptrdiff_t)ends[i] - 1;
		if (at >= 0 && (size_t)at < v->n && v->msgs[at].modseq > s->modseq)
			s->modseq = v->msgs[at].modseq;
	}
}

static void finish(struct cmd *cmd)
{
	struct search *s = cmd->state;
	struct buf out = BUF_INIT(LINE_MAX_BYTES);

	imap_seqset_normalise(&s->found);
	narrow_modseq(cmd, s);
	if (s->program.extended)
		write_esearch(cmd, s, &out);
	else
		write_search(s, &out);
	conn_write(cmd->conn, &out);
	buf_fini(&out);
	cmd_ok(cmd);
}

/* ---- content ---- */

static void next_batch(struct cmd *cmd);

/* Where it stands in the view; < 0: not any more, or it is damaged. */
static ptrdiff_t place_of(struct cmd *cmd, const Postern__FetchItem *item, struct slice bytes)
{
	const struct view *v = cmd->conn->view;
	ptrdiff_t at = item->meta ? view_find(v, item->meta->uid) : -1;

	if (item->err < 0 || at < 0 || (size_t)at >= v->told || item->offset > bytes.n ||
	    item->header_length > bytes.n - item->offset ||
	    item->body_length > bytes.n - item->offset - item->header_length)
		return -1;
	return at;
}

static void begin_item(struct search *s, const Postern__FetchItem *item)
{
	struct batch *b = &s->batch;
	size_t body = (size_t)(item->offset + item->header_length);

	b->begun = true;
	if (item->digest.len && digest_unpack(slice_of(item->digest.data, item->digest.len), &b->digest) < 0)
		b->digest = NULL;
	memset(s->content.known, 0, s->program.n_keys);
	s->content.header = slice_sub(b->bytes, (size_t)item->offset, body);
	s->content.body = slice_sub(b->bytes, body, body + (size_t)item->body_length);
	s->content.digest = b->digest;
}

static void end_item(struct search *s)
{
	search_content_fini(&s->content);
	if (s->batch.digest)
		postern__digest__free_unpacked(s->batch.digest, NULL);
	s->batch.digest = NULL;
	s->batch.begun = false;
}

/* false: it was looked at as far as this slice goes. */
static bool judge_item(struct cmd *cmd, const Postern__FetchItem *item)
{
	struct search *s = cmd->state;
	struct subject subject = { .view = cmd->conn->view, .content = &s->content };
	ptrdiff_t at = place_of(cmd, item, s->batch.bytes);

	if (at >= 0) {
		if (!s->batch.begun)
			begin_item(s, item);
		struct imap_search_msg m = message_of(s, &subject, (size_t)at);
		m.header = ask_header;
		m.sent_ms = ask_sent;
		m.text = ask_text;
		enum imap_search_answer a = imap_search_match(&s->program, &m);
		if (a == IMAP_SEARCH_OPEN)
			return false;
		if (a == IMAP_SEARCH_YES)
			found(cmd, (size_t)at);
	}
	end_item(s);
	return true;
}

static void batch_free(struct search *s)
{
	end_item(s);
	if (s->batch.bytes.p)
		memfd_unmap(&s->batch.bytes);
	arena_free(&s->batch.arena);
	s->batch = (struct batch){ 0 };
}

/* Also how a client that is gone is noticed. */
static void still(struct cmd *cmd)
{
	struct search *s = cmd->state;

	if (clock_mono_ms() - s->told_ms <= STILL_MS)
		return;
	conn_printf(cmd->conn, "* OK Still searching.\r\n");
	s->told_ms = clock_mono_ms();
	conn_deadline(cmd->conn);
}

static bool judge_on(struct cmd *cmd)
{
	struct search *s = cmd->state;
	const Postern__FetchReply *r = s->batch.reply;

	s->content.left = SEARCH_TURN;
	for (; s->batch.item < r->n_items; s->batch.item++) {
		if (!judge_item(cmd, r->items[s->batch.item])) {
			still(cmd);
			return true;
		}
	}
	uint32_t next = r->next_uid;
	batch_free(s);
	if (next > s->from)
		s->from = next;
	else if (!next && s->range < s->open.n)
		s->from = s->open.ranges[s->range].first;
	else {
		finish(cmd);
		return false;
	}
	next_batch(cmd);
	return false;
}

static void on_batch(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct search *s = cmd->state;
	struct slice bytes = { 0 };

	if (err == 0 && fd >= 0)
		err = memfd_map(fd, BYTES_MAX, &bytes);
	if (fd >= 0)
		close(fd);
	if (err < 0) {
		cmd_fail(cmd, err, text, N_("Message"), false);
		return;
	}
	s->batch = (struct batch){ .reply = (const Postern__FetchReply *)msg, .arena = ipc_reply_keep(), .bytes = bytes };
	cmd_slices(cmd, judge_on);
}

static void next_batch(struct cmd *cmd)
{
	Postern__FetchRequest req = POSTERN__FETCH_REQUEST__INIT;
	struct search *s = cmd->state;
	size_t asked = 0;

	for (s->range = 0; s->range < s->open.n && asked < UID_RANGES_MAX; s->range++)
		asked += s->open.ranges[s->range].last >= s->from;
	req.n_uids = shard_ranges(cmd, &s->open, s->from, &req.uids);
	if (!req.n_uids) {
		finish(cmd);
		return;
	}
	still(cmd);
	req.meta = true;
	req.digest = s->program.needs & (IMAP_NEED_BODY | IMAP_NEED_SENT);
	req.header = s->program.needs & (IMAP_NEED_HEADER | IMAP_NEED_BODY);
	req.body = s->program.needs & IMAP_NEED_BODY;
	req.max_bytes = BATCH_BYTES;
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_FETCH, &req.base, -1, on_batch);
}

/* ---- the first pass ---- */

static void ask_view(struct cmd *cmd)
{
	struct search *s = cmd->state;
	struct subject subject = { .view = cmd->conn->view };

	for (size_t i = 0; i < subject.view->told; i++) {
		struct imap_search_msg m = message_of(s, &subject, i);
		if (subject.msg->bits & VIEW_GONE)
			continue;
		enum imap_search_answer a = imap_search_match(&s->program, &m);
		if (a == IMAP_SEARCH_YES)
			found(cmd, i);
		else if (a == IMAP_SEARCH_OPEN)
			imap_seqset_add(&s->open, m.uid);
	}
}

static void free_search(void *ctx)
{
	struct search *s = ctx;

	batch_free(s);
	imap_seqset_fini(&s->open);
	imap_seqset_fini(&s->found);
}

void cmd_search(struct cmd *cmd)
{
	struct search *s = ARENA_NEW(cmd->arena, struct search);
	struct view *v = cmd->conn->view;
	int err;

	cmd->state = s;
	arena_on_free(cmd->arena, free_search, s);
	if ((err = imap_search_scan(&cmd->args, &s->program)) < 0) {
		if (err == ERR_TOO_BIG)
			cmd_done(cmd, N_("NO [LIMIT] The search is too complex."));
		else
			cmd_syntax(cmd);
		return;
	}
	if (s->program.bad_charset) {
		cmd_done(cmd, "NO [BADCHARSET (US-ASCII UTF-8)] That charset is not supported.");
		return;
	}
	if (s->program.has_modseq)
		conn_condstore(cmd->conn);
	s->content.known = ARENA_ARRAY(cmd->arena, uint8_t, s->program.n_keys + 1);
	imap_search_resolve(&s->program, (uint32_t)v->told, view_highest_uid(v));
	s->now_ms = clock_wall_ms();
	s->told_ms = clock_mono_ms();
	s->from = 1;
	ask_view(cmd);
	if (s->open.n)
		next_batch(cmd);
	else
		finish(cmd);
}
