/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIRECTORY_RULES: what runs over a mailbox's mail, for whom it is, and, where a script asks, which mailboxes there
 * are: the shard says that. DIRECTORY_RULES_FAILED: a script failed; its owner sees that in his list of scripts, and gets one
 * notice for each version of a script (RFC 5228 2.10.6).
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "ipc/store.pb-c.h"
#include "room/directory/noun/addressing.h"
#include "room/directory/directory_priv.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/db/name.h"
#include "room/directory/noun/script.h"
#include "room/directory/notice/notice.h"

/* The mailbox's address, then the aliases that lead to it alone. */
static int addresses_of(struct engine *e, struct arena *a, const struct account *x, struct slice **ret, size_t *ret_n)
{
	struct slice *rows = NULL;
	size_t n = 0;
	int r;
	*ROWS_MORE(a, &rows, &n) = x->address;
	struct sql_stmt *s = sql_prepare(
		e->db, "SELECT address.local, domain.name FROM target JOIN address ON address.id = target.address"
		       " JOIN domain ON domain.id = address.domain WHERE target.name = ?1 AND address.type = 1"
		       " ORDER BY address.id LIMIT 1000");
	sql_bind_blob(s, 1, x->address);
	while ((r = sql_step(s)) == 1)
		*ROWS_MORE(a, &rows, &n) = name_text(a, sql_blob(s, 0), sql_blob(s, 1));
	sql_done(s);
	*ret = rows;
	*ret_n = n;
	return r;
}

enum { NAMES_BYTES_MAX = 32 * 1024 };	/* of mailboxes; scripts and these fit a frame */

struct asked {
	struct directory *d;
	struct ipc_call *call;
	struct account x;
	Postern__RulesReply reply;
	size_t bytes, room;
	struct slice last;
};

static void ask_mailboxes(struct asked *q);

static void add_mailbox(struct asked *q, ProtobufCBinaryData name)
{
	struct arena *a = q->call->arena;
	if (q->reply.n_mailboxes == q->room) {
		q->room = q->room ? 2 * q->room : 32;
		ProtobufCBinaryData *more = ARENA_ARRAY(a, ProtobufCBinaryData, q->room);
		for (size_t i = 0; i < q->reply.n_mailboxes; i++)
			more[i] = q->reply.mailboxes[i];
		q->reply.mailboxes = more;
	}
	q->last = arena_dup(a, bytes_of(&name));
	q->bytes += q->last.n + 4;
	q->reply.mailboxes[q->reply.n_mailboxes++] = data_of(q->last);
}

/* Without the shard's word a script would file mail elsewhere than it says: who asks comes again. */
static void on_mailboxes(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct asked *q = ctx;
	const Postern__FoldersReply *r = (const Postern__FoldersReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err < 0) {
		ipc_fail(q->call, err == ERR_NOT_FOUND ? err : ERR_UNAVAILABLE, NULL);
		return;
	}
	for (size_t i = 0; i < r->n_folders && q->bytes < NAMES_BYTES_MAX; i++) {
		if (!r->folders[i]->closed)
			add_mailbox(q, r->folders[i]->name);
		else
			q->last = arena_dup(q->call->arena, bytes_of(&r->folders[i]->name));
	}
	if (r->more && r->n_folders && q->bytes < NAMES_BYTES_MAX)
		ask_mailboxes(q);
	else
		ipc_reply(q->call, &q->reply.base, -1);
}

static void ask_mailboxes(struct asked *q)
{
	Postern__FoldersRequest req = POSTERN__FOLDERS_REQUEST__INIT;
	req.account_id = q->x.id;
	req.after = data_of(q->last);
	room_call(q->d->room, ROLE_STORE, q->x.shard, POSTERN__STORE_OP__STORE_FOLDERS, &req.base, NULL, 0, STORE_MS,
		  on_mailboxes, q);
}

static void fill_scripts(Postern__RulesReply *reply, const struct rules *rules, struct arena *a)
{
	reply->run = (uint32_t)rules->run;
	reply->zone = arena_str(a, rules->zone);
	reply->n_scripts = rules->n;
	reply->scripts = ARENA_ARRAY(a, Postern__RulesScript *, rules->n + 1);
	for (size_t i = 0; i < rules->n; i++) {
		reply->scripts[i] = ARENA_NEW(a, Postern__RulesScript);
		postern__rules_script__init(reply->scripts[i]);
		reply->scripts[i]->name = arena_str(a, rules->scripts[i].name);
		reply->scripts[i]->text = data_of(rules->scripts[i].text);
		reply->scripts[i]->global = rules->scripts[i].global;
		reply->scripts[i]->version = rules->scripts[i].changed_ms;
	}
}

