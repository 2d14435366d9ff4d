/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room that verifies passwords.
 *
 *   imapd ... --LOGIN--> auth --CREDENTIAL--> directory
 *                        auth: verify (cache, else the hash)
 *                        auth --REHASH------> directory   where the hash is not today's form
 *                        auth --RESULT------> directory   which counts what is wrong, for all rooms
 *                        auth --GRANT-------> directory --> shard: a session of this account
 *   imapd <-- reply, fd of the session --
 *
 * Unknown user and wrong password give the same text after the same work; so does who guessed too often, whose password
 * is not looked at (room/directory/login/limiter.h). Nothing is kept but the cache; a login that was under way when the room died is sent again by its caller.
 */
#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "base/rng.h"
#include "ipc/auth.pb-c.h"
#include "ipc/directory.pb-c.h"
#include "lib/room/room.h"
#include "room/auth/cache.h"
#include "room/auth/verify.h"

#include <malloc.h>
#include <openssl/sha.h>

enum {
	LOGIN_MAX = 320,
	DIRECTORY_MS = 20 * 1000,
	HASHES_MAX = 256, /* quick ones of one request */
	SLOW_HASHES_MAX = 4,
	TRIES_MAX = 3, /* the credential may change between check and grant */
	MALFORMED_DELAY_MS = 1000,
	TAG_BYTES = 4,
	CODE_MAX = 64,
};

struct auth {
	struct room *room;
	struct cache *cache;
	struct hash_cost cost;
	struct buf dummy; /* a hash that no password fits, at today's cost */
	int64_t right, wrong, second, limited, cached, rehashed;
};

struct login {
	struct auth *auth;
	struct ipc_call *call;
	const Postern__LoginRequest *req;
	struct slice name, password, remote;
	unsigned tries;
	Postern__LoginReply reply;
	uint64_t version, account; /* account 0: nobody of that name */
	unsigned delay_ms;
	uint8_t tag[TAG_BYTES];
	int64_t holder; /* who that is in the administration */
	uv_timer_t timer; /* holds a refusal back */
};

static const char denied_text[] = "Wrong name or password";

static struct slice bytes_of(const ProtobufCBinaryData *b)
{
	return slice_of(b->data, b->len);
}

static void wipe(const ProtobufCBinaryData *secret)
{
	if (secret->len)
		explicit_bzero(secret->data, secret->len);
}

static void on_timer_closed(uv_handle_t *h)
{
	struct login *l = h->data;
	free(l);
}

static void finish(struct login *l)
{
	wipe(&l->req->password);
	wipe(&l->req->code);
	uv_close((uv_handle_t *)&l->timer, on_timer_closed);
}

static void fail(struct login *l, int err, const char *text)
{
	struct ipc_call *call = l->call;
	finish(l);
	ipc_fail(call, err, text);
}

static void on_delay(uv_timer_t *t)
{
	fail(t->data, ERR_DENIED, denied_text);
}

static void on_told(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	if (fd >= 0)
		close(fd);
}

/* Directory counts for all rooms and protocols: how it ended. */
static void tell(struct login *l, bool right)
{
	Postern__LoginResult m = POSTERN__LOGIN_RESULT__INIT;
	m.login = l->req->login;
	m.protocol = l->req->protocol;
	m.remote = l->req->remote;
	m.tag.data = l->tag;
	m.tag.len = sizeof(l->tag);
	m.account_id = l->account;
	m.version = l->version;
	m.right = right;
	room_call(l->auth->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_LOGIN_RESULT, &m.base, NULL, 0,
		  DIRECTORY_MS, on_told, NULL);
}

/* Wrong name or wrong password: one text, held back a little more each time. */
static void deny(struct login *l)
{
	struct auth *auth = l->auth;
	unsigned delay = l->delay_ms;
	auth->wrong++;
	ev(EV_INFO, "auth.login.denied", KSL("login", l->name), KSL("remote", l->remote),
	   KS("protocol", l->req->protocol));
	if (!delay || uv_timer_start(&l->timer, on_delay, delay, 0) < 0)
		fail(l, ERR_DENIED, denied_text);
}

