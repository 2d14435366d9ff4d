/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which servers of a destination are tried in which order (RFC 5321 5.1, RFC 7505): MX hosts by preference, each
 * with its addresses; a domain without MX is its own host; the null MX refuses at once; hosts of our own name
 * and whatever is not preferred to them are left out, so that mail does not come round in a circle.
 */
#include "room/relay/relay.h"

#include "base/err.h"

enum { PLAN_TRIES_MAX = 10 };	/* addresses that one attempt may try */

struct plan {
	struct dest *dest;
	plan_fn *fn;
	void *ctx;
	struct resolve *asking;
	bool mx_known, no_mx;
	struct resolve_mx mx[RESOLVE_MAX];
	size_t n_mx, at_mx;
	struct sockaddr_storage addrs[RESOLVE_MAX];
	size_t n_addrs, at_addr, tries, refused;
	bool dns_trouble;
};

struct plan *plan_new(struct dest *d, plan_fn *fn, void *ctx)
{
	struct plan *p = calloc(1, sizeof(*p));
	bug_if(!p);
	p->dest = d;
	p->fn = fn;
	p->ctx = ctx;
	return p;
}

void plan_free(struct plan **p)
{
	if (!*p)
		return;
	resolve_cancel(&(*p)->asking);
	free(*p);
	*p = NULL;
}

static void none(struct plan *p, enum smtp_outcome outcome, const char *enhanced, const char *text)
{
	struct smtp_result r = relay_result(outcome, enhanced, text);
	p->fn(p->ctx, NULL, &r);
}

static void host_next(struct plan *p);

static void give(struct plan *p)
{
	struct plan_addr a = { .host = p->mx[p->at_mx - 1].host, .addr = p->addrs[p->at_addr++] };
	p->tries++;
	p->fn(p->ctx, &a, NULL);
}

static void on_addrs(void *ctx, int err, const struct sockaddr_storage *addrs, size_t n)
{
	struct plan *p = ctx;
	p->asking = NULL;
	p->n_addrs = p->at_addr = 0;
	p->dns_trouble |= err == ERR_UNAVAILABLE;
	for (size_t i = 0; i < n; i++)
		if (dest_address_allowed(p->dest, &addrs[i]))
			p->addrs[p->n_addrs++] = addrs[i];
		else
			p->refused++;
	if (p->n_addrs)
		give(p);
	else
		host_next(p);
}

static void nothing_left(struct plan *p)
{
	if (p->dns_trouble)
		none(p, SMTP_LATER, "4.4.3", "DNS does not answer for the server's name");
	else if (p->no_mx && p->dest->mx && !p->tries && !p->refused)
		none(p, SMTP_FAILED, "5.1.2", "The domain has neither MX nor address records");
	else if (p->refused && !p->tries)
		none(p, SMTP_LATER, "4.4.4", "The mail exchanger's address is a private one");
	else
		none(p, SMTP_LATER, "4.4.4", "No server of the destination has an address");
}

static void host_next(struct plan *p)
{
	if (p->at_mx >= p->n_mx) {
		nothing_left(p);
		return;
	}
	const char *host = p->mx[p->at_mx++].host;
	p->asking = resolve_addr(p->dest->relay->resolver, host, p->dest->port, on_addrs, p);
}

static void only_host(struct plan *p, const char *host)
{
	p->n_mx = 1;
	p->mx[0].preference = 0;
	snprintf(p->mx[0].host, sizeof(p->mx[0].host), "%s", host);
}

/* RFC 5321 5.1: ourselves, and all that are not preferred to us. */
static void cut_loop(struct plan *p)
{
	struct slice us = slice_str(conf_str(p->dest->relay->room->conf, "host.name"));
	for (size_t i = 0; i < p->n_mx; i++) {
		if (!slice_eq_ci(slice_str(p->mx[i].host), us))
			continue;
		uint16_t ours = p->mx[i].preference;
		p->n_mx = 0;
		while (p->mx[p->n_mx].preference < ours)
			p->n_mx++;
		return;
	}
}

static void on_mx(void *ctx, int err, const struct resolve_mx *mx, size_t n)
{
	struct plan *p = ctx;
	p->asking = NULL;
	p->mx_known = true;
	if (err == ERR_UNAVAILABLE) {
		none(p, SMTP_LATER, "4.4.3", "DNS does not answer for the domain's MX");
		return;
	}
	if (n == 1 && !mx[0].host[0]) {
		none(p, SMTP_FAILED, "5.1.10", "The domain takes no mail (null MX)");
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (mx[i].host[0])
			p->mx[p->n_mx++] = mx[i];
	p->no_mx = !p->n_mx;
	if (p->no_mx)
		only_host(p, p->dest->host);
	cut_loop(p);
	if (p->n_mx)
		host_next(p);
	else
		none(p, SMTP_FAILED, "5.4.6", "Mail for the domain loops back to this server");
}

void plan_next(struct plan *p)
{
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	if (p->mx_known) {
		if (p->tries >= PLAN_TRIES_MAX)
			nothing_left(p);
		else if (p->at_addr < p->n_addrs)
			give(p);
		else
			host_next(p);
		return;
	}
	bool literal = !uv_ip4_addr(p->dest->host, 0, &v4) || !uv_ip6_addr(p->dest->host, 0, &v6);
	if (p->dest->mx && !literal) {
		p->asking = resolve_mx(p->dest->relay->resolver, p->dest->host, on_mx, p);
		return;
	}
	p->mx_known = true;
	only_host(p, p->dest->host);
	host_next(p);
}
