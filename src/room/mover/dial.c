/* SPDX-License-Identifier: Apache-2.0 */
#include "room/mover/dial.h"

#include "base/err.h"

enum { ADDRESSES_MAX = 8 };

struct dial {
	uv_loop_t *loop;
	const char *host;
	uint16_t port;
	const struct dial_ops *ops;
	void *ctx;
	struct resolve *resolve;
	struct sockaddr_storage addresses[ADDRESSES_MAX];
	size_t n_addresses, next;
	struct stream *stream;
};

static void try_next(struct dial *d, int err);

void dial_free(struct dial **ret)
{
	struct dial *d = *ret;
	*ret = NULL;
	if (!d)
		return;
	resolve_cancel(&d->resolve);
	stream_free(&d->stream);
	free(d);
}

static size_t on_input(void *ctx, struct slice in)
{
	return 0;
}

static void on_connected(void *ctx)
{
	struct dial *d = ctx;
	struct stream *stream = d->stream;
	d->stream = NULL;
	stream_deadline(stream, 0);
	d->ops->on_connected(d->ctx, stream);
}

static void on_end(void *ctx, int err)
{
	try_next(ctx, err);
}

static const struct stream_ops stream_ops = { .on_input = on_input, .on_connected = on_connected, .on_end = on_end };

static void try_next(struct dial *d, int err)
{
	char text[512];
	stream_free(&d->stream);
	if (d->next < d->n_addresses) {
		const struct sockaddr *to = (const struct sockaddr *)&d->addresses[d->next++];
		d->stream = stream_connect(d->loop, to, &stream_ops, d);
		stream_deadline(d->stream, DIAL_MS);
		return;
	}
	IGNORE(snprintf(text, sizeof(text), "no connection to %s port %u: %s", d->host, d->port,
			err == ERR_TIMEOUT ? "no answer" : err_text(err)) < 0, "cut is well");
	d->ops->on_failed(d->ctx, false, text);
}

static void on_addresses(void *ctx, int err, const struct sockaddr_storage *addresses, size_t n)
{
	struct dial *d = ctx;
	d->resolve = NULL;
	if (err < 0) {
		d->ops->on_failed(d->ctx, err == ERR_NOT_FOUND,
				  err == ERR_NOT_FOUND ? "there is no server of that name" :
							 "the server's name cannot be looked up");
		return;
	}
	d->n_addresses = n < ADDRESSES_MAX ? n : ADDRESSES_MAX;
	memcpy(d->addresses, addresses, d->n_addresses * sizeof(addresses[0]));
	try_next(d, ERR_NOT_FOUND);
}

struct dial *dial_new(uv_loop_t *loop, struct resolver *resolver, const char *host, uint16_t port,
		      const struct dial_ops *ops, void *ctx)
{
	struct dial *d = calloc(1, sizeof(*d));
	bug_if(!d);
	*d = (struct dial){ .loop = loop, .host = host, .port = port, .ops = ops, .ctx = ctx };
	d->resolve = resolve_addr(resolver, host, port, on_addresses, d);
	return d;
}
