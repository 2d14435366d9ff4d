/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The addresses of a header field (RFC 5322 3.4, obsolete forms 4.4, RFC 6854), read as tolerantly
 * as IMAP's ENVELOPE needs: any bytes are a list. For single addresses that decide something see
 * address.h.
 *
 *   Joe <joe@a.test>, friends: "B. C." <bc@b.test>, d@c.test (Dee);   ->
 *     name Joe mailbox joe host a.test | group start "friends" | ... | name Dee mailbox d host
 * c.test | group end
 */
#ifndef PROTO_MAIL_ADDRESS_LIST_H
#define PROTO_MAIL_ADDRESS_LIST_H

#include "base/buf.h"

enum {
	MAIL_ADDRESS_NAME_MAX = 1024, /* longer values are cut off */
	MAIL_ADDRESS_PART_MAX = 512,
};

enum mail_address_kind { MAIL_ADDRESS, MAIL_GROUP_START, MAIL_GROUP_END };

/* Valid until the next call. has_x tells an absent thing from an empty one. Name: unquoted, encoded
 * words as they stand. A group start has its name in mailbox; a group end has nothing. */
struct mail_address {
	enum mail_address_kind kind;
	struct slice name, route, mailbox, host;
	bool has_name, has_route, has_mailbox, has_host;
};

struct address_list {
	struct slice in;
	size_t at;
	size_t last_word; /* where the last word of the phrase starts; its dots belong to it */
	bool in_group;
	bool limited; /* something was cut off */
	struct buf phrase, comment, route, local, host;
};

void address_list_init(struct address_list *l, struct slice raw);
void address_list_fini(struct address_list *l);

/* 1 and the next one, 0 at the end. A group that is not closed is closed at the end. */
int address_list_next(struct address_list *l, struct mail_address *ret);

#endif
