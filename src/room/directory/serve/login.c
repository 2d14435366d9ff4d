/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIRECTORY_CREDENTIAL, DIRECTORY_REHASH, DIRECTORY_GRANT. A grant is a socket pair: one end goes to the shard that
 * holds the account, the other one back to who asked. It is given for the credential version that was verified, or
 * to the mover that holds a task of the account; a change in between refuses it. The shard hears grant and
 * revocation over one channel in the order in which they were sent, so no grant slips past a revocation.
 */
#include "room/directory/directory_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "ipc/store.pb-c.h"
#include "room/directory/login/app_password.h"
#include "room/directory/login/guard.h"
#include "room/directory/notice/language.h"
#include "room/directory/login/person.h"
#include "room/directory/login/second.h"
#include "room/directory/noun/staff.h"
#include "room/directory/rights/token.h"

/* Protocols want ASCII. */
static char *ascii_of(struct arena *a, const char *said)
{
	struct buf out = BUF_INIT(4096);
	text_ascii(said, &out);
	char *copy = arena_str(a, buf_view(&out));
	buf_fini(&out);
	return copy;
}

/* The password is right, but given by somebody else. */
static char *must_change_text(struct directory *d, struct arena *a, const char *language)
{
	return ascii_of(a, arena_printf(a, text_in(language, "This password is only good for setting one of your own: %s"),
					web_link(d, a, "/password")));
}

/* The password is right, but there is a second factor, which mail programs do not know. */
static char *needs_app_text(struct directory *d, struct arena *a, const char *language)
{
	return ascii_of(a, arena_printf(a, text_in(language, "This login has a second factor, so a mail program needs an app "
							     "password: %s"), web_link(d, a, "/")));
}

static const char *language_in(struct directory *d, struct arena *a, struct slice own, uint64_t customer)
{
	struct slice language;
	return language_of(d->e, a, own, customer, &language) < 0 ? NULL : text_language(language);
}

static const char *language_of_account(struct directory *d, struct arena *a, const struct account *x)
{
	struct domain domain;
	return domain_by_id(d->e, a, x->domain, &domain) < 0 ? NULL : language_in(d, a, x->language, domain.customer);
}

static struct guard_try try_of(const struct account *x, struct slice login, struct slice remote, struct slice tag)
{
	return (struct guard_try){
		.account = x ? x->id : 0,
		.who = x ? x->address : login,
		.remote = remote,
		.tag = slice_sub(tag, 0, 32),
	};
}

/* Staff has no mailbox, so it logs in on the web alone; there its login comes before a mailbox of that name. */
static bool staff_credential(struct directory *d, struct ipc_call *call, Postern__CredentialReply *reply)
{
	const Postern__CredentialRequest *req = (const Postern__CredentialRequest *)call->req;
	struct slice login;
	struct staff s;
	if (staff_login(call->arena, bytes_of(&req->login), &login) < 0 || staff_get(d->e, call->arena, login, &s) != 0)
		return false;
	reply->known = true;
	reply->address = data_of(s.login);
	reply->hash = data_of(s.hash);
	reply->version = s.version;
	reply->holder = holder_staff(s.id);
	if (s.must_change)
		reply->refuse = must_change_text(d, call->arena, language_in(d, call->arena, s.language, s.customer));
	return true;
}

/* The second factor, where there is one. ERR_DENIED: the reply says why. */
static int check_code(struct directory *d, struct ipc_call *call, struct second *s, Postern__SessionReply *reply)
{
	const Postern__SessionRequest *req = (const Postern__SessionRequest *)call->req;
	bool on = false;
	int r = second_is_on(d->e, call->arena, req->holder, &on);
	if (r < 0 || !on)
		return r;
	reply->code_wanted = !req->code.len;
	if (reply->code_wanted)
		return ERR_DENIED;
	r = second_spend(d, call->arena, s, bytes_of(&req->code));
	reply->code_wrong = r == ERR_DENIED;
	reply->delay_ms = s->delay_ms;
	return r;
}