static void ask_credential(struct login *l);

static void succeed(struct login *l, int fd)
{
	struct ipc_call *call = l->call;
	Postern__LoginReply reply = l->reply;
	l->auth->right++;
	reply.version = l->version;
	tell(l, true);
	ev(EV_INFO, "auth.login.ok", KSL("login", l->name), KSL("remote", l->remote),
	   KS("protocol", l->req->protocol), KI("account", reply.account_id));
	finish(l);
	ipc_reply(call, &reply.base, fd);
}

/* The token of a session whose right to operations is no channel, and the language of all. */
static void take_token(struct login *l, const Postern__GrantReply *reply)
{
	struct slice token = arena_dup(l->call->arena, bytes_of(&reply->token));
	l->reply.token.data = (uint8_t *)(uintptr_t)token.p;
	l->reply.token.len = token.n;
	l->reply.language = arena_str(l->call->arena, slice_str(reply->language));
}

static void on_grant(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct login *l = ctx;
	if (err == ERR_CONFLICT && l->tries < TRIES_MAX) {
		ask_credential(l); /* the credential changed meanwhile: check against the new one */
		return;
	}
	if (err < 0 || fd < 0) {
		if (fd >= 0)
			close(fd);
		fail(l, err == ERR_CONFLICT ? ERR_DENIED : ERR_UNAVAILABLE,
		     err == ERR_CONFLICT ? denied_text : "The mailbox cannot be opened just now");
		return;
	}
	take_token(l, (const Postern__GrantReply *)reply);
	succeed(l, fd);
}

/* The password was right, so it is said what is missing. Nothing is told to directory: it has counted the code, and the
 * password alone forgives nothing. */
static void on_code_delay(uv_timer_t *t)
{
	struct login *l = t->data;
	struct ipc_call *call = l->call;
	Postern__LoginReply reply = POSTERN__LOGIN_REPLY__INIT;
	reply.code_wanted = l->reply.code_wanted;
	reply.code_wrong = l->reply.code_wrong;
	finish(l);
	ipc_reply(call, &reply.base, -1);
}

static void want_code(struct login *l, const Postern__SessionReply *reply)
{
	l->auth->second += reply->code_wrong;
	l->reply.code_wanted = reply->code_wanted;
	l->reply.code_wrong = reply->code_wrong;
	ev(EV_INFO, reply->code_wrong ? "auth.code.denied" : "auth.code.wanted", KSL("login", l->name),
	   KSL("remote", l->remote));
	if (!reply->delay_ms || uv_timer_start(&l->timer, on_code_delay, reply->delay_ms, 0) < 0)
		on_code_delay(&l->timer);
}

static void on_session(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct login *l = ctx;
	const Postern__SessionReply *reply = (const Postern__SessionReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err == ERR_CONFLICT && l->tries < TRIES_MAX) {
		ask_credential(l);
	} else if (err < 0) {
		fail(l, err == ERR_CONFLICT ? ERR_DENIED : ERR_UNAVAILABLE,
		     err == ERR_CONFLICT ? denied_text : "No session can be begun just now");
	} else if (reply->code_wanted || reply->code_wrong) {
		want_code(l, reply);
	} else {
		l->reply.token = reply->token;
		l->reply.expires_ms = reply->expires_ms;
		succeed(l, -1);
	}
}

/* The web: directory makes the session, for the password that was verified and no later one. */
static void ask_session(struct login *l)
{
	Postern__SessionRequest req = POSTERN__SESSION_REQUEST__INIT;
	req.holder = l->holder;
	req.credential_version = l->version;
	req.remote = l->req->remote;
	req.code = l->req->code;
	room_call(l->auth->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_SESSION,
		  &req.base, NULL, 0, DIRECTORY_MS, on_session, l);
}

