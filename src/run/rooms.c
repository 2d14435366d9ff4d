/* SPDX-License-Identifier: Apache-2.0 */
/* Which code is which room. */
#include "lib/room/room.h"

const struct room_ops *room_ops_of(enum role role)
{
	static const struct room_ops *const table[ROLE_COUNT] = {
		[ROLE_SMTPD] = &smtpd_ops,	   [ROLE_IMAPD] = &imapd_ops, [ROLE_POP3D] = &pop3d_ops,
		[ROLE_HTTPD] = &httpd_ops,	   [ROLE_AUTH] = &auth_ops,   [ROLE_FILTER] = &filter_ops,
		[ROLE_RELAY] = &relay_ops,	   [ROLE_MOVER] = &mover_ops, [ROLE_DIRECTORY] = &directory_ops,
		[ROLE_QUEUE] = &queue_ops,	   [ROLE_STORE] = &store_ops, [ROLE_SIEVED] = &sieved_ops,
		[ROLE_ADMIND] = &admind_ops,
	};
	bug_if(role >= ROLE_COUNT || !table[role]);
	return table[role];
}
