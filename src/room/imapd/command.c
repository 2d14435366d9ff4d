/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the text of a command to its handler, and from there to the tagged answer. A handler may finish at once or
 * later; it is given an arena that lives until cmd_done. What a client sees of an error is made here alone,
 * from the error's number; the store's own words go in only where they are for people (Failure.text).
 *
 * The tag is the only input that an answer repeats; before login it is taken from a narrow alphabet (I22).
 */
#include "room/imapd/imapd_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "proto/imap/name.h"
#include "proto/imap/write.h"

#include <stdarg.h>

enum { ANY = CONN_LOGIN | CONN_AUTH | CONN_SELECTED, USER = CONN_AUTH | CONN_SELECTED, BOX = CONN_SELECTED };

enum { IMAP_STATUS_MAX = 512 };

static const struct cmd_def defs[] = {
	{ "APPEND", cmd_append, USER, CMD_ARGS },
	{ "AUTHENTICATE", cmd_authenticate, CONN_LOGIN, CMD_ARGS },
	{ "CAPABILITY", cmd_capability, ANY, 0 },
	{ "CHECK", cmd_check, BOX, 0 },
	{ "CLOSE", cmd_close, BOX, 0 },
	{ "COPY", cmd_copy, BOX, CMD_ARGS | CMD_UID },
	{ "CREATE", cmd_create, USER, CMD_ARGS },
	{ "DELETE", cmd_delete, USER, CMD_ARGS },
	{ "ENABLE", cmd_enable, USER, CMD_ARGS },
	{ "EXAMINE", cmd_examine, USER, CMD_ARGS },
	{ "EXPUNGE", cmd_expunge, BOX, CMD_MAY_ARGS | CMD_UID },
	{ "FETCH", cmd_fetch, BOX, CMD_ARGS | CMD_UID | CMD_KEEP_NUMBERS },
	{ "GETQUOTA", cmd_getquota, USER, CMD_ARGS },
	{ "GETQUOTAROOT", cmd_getquotaroot, USER, CMD_ARGS },
	{ "ID", cmd_id, ANY, CMD_ARGS },
	{ "IDLE", cmd_idle, USER, 0 },
	{ "LIST", cmd_list, USER, CMD_ARGS },
	{ "LOGIN", cmd_login, CONN_LOGIN, CMD_ARGS },
	{ "LOGOUT", cmd_logout, ANY, 0 },
	{ "LSUB", cmd_lsub, USER, CMD_ARGS },
	{ "MOVE", cmd_move, BOX, CMD_ARGS | CMD_UID },
	{ "NAMESPACE", cmd_namespace, USER, 0 },
	{ "NOOP", cmd_noop, ANY, 0 },
	{ "RENAME", cmd_rename, USER, CMD_ARGS },
	{ "SEARCH", cmd_search, BOX, CMD_ARGS | CMD_UID | CMD_KEEP_NUMBERS },
	{ "SELECT", cmd_select, USER, CMD_ARGS },
	{ "SETQUOTA", cmd_setquota, USER, CMD_ARGS },
	{ "STATUS", cmd_status, USER, CMD_ARGS },
	{ "STORE", cmd_store, BOX, CMD_ARGS | CMD_UID | CMD_KEEP_NUMBERS },
	{ "SUBSCRIBE", cmd_subscribe, USER, CMD_ARGS },
	{ "UNSELECT", cmd_unselect, BOX, 0 },
	{ "UNSUBSCRIBE", cmd_unsubscribe, USER, CMD_ARGS },
};

const struct cmd_def *cmd_def_by_name(struct slice verb)
{
	for (size_t i = 0; i < ARRAY_SIZE(defs); i++) {
		if (slice_eq_ci(verb, slice_str(defs[i].verb)))
			return &defs[i];
	}
	return NULL;
}

/* ---- reading ---- */

bool command_tag(struct slice text, char ret[TAG_MAX + 1])
{
	struct imap_scan s = { .in = text };
	struct slice tag;

	if (imap_scan_tag(&s, &tag) < 0 || tag.n > TAG_MAX)
		return false;
	memcpy(ret, tag.p, tag.n);
	ret[tag.n] = '\0';
	return true;
}

struct slice command_verb(struct slice text)
{
	struct imap_scan s = { .in = text };
	struct slice tag, verb;

	if (imap_scan_tag(&s, &tag) < 0 || imap_scan_sp(&s) < 0 || imap_scan_word(&s, &verb) < 0)
		return (struct slice){ 0 };
	return verb;
}

