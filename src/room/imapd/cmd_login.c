/* SPDX-License-Identifier: Apache-2.0 */
/*
 * LOGIN and AUTHENTICATE (RFC 3501 6.2.2, 6.2.3; RFC 4959 SASL-IR). auth verifies the password and its answer brings
 * the channel of the session; holding that channel is the right to the mailbox. Whatever was wrong, the client
 * reads the same line; only with the right password it may be told why that is not enough. Passwords are wiped here as soon as the question is on its way.
 */
#include "room/imapd/imapd_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "ipc/auth.pb-c.h"
#include "proto/sasl/sasl.h"

enum { AUTH_DEADLINE_MS = 30000, LOGIN_MAX = 320, PASSWORD_MAX = 1024 };

/* One account must not take all places (THREATS I31). Exempt networks are ours, or a webmail's. */
static bool too_many_sessions(const struct conn *c, uint64_t account)
{
	uint64_t n = 0;

	if (conn_limiter_exempt(c->imapd->front.limiter, &c->peer))
		return false;
	list_each(other, &c->imapd->conns, struct conn, node)
		n += other->session && other->account_id == account;
	return n >= conf_u64(c->imapd->room->conf, "imap.max_sessions");
}

static void logged_in(struct cmd *cmd, const Postern__LoginReply *r, int fd)
{
	struct conn *c = cmd->conn;

	c->language = text_language(slice_str(r->language));
	if (too_many_sessions(c, r->account_id)) {
		close(fd);
		ev(EV_INFO, "imap.login.too-many", KI("account", r->account_id), KS("remote", stream_peer(c->stream)));
		cmd_done(cmd, N_("NO [LIMIT] Too many sessions of this account."));
		return;
	}
	c->account_id = r->account_id;
	shard_start(c, fd);
	c->state = CONN_AUTH;
	c->bad = 0;
	c->imapd->n_logins++;
	ev(EV_INFO, "imap.login.accepted", KI("account", r->account_id),
	   KSL("address", slice_of(r->address.data, r->address.len)), KS("remote", stream_peer(c->stream)));
	cmd_done(cmd, "OK [CAPABILITY %s] Logged in.", capabilities(c));
}

static void on_auth(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct cmd *cmd = ctx;
	struct conn *c = cmd->conn;

	c->room_call = NULL;
	if (err == 0 && fd >= 0) {
		logged_in(cmd, (const Postern__LoginReply *)reply, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
	if (err == ERR_CONFLICT) {	/* RFC 5530 3: the password is right, and good for something else only */
		ev(EV_INFO, "imap.login.told", KS("remote", stream_peer(c->stream)));
		cmd_done(cmd, "NO [EXPIRED] %s", text);
		return;
	}
	if (err != ERR_DENIED) {
		ev(EV_WARN, "imap.login.unavailable", KS("reason", err_name(err)));
		cmd_done(cmd, "NO [UNAVAILABLE] Logging in is not possible now, try again later.");
		return;
	}
	ev(EV_INFO, "imap.login.refused", KS("remote", stream_peer(c->stream)));
	if (++c->failed_logins >= FAILED_LOGINS)
		conn_bye(c, "Too many failed logins");
	cmd_done(cmd, "NO [AUTHENTICATIONFAILED] Authentication failed.");
}

static ProtobufCBinaryData data_of(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

static void ask(struct cmd *cmd, struct slice login, struct slice password, struct slice authzid)
{
	struct conn *c = cmd->conn;
	Postern__LoginRequest req = POSTERN__LOGIN_REQUEST__INIT;

	req.login = data_of(login);
	req.password = data_of(password);
	req.authzid = data_of(authzid);
	req.protocol = (char *)"imap";
	req.remote = data_of(slice_str(stream_peer(c->stream)));
	c->room_call = room_call(c->imapd->room, ROLE_AUTH, PEER_ANY, POSTERN__AUTH_OP__AUTH_LOGIN, &req.base, NULL,
				 0, AUTH_DEADLINE_MS, on_auth, cmd);
}

void cmd_login(struct cmd *cmd)
{
	struct slice login, password;

	if (imap_scan_astring(&cmd->args, &login) < 0 || imap_scan_sp(&cmd->args) < 0 ||
	    imap_scan_astring(&cmd->args, &password) < 0 || !imap_scan_end(&cmd->args)) {
		cmd_syntax(cmd);
		return;
	}
	if (login.n > LOGIN_MAX || password.n > PASSWORD_MAX) {
		cmd_done(cmd, "NO [AUTHENTICATIONFAILED] Authentication failed.");
		return;
	}
	ask(cmd, login, password, (struct slice){ 0 });
}

/* ---- AUTHENTICATE ---- */

static void wipe(void *sasl)
{
	sasl_wipe(sasl);
}

static void auth_line(struct cmd *cmd, struct slice line);

static void auth_step(struct cmd *cmd, struct slice line, bool initial)
{
	struct sasl *sasl = cmd->state;
	struct conn *c = cmd->conn;
	struct buf challenge = BUF_INIT(1024);
	int got = sasl_step(sasl, line, initial, &challenge);

	cmd->on_line = NULL;
	if (got == 0) {
		conn_printf(c, "+ %s\r\n", buf_cstr(&challenge));
		cmd->on_line = auth_line;
		imap_reader_next(&c->reader);
		c->reader.raw_line = true;
	} else if (got == 1) {
		ask(cmd, sasl_login(sasl), sasl_password(sasl), sasl_authzid(sasl));
		sasl_wipe(sasl);
	} else if (got == ERR_CLOSED) {
		cmd_done(cmd, "BAD Authentication cancelled.");
	} else {
		cmd_syntax(cmd);
	}
	buf_fini(&challenge);
}

static void auth_line(struct cmd *cmd, struct slice line)
{
	auth_step(cmd, line, false);
}

void cmd_authenticate(struct cmd *cmd)
{
	struct conn *c = cmd->conn;
	struct slice name, initial;
	enum sasl_mechanism mechanism;
	struct sasl *sasl = ARENA_NEW(cmd->arena, struct sasl);

	if (imap_scan_atom(&cmd->args, &name) < 0) {
		cmd_syntax(cmd);
		return;
	}
	if (sasl_mechanism(name, &mechanism) < 0) {
		cmd_done(cmd, "NO [CANNOT] Only PLAIN and LOGIN are offered.");
		return;
	}
	sasl_init(sasl, mechanism);
	cmd->state = sasl;
	arena_on_free(cmd->arena, wipe, sasl);
	if (imap_scan_sp(&cmd->args) == 0) {
		initial = slice_sub(cmd->args.in, cmd->args.at, cmd->args.in.n);
		auth_step(cmd, initial, true);
		return;
	}
	if (!imap_scan_end(&cmd->args)) {
		cmd_syntax(cmd);
		return;
	}
	struct buf challenge = BUF_INIT(1024);
	sasl_begin(sasl, &challenge);
	conn_printf(c, "+ %s\r\n", buf_cstr(&challenge));
	buf_fini(&challenge);
	cmd->on_line = auth_line;
	imap_reader_next(&c->reader);
	c->reader.raw_line = true;
}