/* The password that auth saw must still be the one. */
static int session_add(struct directory *d, struct ipc_call *call, struct token *t, struct slice *ret_text,
		       Postern__SessionReply *reply)
{
	const Postern__SessionRequest *req = (const Postern__SessionRequest *)call->req;
	struct principal p;
	struct person person;
	uint64_t version = 0;
	int r = principal_hats(d->e, call->arena, req->holder, &p);
	if (r == 0)
		r = principal_version(d->e, call->arena, req->holder, &version);
	if (r < 0)
		return r == ERR_NOT_FOUND ? ERR_CONFLICT : r;
	if (version != req->credential_version)
		return ERR_CONFLICT;
	r = person_by_holder(d->e, call->arena, req->holder, &person);
	if (r < 0)
		return r;
	struct second second = { .who = &person, .remote = bytes_of(&req->remote), .now_ms = clock_wall_ms() };
	*t = (struct token){
		.kind = TOKEN_SESSION,
		.holder = req->holder,
		.version = version,
		.remote = bytes_of(&req->remote),
		.created_ms = clock_wall_ms(),
	};
	t->expires_ms = t->created_ms + TOKEN_IDLE_MS;
	struct audit row = {
		.at_ms = t->created_ms,
		.actor = p.login,
		.remote = t->remote,
		.operation = SLICE("session.add"),
		.object = p.login,
		.status = 201,
		.customer = p.hats[p.n_hats - 1].customer,
		.domain = p.hats[p.n_hats - 1].domain,
	};
	r = engine_begin(d->e);
	if (r < 0)
		return r;
	r = check_code(d, call, &second, reply);
	row.detail = second.recovery ? SLICE("with a recovery code") : (struct slice){ 0 };
	if (r == 0)
		r = token_add(d->e, call->arena, t, ret_text, NULL);
	if (r == 0)
		r = audit_add(d->e, &row);
	if (r < 0)
		engine_rollback(d->e);
	else
		r = engine_commit(d->e);
	if (reply->code_wrong)
		second_wrong(d, call->arena, &second);
	else if (r == 0 && req->code.len)
		second_right(d, call->arena, &second);
	return r;
}

void serve_session(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	Postern__SessionReply reply = POSTERN__SESSION_REPLY__INIT;
	struct token t;
	struct slice text;
	int r = session_add(room->state, call, &t, &text, &reply);
	directory_check_disk(room->state);
	if (reply.code_wanted || reply.code_wrong) {
		ipc_reply(call, &reply.base, -1);
		return;
	}
	if (r < 0) {
		ipc_fail(call, r == ERR_CONFLICT ? r : ERR_UNAVAILABLE, NULL);
		return;
	}
	reply.token = data_of(text);
	reply.expires_ms = t.expires_ms;
	ipc_reply(call, &reply.base, -1);
	explicit_bzero((void *)(uintptr_t)text.p, text.n);
}

/* Of the limiter, which counts every login of every protocol. */
static void take_verdict(struct directory *d, const Postern__CredentialRequest *req, const struct account *x,
			 int64_t now_ms, Postern__CredentialReply *reply)
{
	if (req->again)
		return;
	struct guard_try t = try_of(x, bytes_of(&req->login), bytes_of(&req->remote), bytes_of(&req->tag));
	struct limiter_verdict v = guard_try(d->guard, d->e, &t, now_ms);
	reply->limited = v.refused;
	reply->delay_ms = v.delay_ms;
}

/* The passwords of programs that open this protocol; a failure to read them leaves the account's own. */
static void give_apps(struct directory *d, struct arena *a, uint64_t account, unsigned protocol,
		      Postern__CredentialReply *reply)
{
	struct app_password *rows;
	size_t n = 0;
	if (!protocol || app_password_list(d->e, a, account, protocol, &rows, &n) < 0)
		return;
	reply->apps = ARENA_ARRAY(a, Postern__AppSecret *, n + 1);
	for (size_t i = 0; i < n; i++) {
		Postern__AppSecret *s = ARENA_NEW(a, Postern__AppSecret);
		postern__app_secret__init(s);
		s->hash = data_of(rows[i].hash);
		s->version = rows[i].version;
		reply->apps[reply->n_apps++] = s;
	}
}

