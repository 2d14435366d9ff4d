/* SPDX-License-Identifier: Apache-2.0 */
/* postern admin, token, audit: who administers, keys for scripts, what was done. A new token is printed alone on a line of its own. */
#include "cli/cli.h"

static const char *const admin_columns[] = { "login", "rank", "customer", "domain", "name", "language", "mailbox", "recovery", NULL };
static const char *const token_columns[] = { "id", "name", "login", "scopes", "read_only", "expires_ms", "used_ms", NULL };

static const char *const audit_columns[] = { "at_ms", "actor", "remote", "operation", "object", "detail", NULL };

/* The members of a rank, as a line: "customer acme". */
static void show_rank(const json_t *rank, struct buf *line)
{
	const char *what = json_string_value(json_object_get(rank, "rank"));
	const json_t *of = json_object_get(rank, "domain");
	if (!of)
		of = json_object_get(rank, "customer");
	buf_str(line, word_said(what ? what : ""));
	if (of) {
		buf_byte(line, ' ');
		show_value(API_STR, of, line);
	}
}

static bool show_admin(struct cli *c, const struct api_op *op, const json_t *result)
{
	const json_t *ranks = json_object_get(result, "ranks"), *rank;
	struct buf line = BUF_INIT(4096);
	size_t i;
	if (!ranks)
		return false;
	/* The longest labels of show_object. */
	const char *head = T_("ranks:");
	size_t column = text_width(T_("has password:")), other = text_width(T_("recovery:"));
	column = (column > other ? column : other) + 2;
	show_object(op, result);
	json_array_foreach(ranks, i, rank) {
		buf_clear(&line);
		show_rank(rank, &line);
		printf("%s%*s%s\n", i ? "" : head, (int)(column - (i ? 0 : text_width(head))), "", buf_cstr(&line));
	}
	buf_fini(&line);
	return true;
}

const struct cli_noun noun_admin = {
	.name = "admin",
	.help = N_("who administers: logins and their ranks"),
	.show = show_admin,
	.columns = admin_columns,
};

const struct cli_noun noun_token = {
	.name = "token",
	.help = N_("tokens for scripts that use the API"),
	.columns = token_columns,
};

const struct cli_noun noun_audit = {
	.name = "audit",
	.help = N_("who did what to whom, when, and from where"),
	.columns = audit_columns,
};
