/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counts in one bounded map. A key is a kind, the length of a network, the network, and what else the kind is about.
 * Where the map is full, what has run out goes; then what refuses nobody yet, the smallest kinds first; then all.
 */
#include "room/directory/login/limiter.h"

#include "base/buf.h"
#include "base/compiler.h"
#include "base/map.h"
#include "lib/io/listener.h"

#include <arpa/inet.h>

enum { KEY_MAX = 2 + 8 + 1 + LIMITER_WHO_MAX + 32 };

struct limiter {
	struct map *counts;
	struct conn_limiter *exempt; /* only for its list of networks */
};

struct count {
	int64_t since_ms, let_ms; /* let_ms: the last stranger that was let through */
	unsigned failures;
};

static const unsigned most[] = {
	[LIMITER_PAIR] = LIMITER_PAIR_MAX,	   [LIMITER_NETWORK] = LIMITER_NETWORK_MAX,
	[LIMITER_WIDE] = LIMITER_WIDE_MAX,	   [LIMITER_ACCOUNT] = LIMITER_ACCOUNT_MAX,
	[LIMITER_PASSWORD] = LIMITER_PASSWORD_MAX, [LIMITER_SEEN] = UINT32_MAX,
};

struct net {
	uint8_t bytes[8];
	size_t near, wide; /* bytes of each */
};

struct key {
	uint8_t bytes[KEY_MAX];
	size_t n;
};

struct limiter *limiter_new(const char *exempt_networks)
{
	struct limiter *l = calloc(1, sizeof(*l));
	bug_if(!l);
	l->counts = map_new();
	l->exempt = conn_limiter_new(1, exempt_networks);
	return l;
}

static void forget_all(struct limiter *l)
{
	size_t at = 0;
	void *value;
	while (map_next(l->counts, &at, NULL, &value))
		free(value);
	map_free(&l->counts);
	l->counts = map_new();
}

void limiter_free(struct limiter **l)
{
	if (!*l)
		return;
	forget_all(*l);
	map_free(&(*l)->counts);
	conn_limiter_free(&(*l)->exempt);
	free(*l);
	*l = NULL;
}

void limiter_exempt(struct limiter *l, const char *exempt_networks)
{
	conn_limiter_free(&l->exempt);
	l->exempt = conn_limiter_new(1, exempt_networks);
}

static bool parse(struct slice remote, struct sockaddr_storage *ret, struct net *ret_net)
{
	char text[INET6_ADDRSTRLEN + 1] = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	*ret = (struct sockaddr_storage){ 0 };
	*ret_net = (struct net){ 0 };
	if (!remote.n || remote.n >= sizeof(text))
		return false;
	memcpy(text, remote.p, remote.n);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		ret->ss_family = AF_INET;
		memcpy(ret_net->bytes, &v4->sin_addr, 4);
		ret_net->near = 4;
		ret_net->wide = 3;
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		ret->ss_family = AF_INET6;
		memcpy(ret_net->bytes, &v6->sin6_addr, 8);
		ret_net->near = 8;
		ret_net->wide = 6;
	} else {
		return false;
	}
	return true;
}

size_t limiter_home(struct slice remote, uint8_t ret[LIMITER_HOME_MAX])
{
	struct sockaddr_storage addr;
	struct net net;
	if (!parse(remote, &addr, &net))
		return 0;
	size_t n = net.near == 4 ? net.wide : net.near;
	ret[0] = net.near == 4 ? 4 : 6;
	memcpy(ret + 1, net.bytes, n);
	return n + 1;
}

static struct slice key_of(struct key *k, enum limiter_kind kind, const struct net *net, size_t net_n, struct slice who,
			   struct slice tag)
{
	k->n = 0;
	k->bytes[k->n++] = (uint8_t)kind;
	k->bytes[k->n++] = (uint8_t)net_n;
	if (net_n)
		memcpy(k->bytes + k->n, net->bytes, net_n);
	k->n += net_n;
	for (size_t i = 0; i < tag.n && i < 32; i++)
		k->bytes[k->n++] = tag.p[i];
	for (size_t i = 0; i < who.n && i < LIMITER_WHO_MAX; i++)
		k->bytes[k->n++] = ascii_lower(who.p[i]);
	return slice_of(k->bytes, k->n);
}

/* --- counts ----------------------------------------------------------------------------------------- */

static bool is_over(const struct count *c, int64_t now_ms)
{
	return now_ms - c->since_ms >= LIMITER_WINDOW_MS || now_ms < c->since_ms;
}

enum sweep { SWEEP_OVER, SWEEP_PAIRS, SWEEP_HARMLESS };

