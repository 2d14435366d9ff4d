/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IDLE (RFC 2177): the store's notices go to the client as they come, until it says DONE. A client that reads slowly
 * is told when it has caught up; meanwhile changes are joined in the view, so nothing piles up (I16).
 */
#include "room/imapd/imapd_priv.h"

#include "base/clock.h"

static void tell(struct cmd *cmd)
{
	struct conn *c = cmd->conn;

	if (stream_congested(c->stream)) {
		cmd->on_drained = tell;
		return;
	}
	if (c->view) {
		sync_write(c, true);
		c->told_ms = clock_mono_ms();
	}
}

static void on_line(struct cmd *cmd, struct slice line)
{
	struct conn *c = cmd->conn;

	c->imapd->n_idle--;
	cmd->on_change = NULL;
	if (slice_eq_ci(line, SLICE("DONE")))
		cmd_done(cmd, "OK IDLE terminated.");
	else
		cmd_syntax(cmd);
}

static void on_free(void *ctx)
{
	struct cmd *cmd = ctx;

	if (cmd->on_change)
		cmd->conn->imapd->n_idle--;
}

void cmd_idle(struct cmd *cmd)
{
	struct conn *c = cmd->conn;

	conn_printf(c, "+ idling\r\n");
	c->told_ms = clock_mono_ms();
	c->imapd->n_idle++;
	cmd->on_change = tell;
	cmd->on_line = on_line;
	arena_on_free(cmd->arena, on_free, cmd);
	imap_reader_next(&c->reader);
	c->reader.raw_line = true;
	tell(cmd);
}
