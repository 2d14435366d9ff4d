/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: the server, and one request from first line to answer. */
#ifndef ROOM_HTTPD_HTTPD_PRIV_H
#define ROOM_HTTPD_HTTPD_PRIV_H

#include "base/list.h"
#include "ipc/directory.pb-c.h"
#include "lib/room/room.h"
#include "proto/api/http.h"

#include <microhttpd.h>

enum {
	HTTPD_CONNECTIONS_MAX = 256, /* at the admin socket */
	HTTPD_WEB_CONNECTIONS_MAX = 2100, /* more than https.max_connections */
	HTTPD_TIMEOUT_S = 60, /* a connection without progress; not while a room is asked */
	HTTPD_HEADERS_MAX = 32 * 1024, /* memory of a connection: request line and headers */
	HTTPD_TOKEN_MAX = 512,
	HTTPD_ANSWER_MAX = 4 << 20,    /* an answer that is made here */
	HTTPD_DRAIN_MS = 5000, /* a stopping room waits so long for requests that are under way */
	HTTPD_CALL_MS = 30 * 1000,           /* what another room may take */
	HTTPD_LONG_CALL_MS = 15 * 60 * 1000, /* imports, checks, compaction, comparing */
};

struct web;

struct httpd {
	struct room *room;
	struct web *web;	   /* connections from outside; NULL: this is the admin socket's room */
	struct MHD_Daemon *daemon; /* NULL until the listener is there */
	uv_poll_t poll;            /* the daemon's epoll fd */
	uv_timer_t timer;          /* its next timeout */
	uv_timer_t drain;
	struct list requests;
	uint64_t served, refused, logouts;
};

/* HEADERS: nothing looked at yet. HOST: suspended, directory was asked about the Host. BODY: taking the body. WAIT: suspended,
 * a room was asked. ANSWER: status and out (or out_fd) are there. SENT: handed to the daemon. */
enum request_state { REQUEST_HEADERS, REQUEST_HOST, REQUEST_BODY, REQUEST_WAIT, REQUEST_ANSWER, REQUEST_SENT };

struct request {
	struct list link;
	struct httpd *httpd;
	struct MHD_Connection *conn;
	int fd; /* the daemon's socket */
	struct slice remote; /* the client's address; empty at the admin socket */
	struct arena *arena;
	enum request_state state;
	const char *language; /* base/text.h; of the answer */
	bool language_asked;  /* the client named one that is known */
	struct slice target;     /* path and query as they came */
	const struct api_op *op; /* NULL: the OpenAPI document */
	struct slice if_match;	 /* of the request's header; empty: none */
	char etag[64];		 /* of the answer; "" for none */
	struct slice token;	 /* of the Authorization header; empty: none */
	struct page *page;	 /* page.h; NULL: the API */
	struct api_fields fields;
	bool is_bulk;
	bool is_file, over; /* the body is a file; it was too large */
	struct buf body;
	int file_fd; /* memfd, -1 for none */
	uint64_t file_size, file_max;

	struct slice session; /* the token that the answer tells; empty: none */
	unsigned pending; /* calls whose answer has not come */
	bool gone;        /* the connection is over: freed with the last call */

	unsigned status;
	struct buf out;
	int out_fd; /* instead of out; -1 for none */
	uint64_t out_size;
	char allow[64];
	enum { HOST_NOT_ASKED, HOST_SERVED, HOST_FOREIGN } host; /* directory's word on a name that is not the configured one */
	bool moved; /* asked of an old name: the answer leads to the configured one */
};

struct request *request_new(struct httpd *h, struct MHD_Connection *conn, const char *target);
void request_over(struct request *r, bool sent); /* the daemon is done with it; sent: its answer went out */

/* One step of the daemon; MHD_NO ends the connection. */
enum MHD_Result request_step(struct request *r, const char *method, const char *data,
			     size_t *data_size);

/* What the answer is; from any state but SENT, once. */
void request_fail(struct request *r, unsigned status, const char *detail, const char *field);
void request_fail_err(struct request *r, int err, const char *text);
/* There came an If-Match, and nothing that it could be about. */
void request_fail_revision(struct request *r, const char *what);
void request_done(struct request *r, unsigned status); /* out or out_fd is filled */

void request_call_begin(struct request *r); /* a call that will come back */
/* False: the request is gone, and freed with the last call. */
bool request_call_end(struct request *r);

/* Checked and complete: asks the owner. */
void dispatch(struct request *r);
/* The operation of r->op with r->fields; fn begins with request_call_end. */
void dispatch_ask(struct request *r, ipc_reply_fn *fn);
/* Ends a session that nobody was told of. */
void give_back_session(struct httpd *h, struct slice token);
void status_begin(struct request *r);
void bulk_begin(struct request *r);
/* One operation of a bulk request. */
void ask_item(struct request *r, const struct api_op *op, const struct api_fields *fields, struct slice if_match,
	      ipc_reply_fn *fn, void *ctx);

/* The daemon has something to do that it does not see on its fds. */
void httpd_kick(struct httpd *h);
void httpd_request_gone(struct httpd *h);

#endif
