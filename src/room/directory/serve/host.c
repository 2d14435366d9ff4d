/* SPDX-License-Identifier: Apache-2.0 */
/* DIRECTORY_HOST: the web is reached under the alternate name of each domain, too (M24). */
#include "base/err.h"
#include "room/directory/directory_priv.h"
#include "room/directory/noun/other_name.h"

void serve_host(struct ipc_call *call, void *ctx)
{
	struct directory *d = ((struct room *)ctx)->state;
	const Postern__HostRequest *req = (const Postern__HostRequest *)call->req;
	Postern__HostReply reply = POSTERN__HOST_REPLY__INIT;
	int r = other_name_is_alternate(d->e, call->arena, bytes_of(&req->name));
	if (r < 0 && r != ERR_NOT_FOUND) {
		ipc_fail(call, r, NULL);
		return;
	}
	reply.served = r == 0;
	ipc_reply(call, &reply.base, -1);
}
