/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LIST and LSUB (RFC 3501 6.3.8, 6.3.9; RFC 5258, 5819, 6154, 3348). All mailboxes of the account are fetched page by
 * page, matched, and written with pauses for a slow reader. Names that are not mailboxes appear only where the
 * RFCs want them: parents of subscribed names (LSUB with %, CHILDINFO of RECURSIVEMATCH).
 */
#include "room/imapd/imapd_priv.h"

#include "base/err.h"
#include "proto/imap/args.h"
#include "proto/imap/name.h"
#include "proto/imap/pattern.h"

enum { LINE_MAX_BYTES = 1 << 20, MAILBOXES_MAX = 200000 };

struct entry {
	struct slice name;
	Postern__MailboxInfo info;	/* numbers only; its name is not used */
	bool known;		/* the store named it; else it is the parent of a subscribed name */
	bool childinfo;
};

struct list_cmd {
	struct imap_list_args args;
	bool lsub;
	struct imap_pattern *patterns[IMAP_LIST_PATTERNS];
	size_t n_patterns;
	struct entry **entries;
	size_t n, cap, at;
	struct map *by_name;
	struct slice after;
};

static void free_list(void *ctx)
{
	struct list_cmd *l = ctx;

	for (size_t i = 0; i < l->n_patterns; i++)
		imap_pattern_free(&l->patterns[i]);
	map_free(&l->by_name);
	free(l->entries);
}

static struct entry *entry_of(struct cmd *cmd, struct slice name)
{
	struct list_cmd *l = cmd->state;
	struct entry *e = map_get(l->by_name, name);

	if (e || l->n == MAILBOXES_MAX)
		return e;
	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->entries = realloc(l->entries, l->cap * sizeof(*l->entries));
		bug_if(!l->entries);
	}
	e = ARENA_NEW(cmd->arena, struct entry);
	e->name = arena_dup(cmd->arena, name);
	l->entries[l->n++] = e;
	map_put(l->by_name, e->name, e);
	return e;
}

/* ---- which ones ---- */

static bool matches(const struct list_cmd *l, struct slice name)
{
	for (size_t i = 0; i < l->n_patterns; i++) {
		if (imap_pattern_match(l->patterns[i], name))
			return true;
	}
	return false;
}

static bool selected(const struct list_cmd *l, const struct entry *e)
{
	if (l->lsub || (l->args.select & IMAP_LIST_SUBSCRIBED)) {
		if (!e->info.subscribed)
			return false;
	} else if (!e->info.exists) {
		return false;
	}
	return !(l->args.select & IMAP_LIST_SPECIAL_USE) || e->info.special_use;
}

/* Parents of a selected name that match where it does not: they stand for it. */
static void mark_parents(struct cmd *cmd, struct slice name)
{
	struct list_cmd *l = cmd->state;

	for (size_t i = name.n; i-- > 1;) {
		struct slice parent = slice_sub(name, 0, i);
		if (name.p[i] != '/' || !matches(l, parent))
			continue;
		struct entry *e = entry_of(cmd, parent);
		if (e)
			e->childinfo = true;
	}
}

static void mark_all_parents(struct cmd *cmd)
{
	struct list_cmd *l = cmd->state;
	size_t n = l->n;

	if (!l->lsub && !(l->args.select & IMAP_LIST_RECURSIVEMATCH))
		return;
	for (size_t i = 0; i < n; i++) {
		if (selected(l, l->entries[i]) && !matches(l, l->entries[i]->name))
			mark_parents(cmd, l->entries[i]->name);
	}
}

/* ---- writing ---- */

static void attribute(struct buf *out, const char *name)
{
	if (out->p[out->n - 1] != '(')
		buf_byte(out, ' ');
	buf_str(out, name);
}

static void write_attributes(const struct list_cmd *l, const struct entry *e, struct buf *out)
{
	bool here = selected(l, e);

	if (l->lsub) {
		if (!here)
			attribute(out, "\\Noselect");
		return;
	}
	if (!e->info.exists)
		attribute(out, "\\NonExistent");
	else if (e->info.no_select)
		attribute(out, "\\Noselect");
	attribute(out, e->info.has_children ? "\\HasChildren" : "\\HasNoChildren");
	if (e->info.subscribed && ((l->args.select | l->args.returns) & IMAP_LIST_SUBSCRIBED))
		attribute(out, "\\Subscribed");
	for (unsigned i = 0; imap_special_use_name(i); i++) {
		if (e->info.special_use & 1u << i)
			attribute(out, imap_special_use_name(i));
	}
}

static void write_entry(struct cmd *cmd, struct entry *e, struct buf *out)
{
	struct list_cmd *l = cmd->state;
	bool utf8 = cmd->conn->utf8;

	buf_str(out, l->lsub ? "* LSUB (" : "* LIST (");
	write_attributes(l, e, out);
	buf_str(out, ") \"/\" ");
	imap_name_write(out, e->name, utf8);
	if (e->childinfo && !l->lsub)
		buf_str(out, l->args.select & IMAP_LIST_SUBSCRIBED ? " (CHILDINFO (\"SUBSCRIBED\"))" :
								      " (CHILDINFO (\"SPECIAL-USE\"))");
	buf_str(out, "\r\n");
	if (l->args.status && e->info.exists && !e->info.no_select) {
		e->info.name = (ProtobufCBinaryData){ e->name.n, (uint8_t *)e->name.p };
		status_write(cmd->conn, out, &e->info, l->args.status);
	}
}

