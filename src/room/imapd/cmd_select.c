/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SELECT, EXAMINE, CLOSE, UNSELECT (RFC 3501 6.3.1, 6.3.2, 6.4.2; RFC 3691; RFC 7162 3.1.2). The list of messages comes
 * with the store's answer, in the frame or as a sealed memfd, and becomes the view.
 */
#include "room/imapd/imapd_priv.h"

#include "base/err.h"
#include "lib/ipc/memfd.h"
#include "proto/imap/args.h"
#include "proto/imap/name.h"

enum { KEYWORDS_OF_ONE = 256, LIST_MAX = 1 << 30 };

struct select {
	struct slice name;	/* empty: none that could be opened */
	bool read_only;
};

void select_leave(struct conn *c)
{
	view_free(&c->view);
}

static void take_list(struct view *v, const Postern__MessageList *list)
{
	for (size_t i = 0; list && i < list->n_messages; i++)
		IGNORE(view_put(v, list->messages[i], false), "uids that do not ascend are left out");
}

static bool varint(struct slice *in, uint64_t *ret)
{
	uint64_t v = 0;

	if (in->n && in->p[0] < 0x80) {		/* most are of one byte */
		*ret = in->p[0];
		*in = slice_of(in->p + 1, in->n - 1);
		return true;
	}
	for (size_t i = 0; i < 10 && i < in->n; i++) {
		v |= (uint64_t)(in->p[i] & 0x7f) << (7 * i);
		if (in->p[i] & 0x80)
			continue;
		*in = slice_of(in->p + i + 1, in->n - i - 1);
		*ret = v;
		return true;
	}
	return false;
}

static bool keywords(struct slice *in, Postern__MessageMeta *m)
{
	uint64_t n, v;

	if (!varint(in, &n) || n > in->n)
		return false;
	struct slice packed = slice_of(in->p, (size_t)n);
	*in = slice_of(in->p + n, in->n - (size_t)n);
	while (packed.n && m->n_keywords < KEYWORDS_OF_ONE) {
		if (!varint(&packed, &v))
			return false;
		m->keywords[m->n_keywords++] = (uint32_t)v;
	}
	return true;
}

/* One MessageMeta by hand: a large mailbox has a hundred thousand, and the library would allocate each. */
static bool meta_read(struct slice in, Postern__MessageMeta *m)
{
	uint64_t tag, v;

	while (in.n) {
		if (!varint(&in, &tag))
			return false;
		if (tag == (3 << 3 | 2)) {
			if (!keywords(&in, m))
				return false;
			continue;
		}
		if ((tag & 7) || !varint(&in, &v))
			return false;
		switch (tag >> 3) {
		case 1:
			m->uid = (uint32_t)v;
			break;
		case 2:
			m->flags = (uint32_t)v;
			break;
		case 4:
			m->modseq = v;
			break;
		case 5:
			m->internal_date_ms = (int64_t)v;
			break;
		case 6:
			m->size = v;
			break;
		default:
			break;
		}
	}
	return true;
}

static int take_packed(struct view *v, struct slice in)
{
	uint32_t indexes[KEYWORDS_OF_ONE];
	uint64_t tag, n;

	while (in.n) {
		Postern__MessageMeta m = POSTERN__MESSAGE_META__INIT;
		m.keywords = indexes;
		if (!varint(&in, &tag) || tag != (1 << 3 | 2) || !varint(&in, &n) || n > in.n ||
		    !meta_read(slice_of(in.p, (size_t)n), &m))
			return ERR_CORRUPT;
		in = slice_of(in.p + n, in.n - (size_t)n);
		IGNORE(view_put(v, &m, false), "uids that do not ascend are left out");
	}
	return 0;
}

static int take_list_fd(struct view *v, int fd)
{
	struct slice bytes;
	int err = memfd_map(fd, LIST_MAX, &bytes);

	if (err < 0)
		return err;
	err = take_packed(v, bytes);
	memfd_unmap(&bytes);
	return err;
}

/* The number of the first message that is not \Seen, 0 where all are. */
static size_t first_unseen(const struct view *v)
{
	for (size_t i = 0; i < v->n; i++) {
		if (!(v->msgs[i].bits & IMAP_SEEN))
			return i + 1;
	}
	return 0;
}

static void tell(struct cmd *cmd)
{
	struct conn *c = cmd->conn;
	struct view *v = c->view;
	struct buf out = BUF_INIT(4 << 20);
	size_t unseen = first_unseen(v);

	v->told = v->n;
	v->recent = view_recent(v);
	sync_flags(c, &out);
	buf_printf(&out, "* %zu EXISTS\r\n* %zu RECENT\r\n", v->n, v->recent);
	if (unseen)
		buf_printf(&out, "* OK [UNSEEN %zu] First unseen message.\r\n", unseen);
	buf_printf(&out, "* OK [UIDVALIDITY %u] UIDs valid.\r\n* OK [UIDNEXT %u] Predicted next UID.\r\n",
		   v->uidvalidity, v->uidnext);
	buf_printf(&out, "* OK [HIGHESTMODSEQ %llu] Highest.\r\n", (unsigned long long)v->highestmodseq);
	conn_write(c, &out);
	buf_fini(&out);
	c->state = CONN_SELECTED;
	cmd_done(cmd, "OK [%s] %s completed.", v->read_only ? "READ-ONLY" : "READ-WRITE", cmd->def->verb);
}