static Postern__SessionKind kind_of(const char *protocol)
{
	return !strcmp(protocol, "pop3")   ? POSTERN__SESSION_KIND__SESSION_POP3
	       : !strcmp(protocol, "imap") ? POSTERN__SESSION_KIND__SESSION_IMAP
	       : !strcmp(protocol, "sieve") ? POSTERN__SESSION_KIND__SESSION_SIEVE
	       : !strcmp(protocol, "submission") ? POSTERN__SESSION_KIND__SESSION_SUBMISSION
						 : POSTERN__SESSION_KIND__SESSION_WEB;
}

static void ask_grant(struct login *l)
{
	Postern__GrantRequest req = POSTERN__GRANT_REQUEST__INIT;
	req.account_id = l->reply.account_id;
	req.credential_version = l->version;
	req.kind = kind_of(l->req->protocol);
	req.client = arena_printf(l->call->arena, "%s.%u " SLICE_FMT, role_name(l->call->peer),
				  l->call->peer_index, SLICE_ARG(l->remote));
	room_call(l->auth->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_GRANT,
		  &req.base, NULL, 0, DIRECTORY_MS, on_grant, l);
}

static void on_rehashed(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct auth *auth = ctx;
	if (err == 0)
		auth->rehashed++;
	if (fd >= 0)
		close(fd);
}

/* The password is right and its hash is an old form: a better one takes its place. */
static void rehash(struct login *l)
{
	struct buf hash = BUF_INIT(HASH_MAX);
	if (hash_password(l->password, &l->auth->cost, &hash) == 0) {
		Postern__RehashRequest req = POSTERN__REHASH_REQUEST__INIT;
		req.account_id = l->reply.account_id;
		req.version = l->version;
		req.hash.data = hash.p;
		req.hash.len = hash.n;
		room_call(l->auth->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_REHASH,
			  &req.base, NULL, 0, DIRECTORY_MS, on_rehashed, l->auth);
	}
	buf_fini(&hash);
}

static bool dummy_check(struct login *l)
{
	IGNORE(verify_password(buf_view(&l->auth->dummy), l->password),
	       "only for the time it takes");
	return false;
}

/* A password of a program; made by us, so long that a plain digest is enough. */
static bool is_app(struct login *l, const Postern__CredentialReply *c)
{
	for (size_t i = 0; i < c->n_apps; i++) {
		if (verify_password(bytes_of(&c->apps[i]->hash), l->password) != 1)
			continue;
		l->version = c->apps[i]->version;
		return true;
	}
	return false;
}

static bool is_right(struct login *l, const Postern__CredentialReply *c)
{
	struct auth *auth = l->auth;
	struct slice hash = bytes_of(&c->hash);
	if (!c->known || !hash.n)
		return dummy_check(l);
	if (cache_has(auth->cache, (uint64_t)c->holder, c->version, l->password, clock_mono_ms())) {
		auth->cached++;
		return true;
	}
	int r = verify_password(hash, l->password);
	if (r < 0)
		ev(EV_WARN, "auth.hash.unusable", KI("account", c->account_id),
		   KS("reason", err_name(r)));
	if (r != 1)
		return hash_is_current(hash, &auth->cost) && r == 0 ? false : dummy_check(l);
	cache_put(auth->cache, (uint64_t)c->holder, c->version, l->password, clock_mono_ms());
	return true;
}

