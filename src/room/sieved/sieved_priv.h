/* SPDX-License-Identifier: Apache-2.0 */
/* The ManageSieve room inside: connections (conn.c) and what is asked of directory for one (request.c). */
#ifndef ROOM_SIEVED_PRIV_H
#define ROOM_SIEVED_PRIV_H

#include "base/list.h"
#include "lib/io/stream.h"
#include "lib/room/front.h"
#include "proto/managesieve/server.h"

enum { SIEVED_ASK_MS = 60000, SIEVED_TOKEN_MAX = 256, SIEVED_ADDRESS_MAX = 400 };

struct sieved {
	struct room *room;
	struct front front;
	struct list conns;
	unsigned pending;	/* logins that are asked for or given back: the room waits for them when it ends */
	struct {
		int64_t logins, failed_logins, logouts, starttls, requests;
	} count;
};

/* Who is logged in: the token is the right to that mailbox's scripts, and to nothing else. */
struct sieved_login {
	struct buf address, token;	/* both empty: nobody */
	const char *language;		/* NULL: English */
};

/* One request at a time; the answer goes to server. gone: the login is no longer good. */
struct sieved_request;
struct sieved_request *sieved_request_new(struct sieved *d, const struct sieved_login *login, struct managesieve *server,
					  const struct managesieve_request *r, void (*over)(void *ctx, bool gone),
					  void *ctx);
void sieved_request_free(struct sieved_request **r);

void sieved_conn_accept(struct sieved *d, int fd, const struct sockaddr_storage *peer);
void sieved_conn_stop_all(struct sieved *d);
void sieved_maybe_exit(struct sieved *d);

#endif