static int fill_addresses(struct engine *e, struct asked *q, struct arena *a)
{
	struct addressing how;
	struct slice *addresses = NULL;
	size_t n = 0;
	int r = addressing_get(e, a, q->x.domain, &how);
	if (r == 0)
		r = addresses_of(e, a, &q->x, &addresses, &n);
	if (r < 0)
		return r;
	q->reply.separator = how.separator ? arena_printf(a, "%c", how.separator) : (char *)"";
	q->reply.n_addresses = n;
	q->reply.addresses = ARENA_ARRAY(a, ProtobufCBinaryData, n + 1);
	for (size_t i = 0; i < n; i++)
		q->reply.addresses[i] = data_of(addresses[i]);
	return 0;
}

void serve_rules(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct directory *d = room->state;
	const Postern__RulesRequest *req = (const Postern__RulesRequest *)call->req;
	struct asked *q = ARENA_NEW(call->arena, struct asked);
	struct rules rules = { 0 };
	*q = (struct asked){ .d = d, .call = call, .reply = POSTERN__RULES_REPLY__INIT };
	int r = account_by_id(d->e, call->arena, req->account_id, &q->x);
	if (r == 0)
		r = rules_of(d->e, call->arena, q->x.id, &rules);
	if (r == 0)
		r = fill_addresses(d->e, q, call->arena);
	if (r < 0) {
		ipc_fail(call, r == ERR_NOT_FOUND ? r : ERR_UNAVAILABLE, NULL);
		return;
	}
	fill_scripts(&q->reply, &rules, call->arena);
	if (rules.mailboxes)
		ask_mailboxes(q);
	else
		ipc_reply(call, &q->reply.base, -1);
}

/* --- failures --------------------------------------------------------------------------------------- */

static int tell_owner(struct engine *e, struct arena *a, const struct account *x, struct slice script,
		      const struct sieve_error *why, struct slice within, int64_t now_ms)
{
	struct slice language = SLICE("");
	struct buf text = BUF_INIT(4096);
	int r = notice_language_of(e, a, x->id, &language);
	if (r < 0)
		return r;
	script_failure_text(why, within, text_language(language), &text);
	r = notice_add(e, a, &(struct notice){
		.kind = NOTICE_SCRIPT_FAILED, .account = x->id, .to = x->address, .to_name = x->person, .now_ms = now_ms,
		.vars = { { .name = "script", .text = script }, { .name = "error", .text = buf_view(&text) },
			  { .name = "when", .number = now_ms } } });
	buf_fini(&text);
	return r;
}

static int note_failure(struct engine *e, struct arena *a, const Postern__RulesFailed *req, int64_t now_ms)
{
	struct sieve_error why = { .line = req->line, .column = req->column, .what = req->what };
	struct slice script = slice_str(req->script), within = bytes_of(&req->within);
	struct account x;
	bool due = false, first = false;
	snprintf(why.arg, sizeof(why.arg), SLICE_FMT, SLICE_ARG(bytes_of(&req->arg)));
	int r = script_failure_due(e, req->account_id, script, req->version, now_ms, &due);
	if (r == 0 && due)
		r = account_by_id(e, a, req->account_id, &x);
	if (r < 0 || !due)
		return r;
	r = engine_begin(e);
	if (r < 0)
		return r;
	r = script_failed(e, x.id, script, req->version, &why, within, now_ms, &first);
	if (r == 0 && first)
		r = tell_owner(e, a, &x, script, &why, within, now_ms);
	if (r == 0)
		return engine_commit(e);
	engine_rollback(e);
	return r;
}

void serve_rules_failed(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct directory *d = room->state;
	const Postern__RulesFailed *req = (const Postern__RulesFailed *)call->req;
	Postern__Nothing reply = POSTERN__NOTHING__INIT;
	int r = note_failure(d->e, call->arena, req, clock_wall_ms());
	if (r < 0 && r != ERR_NOT_FOUND)	/* changed or gone since: nobody needs to know */
		ev(EV_WARN, "rules.failure.unnoted", KI("account", (int64_t)req->account_id), KS("reason", err_name(r)));
	directory_check_disk(d);
	ipc_reply(call, &reply.base, -1);
}
