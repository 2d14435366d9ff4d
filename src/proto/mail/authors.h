/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a message says it is from, read strictly: one interpretation or none (RFC 5322 3.4, 3.6.2, RFC 6854).
 * For showing an address list see address_list.h, which takes any bytes; this decides who may send, and what
 * anybody who looks at the message would take for its author.
 *
 *   Joe <joe@a.test>              joe@a.test
 *   "boss@b.test" <joe@a.test>    joe@a.test, and a name that looks like boss@b.test
 *   team: a@a.test, b@b.test;     both
 *   <a@a.test>b   a@a@b   Joe, Ltd <a@a.test>   <@r:a@a.test>   a\,b@a.test   =?x?q?a=40b?=@a.test      none: ERR_SYNTAX
 *   root   (empty)                no address at all, which is one interpretation, too
 */
#ifndef PROTO_MAIL_AUTHORS_H
#define PROTO_MAIL_AUTHORS_H

#include "base/arena.h"

enum { AUTHORS_MAX = 100, AUTHORS_VALUE_MAX = 64 * 1024 };

struct authors {
	struct slice *list, *names;	/* normal form; names: addresses that display names pretend to be */
	size_t n, n_names;		/* each at most AUTHORS_MAX */
};

/* Adds the addresses of one field's value (folded as it stands) to *to. ERR_SYNTAX, ERR_TOO_BIG: *to holds what was
 * read before the fault. Slices live in a. */
NODISCARD int authors_read(struct arena *a, struct slice value, struct authors *to);

#endif
