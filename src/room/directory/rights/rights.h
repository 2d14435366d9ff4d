/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what: the only place where that is decided.
 *
 *   principal    who asks: the provider at the admin socket, staff or a mailbox user with a token, anyone
 *   hat          what he is: a rank, over all, a customer, a domain, or himself; somebody may wear several
 *   object       what the operation is about, found from its standard fields (customer, domain, address, login, id)
 *   relation     what the object is to a hat
 *   row          rights.c: which ranks may do the operation to what is theirs
 *
 * One hat has to cover an operation with all its objects and all its fields. Something that is not the asker's is
 * answered exactly like something that does not exist. Whoever is to be changed must not hold a rank that the asker
 * does not hold as well.
 */
#ifndef ROOM_DIRECTORY_RIGHTS_H
#define ROOM_DIRECTORY_RIGHTS_H

#include "proto/api/api.h"
#include "room/directory/db/engine.h"
#include "room/directory/rights/token.h"

enum rank { RANK_PROVIDER, RANK_CUSTOMER_ADMIN, RANK_DOMAIN_ADMIN, RANK_USER, RANK_NOBODY };

/* What the object is to the one who asks. */
enum relation {
	RELATION_OWN,		/* his customer, a domain he looks after or what is in it, himself */
	RELATION_SIBLING,	/* of the same customer, but not his; or that customer itself */
	RELATION_FOREIGN,	/* of another customer */
};

struct hat {
	enum rank rank;
	uint64_t customer;	/* of all ranks but the provider's; 0: staff of the provider */
	uint64_t domain;	/* of a domain admin */
	int64_t self;		/* RANK_USER: himself, as a holder (staff.h) */
};

/* 0s: none. An address of nobody yet belongs to its domain. */
struct object {
	uint64_t customer, domain;
	int64_t holder;		/* somebody: a mailbox user or staff */
};

struct principal {
	int64_t holder;		/* staff.h; 0: the provider at the admin socket, or anyone */
	struct slice login;	/* for the audit: "provider", "anyone", an address, a name */
	struct hat *hats;	/* highest first; none: anyone */
	size_t n_hats;
	bool has_token;
	struct token token;
};

/* The provider at the admin socket; anyone. */
struct principal principal_local(struct arena *a);
struct principal principal_anyone(void);
/* Whose token this is. ERR_NOT_FOUND: nobody's (any more). */
NODISCARD int principal_of(struct engine *e, struct arena *a, struct slice token, int64_t now_ms, struct principal *ret);
/* What somebody is, without a token. */
NODISCARD int principal_hats(struct engine *e, struct arena *a, int64_t holder, struct principal *ret);
/* Of his password. */
NODISCARD int principal_version(struct engine *e, struct arena *a, int64_t holder, uint64_t *ret);
enum rank principal_rank(const struct principal *p);	/* his highest */
/* For struct page. */
int64_t principal_viewer(const struct principal *p);

enum relation relation_of(const struct hat *hat, const struct object *object);

/* 0, ERR_DENIED, ERR_NOT_FOUND (not his), ERR_UNSUPPORTED (no such operation): one hat, one object. */
NODISCARD int rights_of_hat(struct slice operation, enum rank rank, enum relation relation);
bool rights_known(struct slice operation);
bool rights_has_object(const struct api_op *op, const char *field);	/* says what the operation is about */
bool rights_self(struct slice operation);	/* without an object it is about the asker himself, or his lists */

/* THE decision. fields are checked against the table already. *ret: whose object it is, for the audit. */
NODISCARD int rights_decide(struct engine *e, struct arena *a, const struct principal *p, const struct api_op *op,
			    const struct api_field *fields, size_t n, struct object *ret, struct problem *why);

/* Does the asker hold every rank that this holder holds? For operations that find the people they change by
 * themselves (imports). */
NODISCARD int rights_outranks(struct engine *e, struct arena *a, const struct principal *p, int64_t holder, bool *ret);

/* The matrix as text, a line an operation: name, method, ranks, fields with "!" for the provider's, "+" for customer
 * admins' and up, "^" for any admin's. rights.txt beside this file is what it has to be. */
void rights_text(struct buf *out);

#endif