static bool plain_tag(const char *tag)
{
	for (; *tag; tag++) {
		if (!ascii_is_alpha((uint8_t)*tag) && !ascii_is_digit((uint8_t)*tag) && !strchr(".-_$#:@", *tag))
			return false;
	}
	return true;
}

struct cmd *cmd_new(struct conn *conn, const struct cmd_def *def, const char *tag)
{
	struct arena *arena = arena_new();
	struct cmd *cmd = ARENA_NEW(arena, struct cmd);

	bug_if(conn->cmd);
	cmd->arena = arena;
	cmd->conn = conn;
	cmd->def = def;
	memcpy(cmd->tag, tag, strlen(tag) + 1);
	conn->cmd = cmd;
	return cmd;
}

static void command_bad(struct conn *c, const char *tag, const char *text)
{
	conn_printf(c, "%s BAD %s\r\n", tag, text);
	conn_bad_command(c);
	conn_resume(c);
}

/* NULL, or why this command may not run now. */
static const char *refuse(const struct conn *c, const struct cmd_def *def, const struct imap_scan *s)
{
	if (!def)
		return "Unknown command";
	if (!(def->states & c->state)) {
		if (c->state == CONN_LOGIN)
			return "Log in first";
		return def->states == CONN_LOGIN ? "Already logged in" : "Select a mailbox first";
	}
	bool end = imap_scan_end(s);
	if (end ? (def->flags & CMD_ARGS) != 0 : !(def->flags & (CMD_ARGS | CMD_MAY_ARGS)))
		return end ? "Arguments missing" : "No arguments expected";
	return NULL;
}

/* Behind the tag: verb, perhaps behind UID, up to its arguments. */
static const struct cmd_def *scan_verb(struct imap_scan *s, bool *ret_uid)
{
	struct slice verb;
	const struct cmd_def *def;

	if (imap_scan_word(s, &verb) < 0)
		return NULL;
	*ret_uid = slice_eq_ci(verb, SLICE("UID"));
	if (*ret_uid && (imap_scan_sp(s) < 0 || imap_scan_word(s, &verb) < 0))
		return NULL;
	def = cmd_def_by_name(verb);
	if (!def || (*ret_uid && !(def->flags & CMD_UID)))
		return NULL;
	if (!imap_scan_end(s) && imap_scan_sp(s) < 0)
		return NULL;
	return def;
}

void command_run(struct conn *c)
{
	struct imap_scan s = { .in = buf_view(&c->reader.text), .utf8 = c->utf8 };
	char tag[TAG_MAX + 1];
	bool uid = false;

	if (!command_tag(s.in, tag) || (c->state == CONN_LOGIN && !plain_tag(tag))) {
		command_bad(c, "*", "No valid tag");
		return;
	}
	s.at = strlen(tag);
	if (imap_scan_sp(&s) < 0) {
		command_bad(c, tag, "No command");
		return;
	}
	const struct cmd_def *def = scan_verb(&s, &uid);
	const char *why = refuse(c, def, &s);
	if (why) {
		append_free(&c->append);
		command_bad(c, tag, why);
		return;
	}
	c->imapd->n_commands++;
	struct cmd *cmd = cmd_new(c, def, tag);
	cmd->uid = uid;
	cmd->args = s;
	cmd->args.arena = cmd->arena;
	cmd->running = true;
	def->run(cmd);
	/* Done inside run: its memory goes now, when nobody looks at it any more. */
	cmd->running = false;
	if (cmd->done)
		arena_free(&(struct arena *){ cmd->arena });
}

void command_refused(struct conn *c)
{
	char tag[TAG_MAX + 1];
	bool tagged = command_tag(buf_view(&c->reader.text), tag);
	const char *what = c->reader.too_big ? "NO [TOOBIG]" : "BAD";

	if (c->cmd) {
		/* A line of AUTHENTICATE or IDLE. */
		conn_bye(c, "Line too long");
		return;
	}
	if (!tagged || (c->state == CONN_LOGIN && !plain_tag(tag)))
		conn_printf(c, "* BAD %s\r\n", c->reader.reason);
	else
		conn_printf(c, "%s %s %s\r\n", tag, c->state == CONN_LOGIN ? "BAD" : what, c->reader.reason);
	conn_bad_command(c);
	conn_resume(c);
}

/* ---- answering ---- */

void cmd_over(struct cmd *cmd)
{
	struct conn *c = cmd->conn;

	list_remove(&c->slicing);
	c->cmd = NULL;
	cmd->done = true;
	if (!cmd->running) {
		struct arena *arena = cmd->arena;
		arena_free(&arena);
	}
	conn_resume(c);
}

