/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Destinations: a customer's server (host and port) or a domain's mail exchangers, each with a bounded number
 * of sessions. A destination lives while it has attempts or sessions. Threat: F16, H06: mail for a domain
 * whose MX names a private or a loopback address does not reach our own neighbours.
 */
#include "room/relay/relay.h"

#include "base/codec.h"
#include "base/err.h"

#include <idn2.h>
#include <netinet/in.h>

static char *host_of(struct slice name)
{
	char *text = slice_dup_str(name), *ascii = NULL;
	if (!text || ascii_only(name))
		return text;
	int rc = idn2_to_ascii_8z(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
	free(text);
	char *copy = rc == IDN2_OK ? strdup(ascii) : NULL;
	idn2_free(ascii);
	return copy;
}

static bool host_ok(const char *host)
{
	if (!host || !*host || strlen(host) >= RELAY_HOST_MAX)
		return false;
	for (const char *p = host; *p; p++)
		if (!ascii_is_alpha((uint8_t)*p) && !ascii_is_digit((uint8_t)*p) &&
		    !strchr("-._:", *p))
			return false;
	return true;
}

/* RFC 5321 4.1.3: an address literal has no MX. */
static struct slice literal_of(struct slice domain)
{
	if (domain.n < 3 || domain.p[0] != '[' || domain.p[domain.n - 1] != ']')
		return (struct slice){ 0 };
	struct slice inner = slice_sub(domain, 1, domain.n - 1);
	if (slice_starts_ci(inner, SLICE("IPv6:")))
		inner = slice_sub(inner, 5, inner.n);
	return inner;
}

static struct dest *dest_new(struct relay *relay, struct slice key, char *host,
			     const Postern__AttemptRequest *req)
{
	struct dest *d = calloc(1, sizeof(*d));
	uint8_t *copy = malloc(key.n);
	bug_if(!d || !copy);
	memcpy(copy, key.p, key.n);
	d->relay = relay;
	d->key = slice_of(copy, key.n);
	d->host = host;
	d->mx = !req->host[0];
	d->port = (uint16_t)(d->mx       ? conf_u64(relay->room->conf, "relay.port")
			     : req->port ? req->port
					 : 25);
	d->tls = (enum smtp_client_tls)req->tls;
	list_init(&d->waiting);
	list_init(&d->sessions);
	map_put(relay->dests, d->key, d);
	return d;
}

int dest_of(struct relay *relay, const Postern__AttemptRequest *req, struct dest **ret)
{
	bool mx = !req->host[0];
	struct slice domain = slice_of(req->domain.data, req->domain.len);
	struct slice literal = mx ? literal_of(domain) : (struct slice){ 0 };
	char *host = mx ? host_of(literal.n ? literal : domain) : strdup(req->host);
	if (!host_ok(host) || req->port > 65535 || req->tls > SMTP_TLS_VERIFIED) {
		free(host);
		return ERR_INVALID;
	}
	for (char *p = host; *p; p++)
		*p = (char)ascii_lower((uint8_t)*p);
	char key[RELAY_HOST_MAX + 32];
	snprintf(key, sizeof(key), "%s %s %u %u", mx ? "mx" : "to", host, req->port, req->tls);
	struct dest *d = map_get(relay->dests, slice_str(key));
	if (d)
		free(host);
	else
		d = dest_new(relay, slice_str(key), host, req);
	*ret = d;
	return 0;
}

void dest_add(struct dest *d, struct attempt *a)
{
	a->dest = d;
	list_append(&d->waiting, &a->node);
	dest_run(d);
}

void dest_again(struct dest *d, struct attempt *a)
{
	a->again = true;
	a->sent = 0;
	list_prepend(&d->waiting, &a->node);
}

struct attempt *dest_next(struct dest *d)
{
	struct attempt *a = list_first(&d->waiting, struct attempt, node);
	if (a)
		list_remove(&a->node);
	return a;
}

/* Whoever waits behind a server that does not answer learns it at once instead of trying again. */
void dest_fail_waiting(struct dest *d, const struct smtp_result *why, bool unreachable)
{
	for (struct attempt *a; (a = dest_next(d));)
		attempt_fail(&a, why, d->host, unreachable);
}

static void dest_free(struct dest *d)
{
	map_remove(d->relay->dests, d->key);
	free((void *)d->key.p);
	free(d->host);
	free(d);
}

void dest_run(struct dest *d)
{
	uint64_t limit = conf_u64(d->relay->room->conf, "queue.per_host");
	while (!list_empty(&d->waiting)) {
		struct attempt *a = dest_next(d);
		if (!a->again && session_take(d, a))
			continue;
		if (d->n_sessions >= limit) {
			list_prepend(&d->waiting, &a->node);
			break;
		}
		session_start(d, a);
	}
	if (list_empty(&d->waiting) && !d->n_sessions)
		dest_free(d);
}

static bool private_v4(uint32_t a)
{
	static const struct {
		uint32_t net;
		unsigned bits;
	} nets[] = {
		{ 0x00000000, 8 },  { 0x0a000000, 8 },	{ 0x64400000, 10 }, { 0x7f000000, 8 },
		{ 0xa9fe0000, 16 }, { 0xac100000, 12 }, { 0xc0a80000, 16 }, { 0xe0000000, 3 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(nets); i++)
		if ((a ^ nets[i].net) >> (32 - nets[i].bits) == 0)
			return true;
	return false;
}

static bool private_v6(const struct in6_addr *a)
{
	const uint8_t *b = a->s6_addr;
	if (IN6_IS_ADDR_V4MAPPED(a))
		return private_v4((uint32_t)b[12] << 24 | (uint32_t)b[13] << 16 |
				  (uint32_t)b[14] << 8 | b[15]);
	/* Only global unicast, 2000::/3, is elsewhere. */
	return b[0] >> 5 != 1;
}

bool dest_address_allowed(const struct dest *d, const struct sockaddr_storage *addr)
{
	if (!d->mx || conf_bool(d->relay->room->conf, "relay.private_mx"))
		return true;
	if (addr->ss_family == AF_INET)
		return !private_v4(ntohl(((const struct sockaddr_in *)addr)->sin_addr.s_addr));
	return !private_v6(&((const struct sockaddr_in6 *)addr)->sin6_addr);
}