void serve_credential(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct directory *d = room->state;
	const Postern__CredentialRequest *req = (const Postern__CredentialRequest *)call->req;
	Postern__CredentialReply reply = POSTERN__CREDENTIAL_REPLY__INIT;
	struct account account;
	bool apps = false;
	int64_t now_ms = clock_wall_ms();
	if (!strcmp(req->protocol, "web") && staff_credential(d, call, &reply)) {
		take_verdict(d, req, NULL, now_ms, &reply);
		ipc_reply(call, &reply.base, -1);
		return;
	}
	int r = credential_find(d->e, call->arena, bytes_of(&req->login), now_ms, &account);
	if (r < 0 && r != ERR_NOT_FOUND) {
		ipc_fail(call, ERR_UNAVAILABLE, NULL);
		return;
	}
	if (r == 0 && strcmp(req->protocol, "web") && second_wants_apps(d->e, call->arena, &account, &apps) < 0) {
		ipc_fail(call, ERR_UNAVAILABLE, NULL);
		return;
	}
	take_verdict(d, req, r == 0 ? &account : NULL, now_ms, &reply);
	if (r == 0) {
		reply.known = true;
		reply.account_id = account.id;
		reply.shard = account.shard;
		reply.address = data_of(account.address);
		reply.hash = data_of(account.hash);
		reply.version = account.version;
		reply.holder = holder_account(account.id);
		if (account.must_change)
			reply.refuse = must_change_text(d, call->arena, language_of_account(d, call->arena, &account));
		else if (apps)
			reply.refuse = needs_app_text(d, call->arena, language_of_account(d, call->arena, &account));
		reply.needs_app = apps && !account.must_change;
		give_apps(d, call->arena, account.id, app_protocol(req->protocol), &reply);
	}
	ipc_reply(call, &reply.base, -1);
}

void serve_login_result(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct directory *d = room->state;
	const Postern__LoginResult *req = (const Postern__LoginResult *)call->req;
	Postern__Nothing reply = POSTERN__NOTHING__INIT;
	struct account account;
	bool there = req->account_id && account_by_id(d->e, call->arena, req->account_id, &account) == 0;
	struct guard_try t = try_of(there ? &account : NULL, bytes_of(&req->login), bytes_of(&req->remote),
				    bytes_of(&req->tag));
	if (req->right) {
		guard_right(d->guard, d->e, &t, clock_wall_ms());
		app_password_touch(d->e, req->account_id, req->version, clock_wall_ms());
	} else {
		guard_wrong(d->guard, &t, clock_wall_ms());
	}
	directory_check_disk(d);
	ipc_reply(call, &reply.base, -1);
}

void serve_rehash(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct directory *d = room->state;
	const Postern__RehashRequest *req = (const Postern__RehashRequest *)call->req;
	Postern__RehashReply reply = POSTERN__REHASH_REPLY__INIT;
	int r = credential_rehash(d->e, req->account_id, req->version, bytes_of(&req->hash));
	directory_check_disk(d);
	if (r < 0) {
		ipc_fail(call, r, NULL);
		return;
	}
	reply.version = req->version;
	ipc_reply(call, &reply.base, -1);
}

struct granting {
	struct directory *d;
	struct ipc_call *call;
	struct account account;
	int fd; /* the asker's end */
};

/* For sieved: a session's token for the account's scripts and nothing else. It ends with the password that was verified, the
 * account's or a program's, and when it is not used for a while. */
static int make_token(struct granting *g, Postern__GrantReply *reply)
{
	const Postern__GrantRequest *req = (const Postern__GrantRequest *)g->call->req;
	struct engine *e = g->d->e;
	int64_t now_ms = clock_wall_ms();
	struct slice text;
	struct token t = {
		.holder = holder_account(g->account.id), .kind = TOKEN_SESSION, .name = SLICE(""), .scopes = SLICE("sieve"),
		.version = req->credential_version, .remote = slice_str(req->client), .created_ms = now_ms,
		.expires_ms = now_ms + TOKEN_IDLE_MS,
	};
	int r = engine_begin(e);
	if (r < 0)
		return r;
	r = token_add(e, g->call->arena, &t, &text, NULL);
	if (r < 0)
		engine_rollback(e);
	else
		r = engine_commit(e);
	directory_check_disk(g->d);
	if (r == 0)
		reply->token = data_of(text);
	return r;
}

