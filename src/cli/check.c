/* SPDX-License-Identifier: Apache-2.0 */
/* postern check: the mail of a stopped instance, shard by shard (a running one: postern store check). */
#include "cli/cli.h"

#include "base/err.h"
#include "lib/conf/conf.h"
#include "lib/room/tools.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

enum { PATH_SPACE = 4096, SHARDS_MAX = 64 };

struct checking {
	bool json;
	json_t *texts;
};

static void on_fault(void *ctx, const char *text)
{
	struct checking *c = ctx;
	struct buf said = BUF_INIT(4096);

	show_fault(slice_str(text), &said);
	json_array_append_new(c->texts, json_string(text));
	if (!c->json)
		printf(T_("fault: %s\n"), buf_cstr(&said));
	buf_fini(&said);
}

static void print_report(const struct checking *c, unsigned shard, const struct store_report *r)
{
	if (c->json)
		return;
	struct buf line = BUF_INIT(512);
	text_count(r->accounts, N_("account"), N_("accounts"), &line);
	buf_str(&line, ", ");
	text_count(r->mailboxes, N_("folder"), N_("folders"), &line);
	buf_str(&line, ", ");
	text_count(r->messages, N_("message"), N_("messages"), &line);
	buf_str(&line, ", ");
	text_count(r->faults, N_("fault"), N_("faults"), &line);
	printf("store.%u: %s%s\n", shard, buf_cstr(&line), r->rebuilt ? T_("; the index was made anew") : "");
	buf_fini(&line);
}

static int check_shard(struct checking *c, const char *path, unsigned shard, bool rebuild, uint64_t segment_bytes,
		       json_t *out)
{
	struct store_report r;

	c->texts = json_array();
	int err = store_check_offline(path, segment_bytes, rebuild, on_fault, c, &r);
	if (err) {
		json_decref(c->texts);
		if (err == ERR_CONFLICT)
			return cli_refuse("store.%u: the index is missing or older than the segments; "
					  "postern check --rebuild makes it anew", shard);
		return cli_refuse("store.%u: %s", shard, err_said(err));
	}
	print_report(c, shard, &r);
	json_array_append_new(out, json_pack("{s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:o}", "shard", (int)shard,
					     "accounts", (json_int_t)r.accounts, "mailboxes", (json_int_t)r.mailboxes,
					     "messages", (json_int_t)r.messages, "blobs", (json_int_t)r.blobs, "bytes",
					     (json_int_t)r.bytes, "faults", (json_int_t)r.faults, "rebuilt", r.rebuilt,
					     "texts", c->texts));
	return r.faults ? CLI_REFUSED : CLI_DONE;
}

int cli_check(struct cli *c)
{
	struct checking checking = { .json = c->json };
	char path[PATH_SPACE + 32], base[PATH_SPACE];
	bool rebuild = false;
	const char *dir = NULL;

	for (int i = 0; i < c->n; i++) {
		if (!strcmp(c->words[i], "--rebuild"))
			rebuild = true;
		else if (!dir && c->words[i][0] != '-')
			dir = c->words[i];
		else
			return cli_usage("\"%s\" is not known here; usage: postern check [DIR] [--rebuild]", c->words[i]);
	}
	if (!dir)
		dir = cli_dir(c);
	if (!dir)
		return CLI_USAGE;
	if (!cli_keep_stopped(dir))
		return cli_refuse("an instance runs in %s: stop it first, or ask it with postern store check", dir);
	if (!realpath(dir, base))
		return cli_refuse("%s: %s", dir, err_said(-errno));
	struct conf *conf = NULL;
	struct buf error = BUF_INIT(4096);
	snprintf(path, sizeof(path), "%s/postern.conf", base);
	int code = conf_load(path, &conf, &error) < 0 ? cli_refuse("%s", buf_cstr(&error)) : CLI_DONE;
	buf_fini(&error);
	if (code)
		return code;
	uint64_t segment_bytes = conf_u64(conf, "store.segment_size");
	conf_free(&conf);
	json_t *out = json_array();
	for (unsigned shard = 0; shard < SHARDS_MAX && code != CLI_USAGE; shard++) {
		struct stat st;
		if (snprintf(path, sizeof(path), "%s/data/store.%u", base, shard) >= (int)sizeof(path) ||
		    stat(path, &st) < 0)
			break;
		int one = check_shard(&checking, path, shard, rebuild, segment_bytes, out);
		code = one > code ? one : code;
	}
	if (c->json)
		show_json(out);
	json_decref(out);
	return code;
}
