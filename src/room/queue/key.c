/* SPDX-License-Identifier: Apache-2.0 */
#include "room/queue/key.h"

#include "ipc/directory.pb-c.h"

struct slice address_domain(struct slice address, char *to, size_t cap)
{
	size_t at = address.n;
	while (at && address.p[at - 1] != '@')
		at--;
	struct slice domain = slice_sub(address, at, address.n);
	if (!at || domain.n > cap)
		domain.n = 0;
	for (size_t i = 0; i < domain.n; i++)
		to[i] = (char)ascii_lower(domain.p[i]);
	return slice_of(to, domain.n);
}

size_t route_key(char key[QUEUE_KEY_MAX], struct slice domain)
{
	return (size_t)snprintf(key, QUEUE_KEY_MAX, "route " SLICE_FMT,
				(int)(domain.n < 512 ? domain.n : 512), (const char *)domain.p);
}

size_t dest_key(char key[QUEUE_KEY_MAX], unsigned route, struct slice host, unsigned port,
		unsigned tls, struct slice domain)
{
	int n;
	if (route == POSTERN__ROUTE_KIND__ROUTE_FORWARD)
		n = snprintf(key, QUEUE_KEY_MAX, "to %.*s %u %u",
			     (int)(host.n < 255 ? host.n : 255), (const char *)host.p, port, tls);
	else if (route == POSTERN__ROUTE_KIND__ROUTE_REMOTE)
		n = snprintf(key, QUEUE_KEY_MAX, "mx %.*s", (int)(domain.n < 512 ? domain.n : 512),
			     (const char *)domain.p);
	else
		return route_key(key, domain);
	for (int i = 0; i < n; i++)
		key[i] = (char)ascii_lower((uint8_t)key[i]);
	return (size_t)n;
}
