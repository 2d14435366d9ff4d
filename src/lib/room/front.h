/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every room has that hears the internet: listeners, the certificate, the limit of connections per address
 * and in all, and an end in order. The room keeps its connections; front only counts them.
 *
 * Options: limits.per_address, limits.exempt_networks. Events: room.certificate.refused. Counters: connections.open,
 * connections, connections.refused.
 */
#ifndef LIB_ROOM_FRONT_H
#define LIB_ROOM_FRONT_H

#include "lib/io/listener.h"
#include "lib/room/room.h"
#include "lib/tls/tls.h"

enum { FRONT_LISTENERS_MAX = 8 };

struct front {
	struct room *room;
	struct tls_ctx *tls;		/* NULL: no certificate yet; sessions hold a reference of their own */
	struct conn_limiter *limiter;
	struct listener *listeners[FRONT_LISTENERS_MAX];
	size_t n_listeners;
	uint64_t n_open;
	int64_t accepted, refused;
	uv_timer_t stop;
};

/* In the room's init. */
void front_init(struct front *f, struct room *room);

/* In on_listener: takes fd over; past FRONT_LISTENERS_MAX it is closed. */
void front_listen(struct front *f, int fd, void (*on_conn)(void *ctx, int fd, const struct sockaddr_storage *peer),
		  void *ctx);

/* In on_tls: what is open goes on with the certificate that it began with; a bad one leaves the old one in force. */
void front_certificate(struct front *f, struct slice pem);

/* In on_reload. */
void front_reload(struct front *f);

/* NULL where one more connection of this peer is welcome: then it counts until front_leave. Else why it is not
 * ("room": max_option's number is reached, "address", "certificate": there is none and tls asks for it); nothing is
 * to be left then. */
NODISCARD const char *front_enter(struct front *f, const struct sockaddr_storage *peer, const char *max_option, bool tls);
void front_leave(struct front *f, const struct sockaddr_storage *peer);

/* In on_stop: nobody new comes in; in ms (under ROOM_STOP_MS) at the latest the room exits. It exits itself when it has finished. */
void front_stop(struct front *f, unsigned ms);

void front_stats(const struct front *f, struct stats *stats);

#endif
