/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/io/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>

void addr_text(const struct sockaddr_storage *addr, char ret[46])
{
	ret[0] = 0;
	if (addr->ss_family == AF_INET) {
		inet_ntop(AF_INET, &((const struct sockaddr_in *)addr)->sin_addr, ret, 46);
	} else if (addr->ss_family == AF_INET6) {
		const struct in6_addr *a = &((const struct sockaddr_in6 *)addr)->sin6_addr;
		if (IN6_IS_ADDR_V4MAPPED(a))
			inet_ntop(AF_INET, a->s6_addr + 12, ret, 46);
		else
			inet_ntop(AF_INET6, a, ret, 46);
	}
}
