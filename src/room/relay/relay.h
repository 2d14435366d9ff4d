/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Insides of the room that delivers to other servers.
 *
 *   attempt  one RELAY_ATTEMPT of queue: a message and recipients that share a destination
 *   dest     a destination (customer's server, or a domain's MX) with its sessions and waiting attempts
 *   session  one connection: finds a server (plan), speaks SMTP, takes attempt after attempt, idles, ends
 *   plan     which hosts and addresses a session may try, in order
 */
#ifndef ROOM_RELAY_RELAY_H
#define ROOM_RELAY_RELAY_H

#include "base/list.h"
#include "base/map.h"
#include "ipc/relay.pb-c.h"
#include "lib/dns/resolve.h"
#include "lib/io/stream.h"
#include "lib/room/room.h"
#include "proto/smtp/client.h"

enum {
	RELAY_MESSAGE_MAX = 1 << 30,
	RELAY_SESSION_MESSAGES = 1000,	/* a session is ended after so many */
	RELAY_ATTEMPT_MS = 30 * 60000,	/* of one attempt, however slowly the peer moves */
	RELAY_STOP_MS = 6000,		/* what is begun may end so long after STOP */
	RELAY_SERVER_MAX = 320,		/* "host[address]:port" */
	RELAY_HOST_MAX = 256,
};

struct relay {
	struct room *room;
	struct resolver *resolver;
	struct map *dests;
	struct tls_ctx *tls_any, *tls_verified;
	uv_timer_t stop_timer;
	unsigned attempts;	/* in the room */
	uint64_t delivered, later, failed, connections, reused;
	bool stopping;
};

struct session;

struct dest {
	struct relay *relay;
	struct slice key;	/* owned */
	char *host;		/* the server or the domain, as DNS wants it */
	uint16_t port;
	bool mx;		/* host is a domain: ask for its MX */
	enum smtp_client_tls tls;
	struct list waiting, sessions;
	unsigned n_sessions;
};

struct attempt {
	struct list node;	/* in dest->waiting while it waits */
	struct dest *dest;
	struct ipc_call *call;
	const Postern__AttemptRequest *req;
	struct smtp_client_mail mail;
	struct slice message;
	size_t sent;		/* bytes of message that went into the engine */
	bool again;		/* came back from a session that had died meanwhile */
};

/* dest.c */
NODISCARD int dest_of(struct relay *relay, const Postern__AttemptRequest *req, struct dest **ret);
void dest_add(struct dest *d, struct attempt *a);
void dest_again(struct dest *d, struct attempt *a);	/* before all others, on a fresh session */
void dest_fail_waiting(struct dest *d, const struct smtp_result *why, bool unreachable);
struct attempt *dest_next(struct dest *d);		/* taken off the waiting ones, or NULL */
void dest_run(struct dest *d);				/* starts sessions; frees d where nothing is left */
bool dest_address_allowed(const struct dest *d, const struct sockaddr_storage *addr);

/* attempt.c */
void attempt_handle(struct ipc_call *call, void *ctx);
void attempt_results(struct attempt **a, const struct smtp_result *results, const char *server);
void attempt_fail(struct attempt **a, const struct smtp_result *why, const char *server, bool unreachable);
void attempt_drop(struct attempt **a);			/* the asker is gone, or we stop */
struct smtp_result relay_result(enum smtp_outcome outcome, const char *enhanced, const char *text);
void relay_maybe_exit(struct relay *relay);

/* plan.c: which address next */
struct plan;
struct plan_addr {
	const char *host;	/* for TLS and for people; lives until the next plan_next */
	struct sockaddr_storage addr;
};
/* Once a plan_next, perhaps from inside it: the address, or why there is none (more). The plan may be freed in it. */
typedef void plan_fn(void *ctx, const struct plan_addr *addr, const struct smtp_result *why);
struct plan *plan_new(struct dest *d, plan_fn *fn, void *ctx);
void plan_free(struct plan **p);
void plan_next(struct plan *p);

/* session.c */
void session_start(struct dest *d, struct attempt *a);
bool session_take(struct dest *d, struct attempt *a);	/* an idle session takes it */
void session_shut(struct session *s);			/* idle: QUIT; busy: as if the connection were lost */
struct session *session_of(struct list *node);
struct attempt *session_attempt(struct session *s);
bool session_in_doubt(struct session *s);		/* the message is sent, the answer is not here */

#endif
