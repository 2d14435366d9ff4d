/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTPS and the redirect to it. A connection from outside is a stream under TLS; what comes out of it goes through a
 * socket pair into the same daemon that serves the admin socket, so there is one HTTP engine and one TLS library.
 *
 *   client ==TLS== stream | web_conn | stream --socket pair-- daemon
 */
#ifndef ROOM_HTTPD_WEB_H
#define ROOM_HTTPD_WEB_H

#include "room/httpd/httpd_priv.h"

enum {
	WEB_TLS_MS = 20 * 1000,		/* for the handshake */
	WEB_HEAD_MS = 30 * 1000,	/* from the connection, or the answer before, to the end of the headers */
	WEB_BODY_MS = 5 * 60 * 1000,	/* from there to the end of the body */
	WEB_CLEAR_MS = 10 * 1000,	/* for a whole request in clear */
	WEB_LISTENERS_MAX = 32,
	WEB_FDS_MAX = 16384,		/* of this room: its RLIMIT_NOFILE */
};

struct web;
struct web_conn;

struct web *web_new(struct httpd *h);
void web_listener(struct web *w, const char *name, int fd);
void web_certificate(struct web *w, struct slice pem);
void web_reload(struct web *w);
void web_stop(struct web *w);	/* no new connections */
void web_stats(const struct web *w, struct stats *stats);

/* The connection behind a daemon's socket. NULL: none. */
struct web_conn *web_conn_of(struct web *w, int fd);
const char *web_conn_peer(const struct web_conn *c);

/* Where the request of this socket's connection stands, for its deadline. */
enum web_phase { WEB_HEAD, WEB_BODY, WEB_ANSWER };
void web_phase(struct web *w, int fd, enum web_phase phase);

/* "mail.example.test:2443": what links and redirects name, from configuration alone. */
struct slice web_name(const struct web *w);

/* What web.old_names says now. */
struct slice web_old_names(const struct web *w);

#endif