static void write_some(struct cmd *cmd)
{
	struct list_cmd *l = cmd->state;
	struct conn *c = cmd->conn;
	struct buf out = BUF_INIT(LINE_MAX_BYTES);

	for (; l->at < l->n; l->at++) {
		struct entry *e = l->entries[l->at];
		if (stream_congested(c->stream)) {
			cmd->on_drained = write_some;
			break;
		}
		if ((!selected(l, e) && !e->childinfo) || !matches(l, e->name))
			continue;
		write_entry(cmd, e, &out);
		if (out.n >= OUT_CHUNK)
			conn_write(c, &out);
	}
	conn_write(c, &out);
	buf_fini(&out);
	if (l->at == l->n)
		cmd_ok(cmd);
}

/* ---- fetching ---- */

static int by_name(const void *pa, const void *pb)
{
	const struct entry *a = *(struct entry *const *)pa, *b = *(struct entry *const *)pb;
	return slice_cmp(a->name, b->name);
}

static void on_page(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd, const char *text);

static void next_page(struct cmd *cmd)
{
	Postern__ListRequest req = POSTERN__LIST_REQUEST__INIT;
	struct list_cmd *l = cmd->state;

	req.after = (ProtobufCBinaryData){ l->after.n, (uint8_t *)l->after.p };
	req.deleted_size = (l->args.status & IMAP_STATUS_DELETED_STORAGE) != 0;
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_LIST, &req.base, -1, on_page);
}

static void on_page(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd UNUSED, const char *text)
{
	const Postern__ListReply *r = (const Postern__ListReply *)msg;
	struct list_cmd *l = cmd->state;

	if (err < 0) {
		cmd_fail(cmd, err, text, N_("The list of mailboxes"), false);
		return;
	}
	for (size_t i = 0; i < r->n_mailboxes; i++) {
		const Postern__MailboxInfo *m = r->mailboxes[i];
		struct entry *e = entry_of(cmd, slice_of(m->name.data, m->name.len));
		if (!e)
			break;
		e->info = *m;
		e->info.name = (ProtobufCBinaryData){ 0 };
		e->known = true;
		l->after = e->name;
	}
	if (r->more && r->n_mailboxes && l->n < MAILBOXES_MAX) {
		next_page(cmd);
		return;
	}
	mark_all_parents(cmd);
	if (l->n)
		qsort(l->entries, l->n, sizeof(*l->entries), by_name);
	write_some(cmd);
}

/* ---- arguments ---- */

static int add_pattern(struct cmd *cmd, struct slice reference, struct slice wire)
{
	struct list_cmd *l = cmd->state;
	struct buf b = BUF_INIT(IMAP_PATTERN_MAX);
	int err = 0;

	buf_slice(&b, reference);
	buf_slice(&b, wire);
	struct slice joined = arena_dup(cmd->arena, buf_view(&b)), utf8;
	if (!buf_ok(&b))
		err = ERR_TOO_BIG;
	else if (imap_name_pattern(cmd->arena, joined, cmd->conn->utf8, &utf8) == 0)
		err = imap_pattern_new(utf8, &l->patterns[l->n_patterns]);
	else
		err = ERR_INVALID;
	buf_fini(&b);
	/* A pattern that no name can match matches nothing. */
	if (err == 0)
		l->n_patterns++;
	return err == ERR_INVALID ? 0 : err;
}

static void begin(struct cmd *cmd)
{
	struct list_cmd *l = cmd->state;

	for (size_t i = 0; i < l->args.n_patterns; i++) {
		if (add_pattern(cmd, l->args.reference, l->args.patterns[i]) < 0) {
			cmd_done(cmd, "NO [LIMIT] The pattern is too long.");
			return;
		}
	}
	l->by_name = map_new();
	next_page(cmd);
}

static struct list_cmd *list_new(struct cmd *cmd, bool lsub)
{
	struct list_cmd *l = ARENA_NEW(cmd->arena, struct list_cmd);

	l->lsub = lsub;
	cmd->state = l;
	arena_on_free(cmd->arena, free_list, l);
	return l;
}

void cmd_list(struct cmd *cmd)
{
	struct list_cmd *l = list_new(cmd, false);

	if (imap_list_args_scan(&cmd->args, &l->args) < 0) {
		cmd_syntax(cmd);
	} else if (!l->args.extended && !l->args.patterns[0].n) {
		/* RFC 3501 6.3.8: an empty pattern asks for the separator and the root. */
		conn_printf(cmd->conn, "* LIST (\\Noselect) \"/\" \"\"\r\n");
		cmd_ok(cmd);
	} else {
		if (l->args.status & IMAP_STATUS_HIGHESTMODSEQ)
			conn_condstore(cmd->conn);
		begin(cmd);
	}
}

void cmd_lsub(struct cmd *cmd)
{
	struct list_cmd *l = list_new(cmd, true);

	if (imap_scan_astring(&cmd->args, &l->args.reference) < 0 || imap_scan_sp(&cmd->args) < 0 ||
	    imap_scan_list_mailbox(&cmd->args, &l->args.patterns[0]) < 0 || !imap_scan_end(&cmd->args)) {
		cmd_syntax(cmd);
		return;
	}
	l->args.n_patterns = 1;
	begin(cmd);
}