static void sweep(struct limiter *l, int64_t now_ms, enum sweep how)
{
	size_t at = 0;
	struct slice key;
	void *value;
	while (map_next(l->counts, &at, &key, &value)) {
		const struct count *c = value;
		enum limiter_kind kind = key.p[0];
		bool refuses = c->failures >= most[kind];
		bool small = how == SWEEP_HARMLESS || kind == LIMITER_PAIR || kind == LIMITER_SEEN;
		if (is_over(c, now_ms) || (how != SWEEP_OVER && small && !refuses))
			free(map_remove(l->counts, key));
	}
}

static void make_room(struct limiter *l, int64_t now_ms)
{
	if (map_count(l->counts) < LIMITER_ENTRIES_MAX)
		return;
	for (enum sweep how = SWEEP_OVER; how <= SWEEP_HARMLESS; how++)
		if (map_count(l->counts) >= LIMITER_ENTRIES_MAX / 2)
			sweep(l, now_ms, how);
	if (map_count(l->counts) >= LIMITER_ENTRIES_MAX / 2)
		forget_all(l);
}

static struct count *count_of(struct limiter *l, struct slice key, int64_t now_ms, bool make)
{
	struct count *c = map_get(l->counts, key);
	if (c && is_over(c, now_ms)) {
		free(map_remove(l->counts, key));
		c = NULL;
	}
	if (c || !make)
		return c;
	make_room(l, now_ms);
	c = calloc(1, sizeof(*c));
	bug_if(!c);
	c->since_ms = now_ms;
	map_put(l->counts, key, c);
	return c;
}

static bool is_full(struct limiter *l, struct slice key, int64_t now_ms)
{
	const struct count *c = count_of(l, key, now_ms, false);
	return c && c->failures >= most[key.p[0]];
}

static unsigned add(struct limiter *l, struct slice key, int64_t now_ms)
{
	struct count *c = count_of(l, key, now_ms, true);
	return c->failures < UINT32_MAX ? ++c->failures : c->failures;
}

static void take_back(struct limiter *l, struct slice key, int64_t now_ms)
{
	struct count *c = count_of(l, key, now_ms, false);
	if (c && c->failures && --c->failures == 0)
		free(map_remove(l->counts, key));
}

/* --- tries ------------------------------------------------------------------------------------------ */

struct keys {
	struct key pair, near, wide, account, password, seen, used;
};

static void keys_of(struct keys *k, const struct net *net, const struct limiter_try *t)
{
	struct slice none = { 0 };
	key_of(&k->pair, LIMITER_PAIR, net, net->near, t->who, none);
	key_of(&k->near, LIMITER_NETWORK, net, net->near, none, none);
	key_of(&k->wide, LIMITER_WIDE, net, net->wide, none, none);
	key_of(&k->account, LIMITER_ACCOUNT, net, 0, t->who, none);
	key_of(&k->password, LIMITER_PASSWORD, net, 0, none, t->tag);
	key_of(&k->seen, LIMITER_SEEN, net, net->near, t->who, t->tag);
	key_of(&k->used, LIMITER_SEEN, net, 0, t->who, t->tag);
}

#define KEY(k) slice_of((k).bytes, (k).n)

/* An account that many strangers try: one of them a minute, so that its user is only slowed when he is one of them. */
static bool stranger_waits(struct limiter *l, const struct keys *k, int64_t now_ms)
{
	struct count *c = count_of(l, KEY(k->account), now_ms, false);
	if (!c || c->failures < LIMITER_ACCOUNT_MAX)
		return false;
	if (now_ms - c->let_ms < LIMITER_TRICKLE_MS && now_ms >= c->let_ms)
		return true;
	c->let_ms = now_ms;
	return false;
}

static bool is_refused(struct limiter *l, const struct keys *k, const struct limiter_try *t, int64_t now_ms)
{
	if (is_full(l, KEY(k->pair), now_ms) || is_full(l, KEY(k->near), now_ms))
		return true;
	if (t->known)
		return false;
	return is_full(l, KEY(k->wide), now_ms) || (t->tag.n && is_full(l, KEY(k->password), now_ms)) ||
	       stranger_waits(l, k, now_ms);
}

static unsigned count_try(struct limiter *l, const struct keys *k, const struct limiter_try *t, int64_t now_ms)
{
	if (t->tag.n && count_of(l, KEY(k->seen), now_ms, false)) {
		const struct count *c = count_of(l, KEY(k->pair), now_ms, false);
		return c ? c->failures : 1;
	}
	if (t->tag.n)
		add(l, KEY(k->seen), now_ms);
	if (t->tag.n && add(l, KEY(k->used), now_ms) == 1)
		add(l, KEY(k->password), now_ms);
	add(l, KEY(k->account), now_ms);
	return add(l, KEY(k->pair), now_ms);
}

