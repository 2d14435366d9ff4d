/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE (RFC 3501 6.3.3-6.3.7, RFC 6154 3): a name or two, one question to
 * the store, its answer. Names are normalised before they are asked about, so every spelling finds the one mailbox;
 * which names may be made is decided here (THREATS I11, I12).
 */
#include "room/imapd/imapd_priv.h"

#include "base/err.h"
#include "proto/imap/args.h"
#include "proto/imap/name.h"

static ProtobufCBinaryData data_of(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

static void on_answer(struct cmd *cmd, int err, const ProtobufCMessage *msg UNUSED, int fd UNUSED, const char *text)
{
	if (err < 0)
		cmd_fail(cmd, err, text, N_("Mailbox"), false);
	else
		cmd_ok(cmd);
}

/* A trailing separator says that names below will be made (RFC 3501 6.3.3); it is no part of the name. */
static struct slice without_separator(struct slice wire)
{
	return wire.n > 1 && wire.p[wire.n - 1] == '/' ? slice_sub(wire, 0, wire.n - 1) : wire;
}

static bool creatable(struct cmd *cmd, struct slice name)
{
	if (imap_name_creatable(name))
		return true;
	cmd_done(cmd, N_("NO [CANNOT] A mailbox cannot have that name."));
	return false;
}

void cmd_create(struct cmd *cmd)
{
	Postern__CreateRequest req = POSTERN__CREATE_REQUEST__INIT;
	struct imap_create_args a;
	struct slice name;

	if (imap_create_args_scan(&cmd->args, &a) < 0) {
		cmd_syntax(cmd);
		return;
	}
	if (a.unknown_use || (a.special_use & (a.special_use - 1))) {
		cmd_done(cmd, "NO [USEATTR] That special use is not supported.");
		return;
	}
	if (!cmd_mailbox(cmd, without_separator(a.mailbox), &name) || !creatable(cmd, name))
		return;
	req.name = data_of(name);
	req.special_use = a.special_use;
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_CREATE, &req.base, -1, on_answer);
}

/* One mailbox name, and nothing else. false: answered. */
static bool only_name(struct cmd *cmd, struct slice *ret)
{
	struct slice wire;

	if (imap_scan_astring(&cmd->args, &wire) < 0 || !imap_scan_end(&cmd->args)) {
		cmd_syntax(cmd);
		return false;
	}
	return cmd_mailbox(cmd, without_separator(wire), ret);
}

void cmd_delete(struct cmd *cmd)
{
	Postern__NameRequest req = POSTERN__NAME_REQUEST__INIT;
	struct conn *c = cmd->conn;
	struct slice name;

	if (!only_name(cmd, &name))
		return;
	if (slice_eq(name, SLICE("INBOX"))) {
		cmd_done(cmd, N_("NO [CANNOT] INBOX cannot be deleted."));
		return;
	}
	if (c->view && slice_eq(c->view->name, name)) {
		cmd_done(cmd, N_("NO [INUSE] The mailbox is selected; close it first."));
		return;
	}
	req.name = data_of(name);
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_DELETE, &req.base, -1, on_answer);
}

void cmd_rename(struct cmd *cmd)
{
	Postern__RenameRequest req = POSTERN__RENAME_REQUEST__INIT;
	struct slice from_wire, to_wire, from, to;

	if (imap_scan_astring(&cmd->args, &from_wire) < 0 || imap_scan_sp(&cmd->args) < 0 ||
	    imap_scan_astring(&cmd->args, &to_wire) < 0 || !imap_scan_end(&cmd->args)) {
		cmd_syntax(cmd);
		return;
	}
	if (!cmd_mailbox(cmd, without_separator(from_wire), &from) ||
	    !cmd_mailbox(cmd, without_separator(to_wire), &to) || !creatable(cmd, to))
		return;
	req.from = data_of(from);
	req.to = data_of(to);
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_RENAME, &req.base, -1, on_answer);
}

static void subscribe(struct cmd *cmd, bool on)
{
	Postern__SubscribeRequest req = POSTERN__SUBSCRIBE_REQUEST__INIT;
	struct slice name;

	if (!only_name(cmd, &name))
		return;
	req.name = data_of(name);
	req.on = on;
	shard_call(cmd, POSTERN__SESSION_OP__SESSION_SUBSCRIBE, &req.base, -1, on_answer);
}

void cmd_subscribe(struct cmd *cmd)
{
	subscribe(cmd, true);
}

void cmd_unsubscribe(struct cmd *cmd)
{
	subscribe(cmd, false);
}
