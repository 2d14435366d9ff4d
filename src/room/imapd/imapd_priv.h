/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of imapd share. One struct conn a client; at most one struct cmd at work for it; at most one
 * question to another room under way for that. Input waits while a command works (the stream is paused), but
 * for IDLE and AUTHENTICATE, which read lines.
 *
 *   conn.c       bytes in, commands and literals out of the reader; life and death of a connection
 *   command.c    the table of commands; from a command's text to its handler; tagged answers
 *   session.c    questions to the store on the session's channel; its notices
 *   sync.c       EXISTS, EXPUNGE and FETCH that nobody asked for
 *   cmd_*.c      the commands
 */
#ifndef ROOM_IMAPD_IMAPD_PRIV_H
#define ROOM_IMAPD_IMAPD_PRIV_H

#include "base/arena.h"
#include "base/list.h"
#include "base/text.h"
#include "ipc/session.pb-c.h"
#include "lib/io/stream.h"
#include "lib/room/front.h"
#include "proto/imap/reader.h"
#include "proto/imap/scan.h"
#include "room/imapd/view.h"

enum {
	TAG_MAX = 64,
	BAD_BEFORE_LOGIN = 3,		/* commands that are none, then BYE */
	BAD_AFTER_LOGIN = 20,
	FAILED_LOGINS = 5,
	OUT_CHUNK = 32768,		/* answers are gathered up to this before they go to the stream */
	UID_RANGES_MAX = 8000,		/* in one question to the store: fits a frame */
	CALL_DEADLINE_MS = 300000,
	APPENDING_MAX = 1 << 30,	/* bytes of messages that are being appended, all clients together */
};

struct imapd {
	struct room *room;
	struct front front;
	struct list conns;
	size_t n_sessions, n_idle;
	uint64_t n_logins, n_commands;
	uint64_t appending;		/* bytes */
	uv_timer_t tick;
	struct list slicing;		/* conns whose command works in slices */
	uv_idle_t slices;
};

enum conn_state {
	CONN_LOGIN = 1,
	CONN_AUTH = 2,
	CONN_SELECTED = 4,
	CONN_OVER = 8,
};

struct cmd;
struct append;

typedef void shard_fn(struct cmd *cmd, int err, const ProtobufCMessage *reply, int fd, const char *text);

struct conn {
	struct list node;
	struct imapd *imapd;
	struct stream *stream;
	struct sockaddr_storage peer;
	struct imap_reader reader;
	enum conn_state state;
	bool utf8;		/* ENABLE UTF8=ACCEPT */
	bool condstore;		/* the client knows MODSEQ (RFC 7162 3.1) */
	bool fresh;		/* no command was read yet */
	unsigned bad, failed_logins;
	int64_t told_ms;	/* when something was last written while it idles */

	struct cmd *cmd;
	struct list slicing;
	bool (*slice)(struct cmd *cmd);
	struct append *append;	/* APPEND whose literal is on its way */

	const char *language;	/* of who is logged in; NULL: English */
	struct ipc_chan *session;
	uint64_t call_id;	/* a question to the store that is under way, 0 none */
	shard_fn *call_fn;
	struct peer_call *room_call;
	uint64_t account_id;
	struct view *view;	/* while CONN_SELECTED */
};

struct cmd_def {
	const char *verb;
	void (*run)(struct cmd *cmd);	/* ends in cmd_done, now or later */
	unsigned states;
	unsigned flags;
};
enum {
	CMD_UID = 1,		/* may stand behind UID */
	CMD_ARGS = 2,		/* has arguments: a space follows the verb */
	CMD_MAY_ARGS = 4,
	CMD_KEEP_NUMBERS = 8,	/* no EXPUNGE in its answer unless it stands behind UID (RFC 3501 7.4.1) */
};

struct cmd {
	struct conn *conn;
	struct arena *arena;	/* until cmd_done */
	const struct cmd_def *def;
	bool uid;
	bool running;		/* inside run */
	bool done;
	struct imap_scan args;	/* behind the verb and its space */
	void *state;		/* the command's own, in the arena */
	char tag[TAG_MAX + 1];
	Postern__UidRange *ranges, **range_list;	/* of shard_ranges */
	size_t ranges_cap;
	void (*on_line)(struct cmd *cmd, struct slice line);	/* reads lines: IDLE, AUTHENTICATE */
	void (*on_drained)(struct cmd *cmd);			/* waits for the client to read */
	void (*on_change)(struct cmd *cmd);			/* wants to know of the store's notices: IDLE */
};

/* conn.c */
void imapd_accept(struct imapd *imapd, int fd, const struct sockaddr_storage *peer);
void conn_write(struct conn *conn, struct buf *b);	/* sends and empties it */
/* The client showed that it knows MODSEQ (RFC 7162 3.1). The first time, with a mailbox selected, it is told the
 * mailbox's HIGHESTMODSEQ, from which it can count. */
