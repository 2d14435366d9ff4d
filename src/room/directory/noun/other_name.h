/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Other names of a domain (M24): its alternate name inside the provider's own domain, "mydomainzz.provider.example" for
 * mydomain.zz, which every domain has, and alias domains, which an admin adds. domain_get() finds a domain by any of
 * them; whatever it gives carries the real name, so mail, logins, senders and administration see one domain.
 */
#ifndef ROOM_DIRECTORY_OTHER_NAME_H
#define ROOM_DIRECTORY_OTHER_NAME_H

#include "room/directory/db/engine.h"

/* The provider's own domain; empty or no domain name: alternate names are not in use. */
void engine_set_alternate_base(struct engine *e, struct slice base);
/* A new domain's label: never given to two, free of what A-labels look like. Needs a transaction. */
NODISCARD int other_name_give(struct engine *e, struct arena *a, const struct domain *d);
/* Domains from before there were labels; its own transaction. */
NODISCARD int other_name_fill(struct engine *e);
/* May a domain have this name? Refuses names that are another one's already, and those below the base. */
NODISCARD int other_name_free(struct engine *e, struct arena *a, struct slice name, struct problem *why);

/* The domain behind another name. ERR_NOT_FOUND. */
NODISCARD int other_name_find(struct engine *e, struct slice name, uint64_t *ret);
/* Is it the alternate name of a domain just now, in whatever case? An alias domain is none. ERR_NOT_FOUND. */
NODISCARD int other_name_is_alternate(struct engine *e, struct arena *a, struct slice name);
/* Empty where there is no base. */
NODISCARD int other_name_alternate(struct engine *e, struct arena *a, uint64_t domain, struct slice *ret);
NODISCARD int alias_domain_list(struct engine *e, struct arena *a, uint64_t domain, struct slice **ret, size_t *ret_n);
/* of: as it was written; it must be a domain itself. */
NODISCARD int alias_domain_add(struct engine *e, struct arena *a, struct slice name, struct slice of,
			       struct domain *ret, struct problem *why);
/* ERR_NOT_FOUND where it is none. name in normal form. */
NODISCARD int alias_domain_remove(struct engine *e, struct slice name);

#endif
