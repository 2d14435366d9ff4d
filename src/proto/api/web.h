/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a request from the web may say about where it went. The name that we are reached by is configured; whatever a
 * request says is compared with it and never used (poisoned links and redirects). Threats: bytes of anybody.
 */
#ifndef PROTO_API_WEB_H
#define PROTO_API_WEB_H

#include "base/buf.h"

/* "https://mail.example.test:2443/x" to its "mail.example.test:2443" (in url). ERR_SYNTAX where it is no https URL. */
NODISCARD int web_authority(struct slice url, struct slice *ret);

/* A Host header (RFC 9110 7.2, RFC 3986 3.2) against the configured authority: the names have to be the same, whatever
 * the port says, since ports are mapped. ERR_SYNTAX: no host and port at all. ERR_NOT_FOUND: another host. */
NODISCARD int web_host_check(struct slice host, struct slice authority);

/* The name of a Host header without its port (in host). ERR_SYNTAX. */
NODISCARD int web_host_name(struct slice host, struct slice *ret);

/* A header that tells what a proxy was asked for, or where to pretend that the request went: nobody in front of us sets
 * these, so whoever sends one wants to be believed. */
bool web_is_forwarded(struct slice header);

/* A Host header that names none of ours but one of old_names (with blanks between): the web address of what was here
 * before, whose visitors are sent on to the root of the configured URL. */
bool web_is_old(struct slice host, struct slice authority, struct slice old_names);

/* May such a request be sent on? A page may. The API may not: its programs would send a password or a token along. */
bool web_may_move(struct slice method, struct slice target);

enum {
	WEB_REDIRECT_IN_MAX = 8192,	/* a request in clear, until its empty line */
	WEB_REDIRECT_OUT_MAX = 4096,
};

/* How long a browser may remember that an old name leads here; short, so that the option can be taken back. */
#define WEB_MOVED_CACHE "max-age=300"

/* The answer to a request in clear: 308 to the same path at https://AUTHORITY, from an old name to its root (421 for the
 * API), or 400. 1: in holds a whole head and the answer is in out; 0: more is needed; ERR_TOO_BIG. */
NODISCARD int web_redirect(struct slice in, struct slice authority, struct slice old_names, struct buf *out);

#endif