void conn_condstore(struct conn *conn);
void conn_printf(struct conn *conn, const char *fmt, ...) PRINTF_FMT(2, 3);
void conn_bye(struct conn *conn, const char *text);	/* "* BYE text", then the end */
void conn_bad_command(struct conn *conn);		/* counts it; BYE past the limit */
void conn_resume(struct conn *conn);			/* a command is over: read on */
void conn_deadline(struct conn *conn);

/* imapd.c */
void imapd_maybe_exit(struct imapd *imapd);		/* once stopping and nobody is left */

/* command.c */
void command_run(struct conn *conn);			/* the reader holds a whole command */
void command_refused(struct conn *conn);		/* the reader refused one */
bool command_tag(struct slice text, char ret[TAG_MAX + 1]);
struct slice command_verb(struct slice text);		/* the word behind the tag; empty where there is none */
struct cmd *cmd_new(struct conn *conn, const struct cmd_def *def, const char *tag);
const struct cmd_def *cmd_def_by_name(struct slice verb);
void cmd_free(struct conn *conn);			/* of a connection that ends */

/* The command's answer: what is new in the mailbox, then "tag status". Frees the command. */
void cmd_done(struct cmd *cmd, const char *fmt, ...) PRINTF_FMT(2, 3);	/* "OK FETCH completed" */
/* Work that is long: slice is called again and again, one command's in a turn of the loop, until it returns false. It may end the
 * command then. */
void cmd_slices(struct cmd *cmd, bool (*slice)(struct cmd *cmd));
void cmd_over(struct cmd *cmd);				/* frees it: the answer was written already */
void cmd_ok(struct cmd *cmd);				/* "OK VERB completed" */
void cmd_syntax(struct cmd *cmd);			/* BAD, and counts as one */
/* NO for an error of the store; what names the thing in the client's words: "Mailbox". create: [TRYCREATE]. */
void cmd_fail(struct cmd *cmd, int err, const char *text, const char *what, bool create);

/* session.c */
void shard_start(struct conn *conn, int fd);
void shard_call(struct cmd *cmd, uint16_t op, const ProtobufCMessage *req, int fd, shard_fn *fn);
void shard_end(struct conn *conn);
/* A set of numbers or UIDs of the client, as uids; false: answered already. */
bool cmd_uids(struct cmd *cmd, struct slice set, struct imap_seqset *ret);
/* A mailbox name of the client; false: answered with NO already. */
bool cmd_mailbox(struct cmd *cmd, struct slice wire, struct slice *ret_name);
/* Up to UID_RANGES_MAX ranges of set, from uid `from` on; how many. Valid until the next call. */
size_t shard_ranges(struct cmd *cmd, const struct imap_seqset *set, uint32_t from,
		      Postern__UidRange ***ret);

/* sync.c */
void sync_write(struct conn *conn, bool expunge);
void sync_flags(struct conn *conn, struct buf *out);	/* FLAGS and PERMANENTFLAGS of the mailbox */
void sync_put_flags(const struct view *v, const struct view_msg *m, struct buf *out);	/* "FLAGS (...)" */

/* cmd_append.c: the message of an APPEND arrives before the command is whole. */
void append_literal(struct conn *conn);			/* the reader asks about a literal */
void append_data(struct conn *conn, struct slice data);
void append_free(struct append **a);

const char *capabilities(const struct conn *conn);

void cmd_append(struct cmd *cmd);
void cmd_authenticate(struct cmd *cmd);
void cmd_capability(struct cmd *cmd);
void cmd_check(struct cmd *cmd);
void cmd_close(struct cmd *cmd);
void cmd_copy(struct cmd *cmd);
void cmd_create(struct cmd *cmd);
void cmd_delete(struct cmd *cmd);
void cmd_enable(struct cmd *cmd);
void cmd_expunge(struct cmd *cmd);
void cmd_fetch(struct cmd *cmd);
void cmd_getquota(struct cmd *cmd);
void cmd_getquotaroot(struct cmd *cmd);
void cmd_id(struct cmd *cmd);
void cmd_idle(struct cmd *cmd);
void cmd_list(struct cmd *cmd);
void cmd_login(struct cmd *cmd);
void cmd_logout(struct cmd *cmd);
void cmd_lsub(struct cmd *cmd);
void cmd_move(struct cmd *cmd);
void cmd_namespace(struct cmd *cmd);
void cmd_noop(struct cmd *cmd);
void cmd_rename(struct cmd *cmd);
void cmd_search(struct cmd *cmd);
void cmd_select(struct cmd *cmd);
void cmd_examine(struct cmd *cmd);
void cmd_setquota(struct cmd *cmd);
void cmd_status(struct cmd *cmd);
void cmd_store(struct cmd *cmd);
void cmd_subscribe(struct cmd *cmd);
void cmd_unselect(struct cmd *cmd);
void cmd_unsubscribe(struct cmd *cmd);

/* Used by more than one command. */
void status_write(struct conn *conn, struct buf *out, const Postern__MailboxInfo *m, unsigned items);
void select_leave(struct conn *conn);			/* no mailbox is selected any more; says nothing */

#endif
