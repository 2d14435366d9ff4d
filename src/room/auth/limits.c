/* SPDX-License-Identifier: Apache-2.0 */
/* Counters in a bounded map; when it is full it starts afresh, which loses counts and never a login. */
#include "room/auth/limits.h"

#include "base/buf.h"
#include "base/map.h"
#include "lib/io/listener.h"

#include <arpa/inet.h>

struct limits {
	struct map *counts;
	struct conn_limiter *exempt; /* only for its list of networks */
};

struct count {
	int64_t since_ms;
	unsigned failures;
};

struct limits *limits_new(const char *exempt_networks)
{
	struct limits *l = calloc(1, sizeof(*l));
	bug_if(!l);
	l->counts = map_new();
	l->exempt = conn_limiter_new(1, exempt_networks);
	return l;
}

static void clear(struct limits *l)
{
	size_t at = 0;
	void *value;
	while (map_next(l->counts, &at, NULL, &value))
		free(value);
	map_free(&l->counts);
	l->counts = map_new();
}

void limits_free(struct limits **l)
{
	if (!*l)
		return;
	clear(*l);
	map_free(&(*l)->counts);
	conn_limiter_free(&(*l)->exempt);
	free(*l);
	*l = NULL;
}

void limits_exempt(struct limits *l, const char *exempt_networks)
{
	conn_limiter_free(&l->exempt);
	l->exempt = conn_limiter_new(1, exempt_networks);
}

/* The network as bytes: 4 of IPv4, the first 8 of IPv6; false where it is exempt or no address. */
static bool network_of(const struct limits *l, struct slice remote, uint8_t ret[8], size_t *ret_n)
{
	char text[INET6_ADDRSTRLEN + 1] = { 0 };
	struct sockaddr_storage addr = { 0 };
	struct sockaddr_in *v4 = (struct sockaddr_in *)&addr;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&addr;
	if (!remote.n || remote.n >= sizeof(text))
		return false;
	memcpy(text, remote.p, remote.n);
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		addr.ss_family = AF_INET;
		memcpy(ret, &v4->sin_addr, *ret_n = 4);
	} else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
		addr.ss_family = AF_INET6;
		memcpy(ret, &v6->sin6_addr, *ret_n = 8);
	} else {
		return false;
	}
	return !conn_limiter_exempt(l->exempt, &addr);
}

static struct count *count_of(struct limits *l, struct slice key, int64_t now_ms, bool make)
{
	struct count *c = map_get(l->counts, key);
	if (c && (now_ms - c->since_ms >= LIMITS_WINDOW_MS || now_ms < c->since_ms)) {
		free(map_remove(l->counts, key));
		c = NULL;
	}
	if (c || !make)
		return c;
	if (map_count(l->counts) >= LIMITS_ENTRIES_MAX)
		clear(l);
	c = calloc(1, sizeof(*c));
	bug_if(!c);
	c->since_ms = now_ms;
	map_put(l->counts, key, c);
	return c;
}

/* Network, then the login in lower case. */
static struct slice login_key(struct buf *key, const uint8_t *network, size_t n, struct slice login)
{
	buf_append(key, network, n);
	buf_byte(key, '/');
	for (size_t i = 0; i < login.n && i < 320; i++)
		buf_byte(key, ascii_lower(login.p[i]));
	return buf_view(key);
}

bool limits_allow(struct limits *l, struct slice remote, struct slice login, int64_t now_ms)
{
	uint8_t network[8];
	size_t n = 0;
	if (!network_of(l, remote, network, &n))
		return true;
	struct buf key = BUF_INIT(400);
	struct count *of_network = count_of(l, slice_of(network, n), now_ms, false);
	bool over = of_network && of_network->failures >= LIMITS_NETWORK_MAX;
	struct count *of_login = count_of(l, login_key(&key, network, n, login), now_ms, false);
	over |= of_login && of_login->failures >= LIMITS_LOGIN_MAX;
	buf_fini(&key);
	return !over;
}

unsigned limits_failed(struct limits *l, struct slice remote, struct slice login, int64_t now_ms)
{
	uint8_t network[8];
	size_t n = 0;
	if (!network_of(l, remote, network, &n))
		return 0;
	struct buf key = BUF_INIT(400);
	count_of(l, slice_of(network, n), now_ms, true)->failures++;
	unsigned failures =
		++count_of(l, login_key(&key, network, n, login), now_ms, true)->failures;
	buf_fini(&key);
	unsigned delay = failures * LIMITS_DELAY_MS;
	return delay < LIMITS_DELAY_MAX_MS ? delay : LIMITS_DELAY_MAX_MS;
}

void limits_succeeded(struct limits *l, struct slice remote, struct slice login)
{
	uint8_t network[8];
	size_t n = 0;
	if (!network_of(l, remote, network, &n))
		return;
	struct buf key = BUF_INIT(400);
	free(map_remove(l->counts, login_key(&key, network, n, login)));
	buf_fini(&key);
}
