/* SPDX-License-Identifier: Apache-2.0 */
/*
 * APPEND (RFC 3501 6.3.11, RFC 4315 APPENDUID, RFC 6855 4). The message goes from the wire straight into a memfd, so
 * memory does not grow with it; filter makes its digest, the store commits it, and only then is OK written.
 *
 *   literal announced -> append_literal: arguments are read, size and state decide whether it may come
 *   its bytes         -> append_data: memfd
 *   line ends         -> cmd_append: seal, FILTER_JUDGE, SESSION_APPEND
 */
#include "room/imapd/imapd_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/rng.h"
#include "ipc/filter.pb-c.h"
#include "lib/ipc/memfd.h"
#include "proto/imap/args.h"
#include "proto/imap/name.h"

enum { JUDGE_DEADLINE_MS = 120000 };

struct append {
	struct imapd *imapd;
	struct arena *arena;
	struct imap_append_args args;
	int fd;
	uint64_t size;
	size_t text_n;		/* of the command up to and with the literal's CRLF */
	int err;		/* of writing the memfd: told when the command is whole */
};

void append_free(struct append **ap)
{
	if (!*ap)
		return;
	struct append *a = TAKE(*ap);
	if (a->fd >= 0)
		close(a->fd);
	a->imapd->appending -= a->size;
	arena_free(&a->arena);
	free(a);
}

/* The message's literal: 1 and *ret; 0 another literal; ERR_SYNTAX, ERR_DENIED (not now). */
static int scan_command(struct conn *c, struct append *a)
{
	struct slice text = buf_view(&c->reader.text), verb = command_verb(text);
	char tag[TAG_MAX + 1];

	if (!slice_eq_ci(verb, SLICE("APPEND")) || !command_tag(text, tag))
		return 0;
	if (!(c->state & (CONN_AUTH | CONN_SELECTED)))
		return ERR_DENIED;
	text = arena_dup(a->arena, text);
	struct imap_scan s = { .in = text, .at = strlen(tag) + 1 + verb.n, .arena = a->arena, .utf8 = c->utf8 };
	if (imap_scan_sp(&s) < 0)
		return ERR_SYNTAX;
	return imap_append_args_scan(&s, &a->args);
}

static void invite(struct conn *c, bool wanted)
{
	if (wanted)
		conn_printf(c, "+ OK\r\n");
}

static void begin(struct conn *c, struct append *a)
{
	uint64_t size = c->reader.literal_size;

	if (size > conf_u64(c->imapd->room->conf, "smtp.max_size")) {
		imap_reader_refuse(&c->reader, "Message too large", true);
	} else if (size > APPENDING_MAX - c->imapd->appending) {
		imap_reader_refuse(&c->reader, "Too much mail is being appended just now, try again later", true);
	} else {
		a->size = size;
		c->imapd->appending += size;
		a->err = memfd_new("append", &a->fd);
		a->text_n = c->reader.text.n + 2;
		c->append = a;
		invite(c, imap_reader_stream(&c->reader));
		return;
	}
	append_free(&a);
}

void append_literal(struct conn *c)
{
	if (c->append) {
		imap_reader_refuse(&c->reader, "One message at a time", false);
		return;
	}
	struct append *a = calloc(1, sizeof(*a));
	bug_if(!a);
	a->imapd = c->imapd;
	a->arena = arena_new();
	a->fd = -1;
	int what = scan_command(c, a);
	if (what == 1) {
		begin(c, a);
		return;
	}
	append_free(&a);
	if (what == 0)
		invite(c, imap_reader_take(&c->reader));
	else
		imap_reader_refuse(&c->reader, what == ERR_DENIED ? "Log in first" : "Syntax error in the arguments of APPEND",
				   false);
}

void append_data(struct conn *c, struct slice data)
{
	if (c->append && c->append->err == 0)
		c->append->err = memfd_write(c->append->fd, data);
}

/* ---- the command is whole ---- */

static void free_append(void *ctx)
{
	struct append *a = ctx;
	append_free(&a);
}

static void on_appended(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd UNUSED, const char *text)
{
	const Postern__AppendReply *r = (const Postern__AppendReply *)msg;

	if (err < 0)
		cmd_fail(cmd, err, text, N_("Mailbox"), true);
	else
		cmd_done(cmd, "OK [APPENDUID %u %u] APPEND completed.", r->uidvalidity, r->uid);
}

static void put(struct cmd *cmd, ProtobufCBinaryData digest)
{
	Postern__AppendRequest req = POSTERN__APPEND_REQUEST__INIT;
	struct append *a = cmd->state;
	ProtobufCBinaryData keywords[IMAP_KEYWORDS_MAX];
	struct slice name;
	uint8_t id[16];

	if (!cmd_mailbox(cmd, a->args.mailbox, &name))
		return;
	rng_bytes(id, sizeof(id));
	req.mailbox = (ProtobufCBinaryData){ name.n, (uint8_t *)name.p };
	req.flags = a->args.flags.flags;
	for (size_t i = 0; i < a->args.flags.n_keywords; i++) {
		struct slice k = a->args.flags.keywords[i];
		keywords[i] = (ProtobufCBinaryData){ k.n, (uint8_t *)k.p };
	}
	req.keywords = keywords;
	req.n_keywords = a->args.flags.n_keywords;
	req.internal_date_ms = a->args.has_date ? clock_given(a->args.date_ms) : 0;
	req.digest = digest;
	req.operation_id = (ProtobufCBinaryData){ sizeof(id), id };
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_APPEND, &req.base, a->fd, on_appended);
}

static void on_judged(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text UNUSED)
{
	struct cmd *cmd = ctx;

	cmd->conn->room_call = NULL;
	if (fd >= 0)
		close(fd);
	if (err < 0) {
		ev(EV_WARN, "imap.append.unavailable", KS("reason", err_name(err)));
		cmd_fail(cmd, ERR_UNAVAILABLE, NULL, N_("The filter"), false);
		return;
	}
	put(cmd, ((const Postern__JudgeReply *)reply)->digest);
}

static void judge(struct cmd *cmd)
{
	Postern__JudgeRequest req = POSTERN__JUDGE_REQUEST__INIT;
	struct append *a = cmd->state;
	struct conn *c = cmd->conn;

	req.origin = (char *)"append";
	c->room_call = room_call(c->imapd->room, ROLE_FILTER, PEER_ANY, POSTERN__FILTER_OP__FILTER_JUDGE, &req.base,
				 &a->fd, 1, JUDGE_DEADLINE_MS, on_judged, cmd);
}

void cmd_append(struct cmd *cmd)
{
	struct conn *c = cmd->conn;
	struct append *a = TAKE(c->append);

	if (!a) {
		cmd_syntax(cmd);
		return;
	}
	arena_on_free(cmd->arena, free_append, a);
	cmd->state = a;
	struct slice rest = slice_sub(cmd->args.in, a->text_n, cmd->args.in.n);
	if (!slice_eq(rest, a->args.utf8 ? SLICE(")") : SLICE(""))) {
		cmd_syntax(cmd);
	} else if (!a->size) {
		cmd_done(cmd, N_("NO [CANNOT] A message cannot be empty."));
	} else if (a->err < 0 || (a->err = memfd_seal(a->fd)) < 0) {
		ev(EV_ERROR, "imap.append.failed", KS("reason", err_name(a->err)));
		cmd_fail(cmd, ERR_UNAVAILABLE, NULL, N_("Room for the message"), false);
	} else {
		judge(cmd);
	}
}
