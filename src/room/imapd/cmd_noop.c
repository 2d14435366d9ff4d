/* SPDX-License-Identifier: Apache-2.0 */
/* NOOP, CHECK, LOGOUT (RFC 3501 6.1.2, 6.1.3, 6.4.1). What is new comes with the answer of every command. */
#include "room/imapd/imapd_priv.h"

void cmd_noop(struct cmd *cmd)
{
	cmd_ok(cmd);
}

void cmd_check(struct cmd *cmd)
{
	cmd_ok(cmd);
}

void cmd_logout(struct cmd *cmd)
{
	struct conn *c = cmd->conn;

	conn_printf(c, "* BYE Logging out\r\n");
	select_leave(c);
	c->state = c->state == CONN_SELECTED ? CONN_AUTH : c->state;
	cmd_ok(cmd);
	conn_bye(c, NULL);
}