static void on_granted(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct granting *g = ctx;
	struct ipc_call *call = g->call;
	const Postern__GrantRequest *req = (const Postern__GrantRequest *)call->req;
	Postern__GrantReply reply = POSTERN__GRANT_REPLY__INIT;
	if (fd >= 0)
		close(fd);
	if (err == 0 && req->kind == POSTERN__SESSION_KIND__SESSION_SIEVE)
		err = make_token(g, &reply);
	if (err < 0) {
		ev(EV_WARN, "directory.grant.failed", KI("account", g->account.id),
		   KS("reason", err_name(err)));
		close(g->fd);
		ipc_fail(call, err, NULL);
	} else {
		reply.account_id = g->account.id;
		reply.address = data_of(g->account.address);
		reply.shard = g->account.shard;
		const char *language = language_of_account(g->d, call->arena, &g->account);
		reply.language = arena_str(call->arena, slice_str(language ? language : ""));
		g->d->grants++;
		ipc_reply(call, &reply.base, g->fd);
	}
	free(g);
}

static void grant(struct directory *d, struct ipc_call *call, const struct account *account,
		  uint64_t source)
{
	const Postern__GrantRequest *req = (const Postern__GrantRequest *)call->req;
	int pair[2];
	int r = ipc_pair(pair);
	if (r < 0) {
		ipc_fail(call, ERR_UNAVAILABLE, NULL);
		return;
	}
	struct granting *g = calloc(1, sizeof(*g));
	bug_if(!g);
	*g = (struct granting){ .d = d, .call = call, .account = *account, .fd = pair[1] };
	Postern__StoreGrant m = POSTERN__STORE_GRANT__INIT;
	m.account_id = account->id;
	m.kind = req->kind;
	m.client = req->client;
	m.source_id = source;
	m.version = req->credential_version;
	room_call(d->room, ROLE_STORE, account->shard, POSTERN__STORE_OP__STORE_GRANT, &m.base,
		  &pair[0], 1, STORE_MS, on_granted, g);
	close(pair[0]);
}

/* auth: the credential that it verified must still be the one. */
static int by_credential(struct directory *d, struct ipc_call *call, struct account *ret)
{
	const Postern__GrantRequest *req = (const Postern__GrantRequest *)call->req;
	int r = account_by_id(d->e, call->arena, req->account_id, ret);
	if (r < 0)
		return r == ERR_NOT_FOUND ? ERR_CONFLICT : ERR_UNAVAILABLE;
	const char *protocol = req->kind == POSTERN__SESSION_KIND__SESSION_IMAP    ? "imap"
			       : req->kind == POSTERN__SESSION_KIND__SESSION_POP3  ? "pop3"
			       : req->kind == POSTERN__SESSION_KIND__SESSION_SIEVE ? "sieve"
			       : req->kind == POSTERN__SESSION_KIND__SESSION_SUBMISSION ? "submission"
											: "";
	bool holds = false;
	r = second_holds(d->e, call->arena, ret, req->credential_version, protocol, &holds);
	return r < 0 ? ERR_UNAVAILABLE : holds ? 0 : ERR_CONFLICT;
}

/* mover: it must hold a running task of this account. */
static int by_task(struct directory *d, struct ipc_call *call, struct account *ret,
		   uint64_t *ret_source)
{
	const Postern__GrantRequest *req = (const Postern__GrantRequest *)call->req;
	struct task task;
	int r = task_by_id(d->e, call->arena, req->task_id, &task);
	if (r < 0)
		return r == ERR_NOT_FOUND ? ERR_CONFLICT : ERR_UNAVAILABLE;
	if (task.state != TASK_RUNNING || task.account != req->account_id ||
	    task.holder >> 16 != (uint64_t)call->peer_index + 1)
		return ERR_CONFLICT;
	r = account_by_id(d->e, call->arena, task.account, ret);
	if (r < 0)
		return ERR_UNAVAILABLE;
	*ret_source = task.source;
	return ret->state == ACCOUNT_LIVE ? 0 : ERR_CONFLICT;
}

void serve_grant(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct directory *d = room->state;
	const Postern__GrantRequest *req = (const Postern__GrantRequest *)call->req;
	bool move = req->kind == POSTERN__SESSION_KIND__SESSION_MOVE;
	struct account account;
	uint64_t source = 0;
	int r = ERR_DENIED;
	if (call->peer == ROLE_MOVER && move)
		r = by_task(d, call, &account, &source);
	else if (call->peer == ROLE_AUTH && !move)
		r = by_credential(d, call, &account);
	if (r < 0)
		ipc_fail(call, r, NULL);
	else
		grant(d, call, &account, source);
}
