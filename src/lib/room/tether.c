/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/room/tether.h"

#include "base/err.h"
#include "ipc/session.pb-c.h"
#include "lib/ipc/ipc.h"

#include <stdlib.h>
#include <unistd.h>

struct tether {
	struct ipc_chan *chan;		/* NULL: it has ended */
	bool told;
	void (*over)(void *ctx);
	void *ctx;
};

static void tell(struct tether *t)
{
	if (t->told)
		return;
	t->told = true;
	t->over(t->ctx);
}

static void on_closed(struct ipc_chan *chan, int err, void *ctx)
{
	struct tether *t = ctx;
	t->chan = NULL;		/* it is freed behind us */
	tell(t);
}

static void on_notice(struct ipc_chan *chan, uint16_t op, const ProtobufCMessage *msg, int fd, void *ctx)
{
	if (fd >= 0)
		close(fd);
	if (op == POSTERN__SESSION_OP__SESSION_GOODBYE)
		tell(ctx);
}

struct tether *tether_new(uv_loop_t *loop, int fd, void (*over)(void *ctx), void *ctx)
{
	static const struct ipc_handlers handlers = { .on_notice = on_notice, .on_closed = on_closed };
	struct tether *t = calloc(1, sizeof(*t));
	bug_if(!t);
	t->over = over;
	t->ctx = ctx;
	t->chan = ipc_chan_new(loop, fd, &session_contract, false, ROLE_STORE, 0, &handlers, t);
	return t;
}

void tether_free(struct tether **t)
{
	if (!*t)
		return;
	ipc_chan_free(&(*t)->chan);
	free(*t);
	*t = NULL;
}