struct limiter_verdict limiter_try(struct limiter *l, const struct limiter_try *t, int64_t now_ms)
{
	struct sockaddr_storage addr;
	struct net net;
	struct keys k;
	struct limiter_verdict v = { 0 };
	if (!parse(t->remote, &addr, &net) || conn_limiter_exempt(l->exempt, &addr))
		return v;
	keys_of(&k, &net, t);
	v.refused = is_refused(l, &k, t, now_ms);
	unsigned delay = v.refused ? LIMITER_REFUSED_MS : count_try(l, &k, t, now_ms) * LIMITER_DELAY_MS;
	v.delay_ms = delay < LIMITER_DELAY_MAX_MS ? delay : LIMITER_DELAY_MAX_MS;
	return v;
}

void limiter_wrong(struct limiter *l, const struct limiter_try *t, int64_t now_ms)
{
	struct sockaddr_storage addr;
	struct net net;
	struct keys k;
	if (!parse(t->remote, &addr, &net) || conn_limiter_exempt(l->exempt, &addr))
		return;
	keys_of(&k, &net, t);
	add(l, KEY(k.near), now_ms);
	add(l, KEY(k.wide), now_ms);
}

void limiter_right(struct limiter *l, const struct limiter_try *t, int64_t now_ms)
{
	struct sockaddr_storage addr;
	struct net net;
	struct keys k;
	if (!parse(t->remote, &addr, &net) || conn_limiter_exempt(l->exempt, &addr))
		return;
	keys_of(&k, &net, t);
	/* Of several at once with the same password only the first was counted. */
	if (!t->tag.n || count_of(l, KEY(k.seen), now_ms, false))
		take_back(l, KEY(k.account), now_ms);
	if (t->tag.n && count_of(l, KEY(k.used), now_ms, false))
		take_back(l, KEY(k.password), now_ms);
	free(map_remove(l->counts, KEY(k.used)));
	free(map_remove(l->counts, KEY(k.seen)));
	free(map_remove(l->counts, KEY(k.pair)));
}

/* --- the operator's view ---------------------------------------------------------------------------- */

static struct slice network_text(struct arena *a, struct slice key)
{
	char text[INET6_ADDRSTRLEN] = "";
	uint8_t bytes[16] = { 0 };
	size_t n = key.p[1];
	bool v4 = n == 4 || n == 3;
	if (!n)
		return (struct slice){ 0 };
	memcpy(bytes, key.p + 2, n);
	IGNORE(!inet_ntop(v4 ? AF_INET : AF_INET6, bytes, text, sizeof(text)), "always fits");
	return slice_str(arena_printf(a, "%s/%zu", text, n * 8));
}

void limiter_list(struct limiter *l, struct arena *a, int64_t now_ms, struct limiter_entry **ret, size_t *ret_n)
{
	struct limiter_entry *rows = ARENA_ARRAY(a, struct limiter_entry, map_count(l->counts) + 1);
	size_t at = 0, n = 0;
	struct slice key;
	void *value;
	while (map_next(l->counts, &at, &key, &value)) {
		const struct count *c = value;
		enum limiter_kind kind = key.p[0];
		if (kind == LIMITER_SEEN || c->failures < most[kind] || is_over(c, now_ms))
			continue;
		struct slice rest = slice_sub(key, 2u + key.p[1], key.n);
		rows[n++] = (struct limiter_entry){
			.kind = kind,
			.network = network_text(a, key),
			.who = kind == LIMITER_PAIR || kind == LIMITER_ACCOUNT ? arena_dup(a, rest) :
										 (struct slice){ 0 },
			.failures = c->failures,
			.until_ms = c->since_ms + LIMITER_WINDOW_MS,
		};
	}
	*ret = rows;
	*ret_n = n;
}

static bool is_about(struct slice key, struct slice who, const struct net *net)
{
	struct slice rest = slice_sub(key, 2u + key.p[1], key.n);
	if (who.n && rest.n >= who.n && slice_eq_ci(slice_sub(rest, rest.n - who.n, rest.n), who))
		return true;
	return net && key.p[1] && memcmp(key.p + 2, net->bytes, key.p[1]) == 0 &&
	       (key.p[1] == net->near || key.p[1] == net->wide);
}

size_t limiter_clear(struct limiter *l, struct slice who, struct slice remote)
{
	struct sockaddr_storage addr;
	struct net net;
	size_t at = 0, n = 0;
	struct slice key;
	void *value;
	bool has_net = remote.n && parse(remote, &addr, &net);
	while (map_next(l->counts, &at, &key, &value)) {
		if ((who.n || remote.n) && !is_about(key, who, has_net ? &net : NULL))
			continue;
		n += key.p[0] != LIMITER_SEEN;
		free(map_remove(l->counts, key));
	}
	return n;
}