void cmd_free(struct conn *c)
{
	struct cmd *cmd = c->cmd;

	if (!cmd)
		return;
	list_remove(&c->slicing);
	c->cmd = NULL;
	room_call_cancel(&c->room_call);
	if (c->call_id && c->session)
		ipc_cancel(c->session, c->call_id);
	c->call_id = 0;
	cmd->done = true;
	if (!cmd->running) {
		struct arena *arena = cmd->arena;
		arena_free(&arena);
	}
}

void cmd_done(struct cmd *cmd, const char *fmt, ...)
{
	struct conn *c = cmd->conn;
	struct buf ascii = BUF_INIT(2 * IMAP_STATUS_MAX);
	char status[IMAP_STATUS_MAX];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(status, sizeof(status), text_in(c->language, fmt), ap);
	va_end(ap);
	bug_if(n < 0 || (size_t)n >= sizeof(status));
	text_ascii(status, &ascii);
	if (c->state == CONN_SELECTED)
		sync_write(c, cmd->uid || !(cmd->def->flags & CMD_KEEP_NUMBERS));
	conn_printf(c, "%s %s\r\n", cmd->tag, buf_cstr(&ascii));
	buf_fini(&ascii);
	cmd_over(cmd);
}

void cmd_ok(struct cmd *cmd)
{
	cmd_done(cmd, "OK %s%s completed.", cmd->uid ? "UID " : "", cmd->def->verb);
}

void cmd_syntax(struct cmd *cmd)
{
	struct conn *c = cmd->conn;

	conn_bad_command(c);
	if (c->state == CONN_OVER)
		cmd_over(cmd);
	else
		cmd_done(cmd, "BAD Syntax error in the arguments of %s.", cmd->def->verb);
}

static const char *no_code(int err, bool create)
{
	switch (err) {
	case ERR_NOT_FOUND:
		return create ? "TRYCREATE" : "NONEXISTENT";
	case ERR_EXISTS:
		return "ALREADYEXISTS";
	case ERR_QUOTA:
		return "OVERQUOTA";
	case ERR_DENIED:
		return "NOPERM";
	case ERR_INVALID:
	case ERR_UNSUPPORTED:
		return "CANNOT";
	case ERR_CONFLICT:
		return "INUSE";
	case ERR_TOO_BIG:
		return "LIMIT";
	case ERR_CORRUPT:
		return "CORRUPTION";
	default:
		return "UNAVAILABLE";
	}
}

static const char *no_text(int err)
{
	switch (err) {
	case ERR_NOT_FOUND:
		return N_("does not exist");
	case ERR_EXISTS:
		return N_("already exists");
	case ERR_QUOTA:
		return N_("would pass the storage limit");
	case ERR_DENIED:
		return N_("may not be used so");
	case ERR_INVALID:
	case ERR_UNSUPPORTED:
		return N_("cannot be that");
	case ERR_CONFLICT:
		return N_("is in use");
	case ERR_TOO_BIG:
		return N_("is too large");
	case ERR_CORRUPT:
		return N_("is damaged on disk");
	case ERR_FULL:
		return N_("has no room now, try again later");
	default:
		return N_("is not available now, try again later");
	}
}

void cmd_fail(struct cmd *cmd, int err, const char *text, const char *what, bool create)
{
	struct buf b = BUF_INIT(400);

	if (text && *text) {
		imap_put_text(&b, slice_str(text_in(cmd->conn->language, text)));
		cmd_done(cmd, "NO [%s] %.300s", no_code(err, create), buf_cstr(&b));
	} else {
		cmd_done(cmd, "NO [%s] %s %s.", no_code(err, create), text_in(cmd->conn->language, what),
			 text_in(cmd->conn->language, no_text(err)));
	}
	buf_fini(&b);
}

bool cmd_mailbox(struct cmd *cmd, struct slice wire, struct slice *ret_name)
{
	if (imap_name_read(cmd->arena, wire, cmd->conn->utf8, ret_name) == 0)
		return true;
	cmd_done(cmd, N_("NO [CANNOT] That is no mailbox name."));
	return false;
}

bool cmd_uids(struct cmd *cmd, struct slice set, struct imap_seqset *ret)
{
	int err = view_uids(cmd->conn->view, set, cmd->uid, ret);

	if (err == 0)
		return true;
	if (err == ERR_SYNTAX)
		cmd_syntax(cmd);
	else if (err == ERR_TOO_BIG)
		cmd_done(cmd, N_("NO [LIMIT] Too many ranges of messages at once."));
	else
		cmd_done(cmd, "BAD There is no message of that number.");
	return false;
}
