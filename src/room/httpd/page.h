/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages: where texts send people, setting a password with a link or with the one that was given, and asking for a link. Made
 * here, without scripts; what they do is what the operations password.* do.
 *
 *   GET  /                    what this server is, and what can be done here
 *   GET  /password            a form to change a password, a form to ask for a link
 *   GET  /password/TOKEN      a form to set a password; looking does not spend the link, programs that follow links may
 *   POST /password            do=reset|change|forgot
 *
 * Threats: texts of anybody in the page (all are escaped), other sites' frames and forms (CSP), the token in a Referer
 * (no-referrer) or a log (no path is ever logged).
 */
#ifndef ROOM_HTTPD_PAGE_H
#define ROOM_HTTPD_PAGE_H

#include "room/httpd/httpd_priv.h"

enum { PAGE_BODY_MAX = 8192 };

struct page;

/* Is it one of ours? Then r->page is there, or the request is refused. */
bool page_route(struct request *r, struct slice path, const char *method);
/* The whole body is there. */
void page_run(struct request *r);
void page_wipe(struct request *r);	/* what was typed */
const char *page_type(const struct request *r);
extern const char page_policy[];	/* its Content-Security-Policy */

#endif