static void on_credential(void *ctx, int err, const ProtobufCMessage *reply, int fd,
			  const char *text)
{
	struct login *l = ctx;
	const Postern__CredentialReply *c = (const Postern__CredentialReply *)reply;
	if (fd >= 0)
		close(fd);
	if (err < 0) {
		fail(l, ERR_UNAVAILABLE, "Logins cannot be checked just now");
		return;
	}
	l->account = c->account_id;
	l->delay_ms = c->delay_ms;
	if (c->limited) {
		l->auth->limited++;
		ev(EV_WARN, "auth.login.limited", KSL("login", l->name), KSL("remote", l->remote));
		deny(l);
		return;
	}
	bool app = is_app(l, c);
	if (!app && !is_right(l, c)) {
		tell(l, false);
		deny(l);
		return;
	}
	if (*c->refuse && !app) {
		if (!c->needs_app)
			tell(l, true);
		fail(l, ERR_CONFLICT, c->refuse);
		return;
	}
	if (!app)
		l->version = c->version;
	l->holder = c->holder;
	l->reply.account_id = c->account_id;
	l->reply.shard = c->shard;
	struct slice address = arena_dup(l->call->arena, bytes_of(&c->address));
	l->reply.address.data = (uint8_t *)(uintptr_t)address.p;
	l->reply.address.len = address.n;
	if (!app && c->account_id && !hash_is_current(bytes_of(&c->hash), &l->auth->cost))
		rehash(l);
	if (!strcmp(l->req->protocol, "web"))
		ask_session(l);
	else
		ask_grant(l);
}

static void ask_credential(struct login *l)
{
	Postern__CredentialRequest req = POSTERN__CREDENTIAL_REQUEST__INIT;
	req.again = l->tries++ > 0;
	req.tag.data = l->tag;
	req.tag.len = sizeof(l->tag);
	req.login = l->req->login;
	req.protocol = l->req->protocol;
	req.remote = l->req->remote;
	room_call(l->auth->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_CREDENTIAL,
		  &req.base, NULL, 0, DIRECTORY_MS, on_credential, l);
}

static bool well_formed(const struct login *l)
{
	struct slice authzid = bytes_of(&l->req->authzid);
	return l->name.n && l->name.n <= LOGIN_MAX && l->password.n &&
	       l->password.n <= PASSWORD_MAX && l->req->code.len <= CODE_MAX && (!authzid.n || slice_eq_ci(authzid, l->name));
}

/* Enough to see that the same password comes again, too little to tell it. */
static void take_tag(struct login *l)
{
	uint8_t md[SHA256_DIGEST_LENGTH];
	SHA256(l->password.p, l->password.n, md);
	memcpy(l->tag, md, sizeof(l->tag));
	explicit_bzero(md, sizeof(md));
}

static void handle_login(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct auth *auth = room->state;
	const Postern__LoginRequest *req = (const Postern__LoginRequest *)call->req;
	struct login *l = calloc(1, sizeof(*l));
	bug_if(!l);
	*l = (struct login){
		.auth = auth,
		.call = call,
		.req = req,
		.name = bytes_of(&req->login),
		.password = bytes_of(&req->password),
		.remote = bytes_of(&req->remote),
		.reply = POSTERN__LOGIN_REPLY__INIT,
	};
	bug_if(uv_timer_init(room->loop, &l->timer) < 0);
	l->timer.data = l;
	if (!well_formed(l)) {
		l->delay_ms = MALFORMED_DELAY_MS;
		deny(l);
	} else {
		take_tag(l);
		ask_credential(l);
	}
}

static int hash_all(const struct auth *auth, const Postern__HashRequest *req, struct arena *a,
		    Postern__HashReply *reply)
{
	reply->hashes = ARENA_ARRAY(a, ProtobufCBinaryData, req->n_passwords + 1);
	for (size_t i = 0; i < req->n_passwords; i++) {
		struct buf hash = BUF_INIT(HASH_MAX);
		struct slice password = bytes_of(&req->passwords[i]);
		int r = req->quick ? hash_quick(password, &hash)
				   : hash_password(password, &auth->cost, &hash);
		struct slice copy = arena_dup(a, buf_view(&hash));
		buf_fini(&hash);
		if (r < 0)
			return r;
		reply->hashes[i].data = (uint8_t *)(uintptr_t)copy.p;
		reply->hashes[i].len = copy.n;
		reply->n_hashes++;
	}
	return 0;
}

