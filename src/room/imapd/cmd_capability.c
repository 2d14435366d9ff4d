/* SPDX-License-Identifier: Apache-2.0 */
/* CAPABILITY (RFC 3501 6.1.1), ENABLE (RFC 5161), ID (RFC 2971), NAMESPACE (RFC 2342): what this server is and can. */
#include "room/imapd/imapd_priv.h"

#include "base/err.h"
#include "base/event.h"

#define BEFORE "IMAP4rev1 SASL-IR LITERAL+ ID ENABLE"

enum { ID_PAIRS_MAX = 30 };

const char *capabilities(const struct conn *c)
{
	if (c->state == CONN_LOGIN)
		return BEFORE " AUTH=PLAIN AUTH=LOGIN";
	return BEFORE " IDLE NAMESPACE UIDPLUS UNSELECT CHILDREN SPECIAL-USE CREATE-SPECIAL-USE "
		      "LIST-EXTENDED LIST-STATUS STATUS=SIZE MOVE ESEARCH WITHIN CONDSTORE "
		      "QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE UTF8=ACCEPT";
}

void cmd_capability(struct cmd *cmd)
{
	conn_printf(cmd->conn, "* CAPABILITY %s\r\n", capabilities(cmd->conn));
	cmd_ok(cmd);
}

/* RFC 5161 3.1: what is not known is passed over. Taken in every state after login, as clients do it. */
void cmd_enable(struct cmd *cmd)
{
	struct conn *c = cmd->conn;
	bool condstore = false, utf8 = false;
	struct slice word;

	do {
		if (imap_scan_atom(&cmd->args, &word) < 0) {
			cmd_syntax(cmd);
			return;
		}
		condstore |= slice_eq_ci(word, SLICE("CONDSTORE"));
		utf8 |= slice_eq_ci(word, SLICE("UTF8=ACCEPT"));
	} while (imap_scan_sp(&cmd->args) == 0);
	if (!imap_scan_end(&cmd->args)) {
		cmd_syntax(cmd);
		return;
	}
	if (condstore)
		conn_condstore(c);
	c->utf8 |= utf8;
	conn_printf(c, "* ENABLED%s%s\r\n", condstore ? " CONDSTORE" : "", utf8 ? " UTF8=ACCEPT" : "");
	cmd_ok(cmd);
}

/* NIL / "(" string SP nstring ... ")" */
static int scan_id(struct imap_scan *s)
{
	struct slice field, value;
	bool nil;

	if (imap_scan_keyword(s, "NIL") == 0)
		return imap_scan_end(s) ? 0 : ERR_SYNTAX;
	if (imap_scan_char(s, '(') < 0)
		return ERR_SYNTAX;
	for (unsigned pairs = 0; imap_scan_char(s, ')') < 0; pairs++) {
		if (pairs == ID_PAIRS_MAX || (pairs && imap_scan_sp(s) < 0) ||
		    imap_scan_string(s, &field) < 0 || imap_scan_sp(s) < 0 ||
		    imap_scan_nstring(s, &value, &nil) < 0)
			return ERR_SYNTAX;
	}
	return imap_scan_end(s) ? 0 : ERR_SYNTAX;
}

void cmd_id(struct cmd *cmd)
{
	if (scan_id(&cmd->args) < 0) {
		cmd_syntax(cmd);
		return;
	}
	conn_printf(cmd->conn, "* ID (\"name\" \"Postern\")\r\n");
	cmd_ok(cmd);
}

void cmd_namespace(struct cmd *cmd)
{
	conn_printf(cmd->conn, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	cmd_ok(cmd);
}