static void on_open(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	const Postern__OpenReply *r = (const Postern__OpenReply *)msg;
	struct select *s = cmd->state;
	struct view *v = NULL;

	if (err == 0) {
		v = view_new(s->name, s->read_only);
		v->first_recent = r->first_recent;
		view_set_names(v, r->keywords, r->n_keywords);
		view_expect(v, r->mailbox ? r->mailbox->messages : 0);
		if (fd >= 0)
			err = take_list_fd(v, fd);
		else
			take_list(v, r->list);
	}
	if (fd >= 0)
		close(fd);
	if (err < 0) {
		view_free(&v);
		cmd_fail(cmd, err, text, N_("Mailbox"), false);
		return;
	}
	v->uidvalidity = r->mailbox ? r->mailbox->uidvalidity : 0;
	if (r->mailbox && r->mailbox->uidnext > v->uidnext)
		v->uidnext = r->mailbox->uidnext;
	if (v->uidnext)
		v->last_uid = v->uidnext - 1;
	if (r->mailbox && r->mailbox->highestmodseq > v->highestmodseq)
		v->highestmodseq = r->mailbox->highestmodseq;
	cmd->conn->view = v;
	tell(cmd);
}

static void open_it(struct cmd *cmd)
{
	struct select *s = cmd->state;
	Postern__OpenRequest req = POSTERN__OPEN_REQUEST__INIT;

	req.name = (ProtobufCBinaryData){ s->name.n, (uint8_t *)s->name.p };
	req.read_only = s->read_only;
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_OPEN, &req.base, -1, on_open);
}

static void on_old_closed(struct cmd *cmd, int err UNUSED, const ProtobufCMessage *msg UNUSED, int fd UNUSED,
			  const char *text UNUSED)
{
	struct select *s = cmd->state;

	if (s->name.n)
		open_it(cmd);
	else
		cmd_done(cmd, N_("NO [CANNOT] That is no mailbox name."));
}

static void leave_old(struct cmd *cmd, shard_fn *then)
{
	struct conn *c = cmd->conn;
	Postern__SessionNothing req = POSTERN__SESSION_NOTHING__INIT;

	select_leave(c);
	c->state = CONN_AUTH;
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_CLOSE, &req.base, -1, then);
}

static void select_common(struct cmd *cmd, bool read_only)
{
	struct conn *c = cmd->conn;
	struct imap_select_args a;
	struct select *s = ARENA_NEW(cmd->arena, struct select);

	cmd->state = s;
	s->read_only = read_only;
	if (imap_select_args_scan(&cmd->args, &a) < 0) {
		cmd_syntax(cmd);
		return;
	}
	c->condstore |= a.condstore;
	IGNORE(imap_name_read(cmd->arena, a.mailbox, c->utf8, &s->name), "an empty name says it");
	/* Also where the new one cannot be opened the old one is closed (RFC 3501 6.3.1). */
	if (c->state == CONN_SELECTED) {
		conn_printf(c, "* OK [CLOSED] Previous mailbox closed.\r\n");
		leave_old(cmd, on_old_closed);
	} else {
		on_old_closed(cmd, 0, NULL, -1, NULL);
	}
}

void cmd_select(struct cmd *cmd)
{
	select_common(cmd, false);
}

void cmd_examine(struct cmd *cmd)
{
	select_common(cmd, true);
}

static void on_left(struct cmd *cmd, int err UNUSED, const ProtobufCMessage *msg UNUSED, int fd UNUSED,
		    const char *text UNUSED)
{
	cmd_ok(cmd);
}

void cmd_unselect(struct cmd *cmd)
{
	leave_old(cmd, on_left);
}

static void on_close_expunged(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd UNUSED, const char *text);

/* CLOSE expunges without a word (RFC 3501 6.4.2), but never from a mailbox that was only examined. */
static void close_expunge(struct cmd *cmd)
{
	Postern__ExpungeRequest req = POSTERN__EXPUNGE_REQUEST__INIT;
	Postern__UidRange all = POSTERN__UID_RANGE__INIT, *list = &all;

	all.first = 1;
	req.uids = &list;
	req.n_uids = 1;
	req.any_deleted_flag = true;
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_EXPUNGE, &req.base, -1, on_close_expunged);
}

static void on_close_expunged(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd UNUSED, const char *text)
{
	if (err < 0)
		cmd_fail(cmd, err, text, N_("Mailbox"), false);
	else if (((const Postern__ExpungeReply *)msg)->more)
		close_expunge(cmd);
	else
		leave_old(cmd, on_left);
}

void cmd_close(struct cmd *cmd)
{
	if (cmd->conn->view->read_only)
		leave_old(cmd, on_left);
	else
		close_expunge(cmd);
}