static void handle_hash(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	const Postern__HashRequest *req = (const Postern__HashRequest *)call->req;
	Postern__HashReply reply = POSTERN__HASH_REPLY__INIT;
	int r = req->n_passwords > (req->quick ? HASHES_MAX : SLOW_HASHES_MAX) ? ERR_TOO_BIG : 0;
	if (r == 0)
		r = hash_all(room->state, req, call->arena, &reply);
	for (size_t i = 0; i < req->n_passwords; i++)
		wipe(&req->passwords[i]);
	if (r < 0)
		ipc_fail(call, r, NULL);
	else
		ipc_reply(call, &reply.base, -1);
}

/* As is_right, without the cache. */
static bool verify(const struct auth *auth, struct slice hash, struct slice password)
{
	int r = hash.n ? verify_password(hash, password) : ERR_NOT_FOUND;
	if (r == 1)
		return true;
	if (r < 0 || !hash_is_current(hash, &auth->cost))
		IGNORE(verify_password(buf_view(&auth->dummy), password), "only for the time it takes");
	return false;
}

static void handle_verify(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	const Postern__VerifyRequest *req = (const Postern__VerifyRequest *)call->req;
	Postern__VerifyReply reply = POSTERN__VERIFY_REPLY__INIT;
	reply.right = verify(room->state, bytes_of(&req->hash), bytes_of(&req->password));
	wipe(&req->password);
	ipc_reply(call, &reply.base, -1);
}

static int take_costs(struct auth *auth)
{
	uint8_t random[16];
	auth->cost.memory_kib = (uint32_t)(conf_u64(auth->room->conf, "auth.argon2_memory") / 1024);
	auth->cost.passes = (uint32_t)conf_u64(auth->room->conf, "auth.argon2_passes");
	rng_bytes(random, sizeof(random));
	buf_clear(&auth->dummy);
	return hash_password(slice_of(random, sizeof(random)), &auth->cost, &auth->dummy);
}

static int init(struct room *room)
{
	struct auth *auth = calloc(1, sizeof(*auth));
	bug_if(!auth);
	/* The memory of one Argon2 goes back to the kernel behind each hash; else it would stay for good. */
	IGNORE(mallopt(M_MMAP_THRESHOLD, 1 << 20) == 0, "only costs memory");
	room->state = auth;
	auth->room = room;
	auth->dummy = BUF_INIT(HASH_MAX);
	auth->cache = cache_new();
	/* What OpenSSL loads lazily is loaded before the sandbox. */
	IGNORE(verify_password(SLICE("{PLAIN-MD5}fece0a49029effcf4165481714717e79"), SLICE("x")),
	       "warms up");
	return take_costs(auth);
}

static void on_reload(struct room *room)
{
	struct auth *auth = room->state;
	if (take_costs(auth) < 0)
		ev(EV_ERROR, "auth.costs.refused");
}

static void on_stats(struct room *room, struct stats *stats)
{
	const struct auth *auth = room->state;
	stats_add(stats, "logins_right", auth->right);
	stats_add(stats, "logins_wrong", auth->wrong);
	stats_add(stats, "codes_wrong", auth->second);
	stats_add(stats, "logins_limited", auth->limited);
	stats_add(stats, "logins_cached", auth->cached);
	stats_add(stats, "rehashed", auth->rehashed);
}

static ipc_handler_fn *const handlers[POSTERN__AUTH_OP__AUTH_VERIFY + 1] = {
	[POSTERN__AUTH_OP__AUTH_VERIFY] = handle_verify,
	[POSTERN__AUTH_OP__AUTH_LOGIN] = handle_login,
	[POSTERN__AUTH_OP__AUTH_HASH] = handle_hash,
};

static const struct sandbox_policy sandbox = { .allow = 0, .nofile = 4096 };

const struct room_ops auth_ops = {
	.sandbox = &sandbox,
	.serves = &auth_contract,
	.handlers = handlers,
	.init = init,
	.on_reload = on_reload,
	.on_stats = on_stats,
};
