/* SPDX-License-Identifier: Apache-2.0 */
/* From a row to a message: which texts apply, what their variables are, from whom it comes. */
#ifndef ROOM_DIRECTORY_NOTICE_WRITE_H
#define ROOM_DIRECTORY_NOTICE_WRITE_H

#include "proto/mail/compose.h"
#include "room/directory/notice/notice.h"

enum { SUBJECT_MAX = 200, TEXT_BYTES_MAX = 32 * 1024, HTML_BYTES_MAX = 64 * 1024, MESSAGE_BYTES_MAX = 1 << 20 };

struct notice_template {
	struct slice subject, text, html;	/* html empty: made of the text */
	enum { TEMPLATE_BUILT_IN, TEMPLATE_PROVIDER, TEMPLATE_CUSTOMER } source;
	struct slice language;	/* in which it is there */
	int64_t changed_ms;
};

/* The customer's, else the provider's, else the built-in one; in this language, else in English. Always finds one. */
NODISCARD int notice_template(struct engine *e, struct arena *a, enum notice_kind kind, uint64_t customer,
			      struct slice language, struct notice_template *ret);

/* The names of a kind's variables that a template may use, for people: "address, person, ...". */
struct slice notice_variables(struct arena *a, enum notice_kind kind);
/* Problem: field subject, text or html, with the variable and those that there are, or the rule. */
NODISCARD int notice_template_check(struct arena *a, enum notice_kind kind, const struct notice_template *t,
				    struct problem *why);

struct notice_mail {
	struct slice subject, text, html;
	struct slice from, from_name;
};

/* seal NULL: secrets stay masked. host: of this machine. */
NODISCARD int notice_write(struct engine *e, struct arena *a, const struct notice_row *row, const struct seal *seal,
			   const char *host, struct notice_mail *ret);
/* The same with this template, as it is. */
NODISCARD int notice_write_with(struct engine *e, struct arena *a, const struct notice_row *row, const struct seal *seal,
				const char *host, const struct notice_template *t, struct notice_mail *ret);
/* The message, with header. */
void notice_compose(struct buf *out, struct arena *a, const struct notice_row *row, const struct notice_mail *m,
		    const char *host);

/* A row that was never added: the kind's samples, for previews. */
struct notice_row notice_sample(struct arena *a, enum notice_kind kind, uint64_t customer, uint64_t domain,
				struct slice language, int64_t now_ms);

/* From whom a customer's notices come: that domain's setting, the customer's, else do-not-reply@ the domain. */
NODISCARD int notice_sender(struct engine *e, struct arena *a, uint64_t customer, uint64_t domain, const char *host,
			    struct slice *ret_address, struct slice *ret_name);
/* domain 0: for all of the customer's. An empty address takes the setting away. */
NODISCARD int notice_set_sender(struct engine *e, struct arena *a, uint64_t customer, uint64_t domain,
				struct slice address, struct slice name, struct problem *why);

#endif
