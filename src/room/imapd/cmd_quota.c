/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208, and RFC 2087 before it). The root "" is the account; where it shares its
 * customer's storage with other accounts, the root "pool" says what of that is used by all of them. What has no limit has
 * no root: a list of resources is never empty (9208 8), and a use without a limit has no place in it.
 */
#include "room/imapd/imapd_priv.h"

#include "base/err.h"
#include "proto/imap/name.h"

struct quota {
	bool root;		/* GETQUOTAROOT */
	bool pool;		/* GETQUOTA "pool" */
	struct slice mailbox;
};

static void write_pool(struct conn *c, const Postern__SessionInfo *i)
{
	conn_printf(c, "* QUOTA \"pool\" (STORAGE %llu %llu)\r\n", (unsigned long long)(i->pool_used + 1023) / 1024,
		    (unsigned long long)i->pool_bytes / 1024);
}

static void write_quota(struct conn *c, const Postern__SessionInfo *i)
{
	unsigned long long used = (unsigned long long)(i->used_bytes + 1023) / 1024;
	unsigned long long limit = (unsigned long long)i->quota_bytes / 1024;
	char storage[80] = "", messages[80] = "";

	if (i->quota_bytes)
		snprintf(storage, sizeof(storage), "STORAGE %llu %llu", used, limit);
	if (i->quota_messages)
		snprintf(messages, sizeof(messages), "%sMESSAGE %llu %llu", *storage ? " " : "",
			 (unsigned long long)i->used_messages, (unsigned long long)i->quota_messages);
	conn_printf(c, "* QUOTA \"\" (%s%s)\r\n", storage, messages);
}

static bool has_own(const Postern__SessionInfo *i)
{
	return i->quota_bytes || i->quota_messages;
}

static void no_root(struct cmd *cmd)
{
	cmd_done(cmd, "NO [NONEXISTENT] There is no such quota root.");
}

static void on_info(struct cmd *cmd, int err, const ProtobufCMessage *msg, int fd UNUSED, const char *text)
{
	const struct quota *q = cmd->state;
	const Postern__SessionInfo *i = (const Postern__SessionInfo *)msg;
	struct buf out = BUF_INIT(1 << 16);

	if (err < 0) {
		cmd_fail(cmd, err, text, N_("Quota"), false);
		return;
	}
	if (q->root) {
		buf_str(&out, "* QUOTAROOT ");
		imap_name_write(&out, q->mailbox, cmd->conn->utf8);
		buf_printf(&out, "%s%s\r\n", has_own(i) ? " \"\"" : "", i->pool_bytes ? " \"pool\"" : "");
		conn_write(cmd->conn, &out);
	}
	buf_fini(&out);
	if (!q->root && !(q->pool ? i->pool_bytes : has_own(i))) {
		no_root(cmd);
		return;
	}
	if (!q->pool && has_own(i))
		write_quota(cmd->conn, i);
	if (i->pool_bytes && (q->root || q->pool))
		write_pool(cmd->conn, i);
	cmd_ok(cmd);
}

static void ask_info(struct cmd *cmd)
{
	Postern__SessionNothing req = POSTERN__SESSION_NOTHING__INIT;
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_INFO, &req.base, -1, on_info);
}

static void on_exists(struct cmd *cmd, int err, const ProtobufCMessage *msg UNUSED, int fd UNUSED, const char *text)
{
	if (err < 0)
		cmd_fail(cmd, err, text, N_("Mailbox"), false);
	else
		ask_info(cmd);
}

void cmd_getquota(struct cmd *cmd)
{
	struct slice root;

	if (imap_scan_astring(&cmd->args, &root) < 0 || !imap_scan_end(&cmd->args)) {
		cmd_syntax(cmd);
		return;
	}
	if (root.n && !slice_eq(root, SLICE("pool"))) {
		no_root(cmd);
		return;
	}
	struct quota *q = ARENA_NEW(cmd->arena, struct quota);
	q->pool = root.n;
	cmd->state = q;
	ask_info(cmd);
}

void cmd_getquotaroot(struct cmd *cmd)
{
	Postern__NameRequest req = POSTERN__NAME_REQUEST__INIT;
	struct quota *q = ARENA_NEW(cmd->arena, struct quota);
	struct slice wire;

	if (imap_scan_astring(&cmd->args, &wire) < 0 || !imap_scan_end(&cmd->args)) {
		cmd_syntax(cmd);
		return;
	}
	if (!cmd_mailbox(cmd, wire, &q->mailbox))
		return;
	q->root = true;
	cmd->state = q;
	req.name = (ProtobufCBinaryData){ q->mailbox.n, (uint8_t *)q->mailbox.p };
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_STATUS, &req.base, -1, on_exists);
}

void cmd_setquota(struct cmd *cmd)
{
	cmd_done(cmd, N_("NO [NOPERM] Limits are set by the provider."));
}
