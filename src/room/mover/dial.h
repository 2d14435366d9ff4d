/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a server's name to a connected stream: looks the name up and tries its addresses one after the other, each for
 * DIAL_MS. The stream that it gives away has no deadline and calls nobody until stream_set_ops.
 */
#ifndef ROOM_MOVER_DIAL_H
#define ROOM_MOVER_DIAL_H

#include "lib/dns/resolve.h"
#include "lib/io/stream.h"

enum { DIAL_MS = 15000 };

struct dial_ops {
	void (*on_connected)(void *ctx, struct stream *stream);	/* the owner's from now on; then dial_free */
	/* lasting: another try will not help (there is no such name). Then dial_free. */
	void (*on_failed)(void *ctx, bool lasting, const char *text);
};

/* host must outlive it. Nothing is called back from inside dial_new. */
struct dial;
struct dial *dial_new(uv_loop_t *loop, struct resolver *resolver, const char *host, uint16_t port,
		      const struct dial_ops *ops, void *ctx);
void dial_free(struct dial **d);	/* in a callback too; accepts NULL; leaves NULL */

#endif
