/* SPDX-License-Identifier: Apache-2.0 */
/* Names to addresses and MX, over c-ares inside the loop; servers from dns.servers of postern.conf. */
#ifndef LIB_DNS_RESOLVE_H
#define LIB_DNS_RESOLVE_H

#include "base/slice.h"

#include <uv.h>

struct resolver;
struct resolve;

enum { RESOLVE_MAX = 20 };
struct resolve_mx {
	uint16_t preference;
	char host[256];		/* "" with preference 0: null MX (RFC 7505) */
};

/* servers: "127.0.0.1:5353 192.0.2.53", "" for /etc/resolv.conf (read here, before the sandbox). */
NODISCARD int resolver_new(uv_loop_t *loop, const char *servers, struct resolver **ret);
void resolver_free(struct resolver **r);

/* err 0, ERR_NOT_FOUND (no such name, or no such record: never temporary), ERR_UNAVAILABLE (SERVFAIL, timeout). Sorted. */
typedef void resolve_mx_fn(void *ctx, int err, const struct resolve_mx *mx, size_t n);
typedef void resolve_addr_fn(void *ctx, int err, const struct sockaddr_storage *addrs, size_t n);
struct resolve *resolve_mx(struct resolver *r, const char *domain, resolve_mx_fn *fn, void *ctx);
struct resolve *resolve_addr(struct resolver *r, const char *host, uint16_t port, resolve_addr_fn *fn, void *ctx); /* literals too */
void resolve_cancel(struct resolve **q);	/* fn is not called; accepts NULL */

#endif
