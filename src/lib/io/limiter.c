/* SPDX-License-Identifier: Apache-2.0 */
/* Connections per address: IPv4 by host, IPv6 by /64 (whoever has one host has the /64; L05). Exempt ones are counted, too: they may
 * not be exempt any more when they end. */
#include "base/err.h"
#include "base/map.h"
#include "lib/io/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>

enum { NETWORKS_MAX = 64 };

struct network {
	uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;
};

struct conn_limiter {
	unsigned per_address;
	struct map *counts; /* 8 or 16 bytes of address -> count as a pointer value */
	struct network exempt[NETWORKS_MAX];
	size_t n_exempt;
};

static bool to_v6(const struct sockaddr_storage *addr, uint8_t ret[16])
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	if (addr->ss_family == AF_INET6) {
		memcpy(ret, &((const struct sockaddr_in6 *)addr)->sin6_addr, 16);
		return true;
	}
	if (addr->ss_family != AF_INET)
		return false;
	memcpy(ret, mapped, 12);
	memcpy(ret + 12, &((const struct sockaddr_in *)addr)->sin_addr, 4);
	return true;
}

static bool in_network(const struct network *net, const uint8_t addr[16])
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;
	if (memcmp(net->bytes, addr, whole) != 0)
		return false;
	return !rest || ((net->bytes[whole] ^ addr[whole]) >> (8 - rest)) == 0;
}

static int parse_network(struct slice s, struct network *ret)
{
	char host[64];
	struct sockaddr_storage ss = { 0 };
	ptrdiff_t slash = slice_find_byte(s, '/', 0);
	struct slice name = slash < 0 ? s : slice_sub(s, 0, (size_t)slash);
	if (name.n >= sizeof(host))
		return ERR_SYNTAX;
	snprintf(host, sizeof(host), SLICE_FMT, SLICE_ARG(name));
	unsigned width = 32;
	if (inet_pton(AF_INET, host, &((struct sockaddr_in *)&ss)->sin_addr) == 1) {
		ss.ss_family = AF_INET;
	} else if (inet_pton(AF_INET6, host, &((struct sockaddr_in6 *)&ss)->sin6_addr) == 1) {
		ss.ss_family = AF_INET6;
		width = 128;
	} else {
		return ERR_SYNTAX;
	}
	uint64_t bits = width;
	if (slash >= 0 && slice_u64(slice_sub(s, (size_t)slash + 1, s.n), width, &bits) < 0)
		return ERR_SYNTAX;
	to_v6(&ss, ret->bytes);
	ret->bits = (unsigned)bits + (width == 32 ? 96 : 0);
	return ERR_OK;
}

static void parse_exempt(struct conn_limiter *l, const char *text)
{
	struct slice s = slice_str(text);
	for (size_t at = 0; at < s.n && l->n_exempt < NETWORKS_MAX;) {
		size_t end = at;
		while (end < s.n && s.p[end] != ' ' && s.p[end] != ',')
			end++;
		if (end > at && parse_network(slice_sub(s, at, end), &l->exempt[l->n_exempt]) == 0)
			l->n_exempt++;
		at = end + 1;
	}
}

struct conn_limiter *conn_limiter_new(unsigned per_address, const char *exempt_networks)
{
	struct conn_limiter *l = calloc(1, sizeof(*l));
	bug_if(!l);
	l->per_address = per_address;
	l->counts = map_new();
	parse_exempt(l, exempt_networks);
	return l;
}

void conn_limiter_set(struct conn_limiter *l, unsigned per_address, const char *exempt_networks)
{
	l->per_address = per_address;
	l->n_exempt = 0;
	parse_exempt(l, exempt_networks);
}

void conn_limiter_free(struct conn_limiter **lp)
{
	if (!*lp)
		return;
	struct conn_limiter *l = TAKE(*lp);
	map_free(&l->counts);
	free(l);
}

bool conn_limiter_exempt(const struct conn_limiter *l, const struct sockaddr_storage *addr)
{
	uint8_t v6[16];
	if (!to_v6(addr, v6))
		return true; /* a socket of this machine's file system */
	for (size_t i = 0; i < l->n_exempt; i++)
		if (in_network(&l->exempt[i], v6))
			return true;
	return false;
}

static struct slice count_key(const struct sockaddr_storage *addr, uint8_t v6[16])
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	to_v6(addr, v6);
	return slice_of(v6, memcmp(v6, mapped, 12) == 0 ? 16 : 8);
}

bool conn_limiter_enter(struct conn_limiter *l, const struct sockaddr_storage *addr)
{
	uint8_t v6[16];
	if (!to_v6(addr, v6))
		return true;
	struct slice key = count_key(addr, v6);
	uintptr_t n = (uintptr_t)map_get(l->counts, key);
	if (n >= l->per_address && !conn_limiter_exempt(l, addr))
		return false;
	map_put(l->counts, key, (void *)(n + 1));
	return true;
}

void conn_limiter_leave(struct conn_limiter *l, const struct sockaddr_storage *addr)
{
	uint8_t v6[16];
	if (!to_v6(addr, v6))
		return;
	struct slice key = count_key(addr, v6);
	uintptr_t n = (uintptr_t)map_get(l->counts, key);
	if (n > 1)
		map_put(l->counts, key, (void *)(n - 1));
	else if (n == 1)
		map_remove(l->counts, key);
}
