/* SPDX-License-Identifier: Apache-2.0 */
/* What an operation was given, and the objects that its fields name. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "base/text.h"
#include "lib/ipc/memfd.h"
#include "proto/mail/name_search.h"
#include "room/directory/db/name.h"

struct slice admin_get(const struct admin *ad, const char *name)
{
	return api_get(ad->fields, ad->n_fields, name);
}

bool admin_has(const struct admin *ad, const char *name)
{
	return admin_get(ad, name).p != NULL;
}

bool admin_flag(const struct admin *ad, const char *name, bool fallback)
{
	bool v = fallback;
	return admin_has(ad, name) && api_bool(admin_get(ad, name), &v) == 0 ? v : fallback;
}

uint64_t admin_size(const struct admin *ad, const char *name, uint64_t fallback)
{
	uint64_t v = fallback;
	return admin_has(ad, name) && api_size(admin_get(ad, name), &v) == 0 ? v : fallback;
}

struct page admin_page(const struct admin *ad)
{
	uint64_t limit = 100;
	if (admin_has(ad, "limit") && slice_u64(admin_get(ad, "limit"), 1000, &limit) < 0)
		limit = 100;
	return (struct page){
		.after = admin_get(ad, "after"),
		.limit = (size_t)limit,
		.viewer = principal_viewer(&ad->who),
		.text = name_search_fold(ad->a, admin_get(ad, "q")),
	};
}

unsigned admin_choice(const struct admin *ad, const char *name, const char *const *words,
		      unsigned fallback)
{
	struct slice value = admin_get(ad, name);
	for (unsigned i = 0; value.p && words[i]; i++)
		if (slice_eq(value, slice_str(words[i])))
			return i;
	return fallback;
}

int admin_map_file(struct admin *ad, const char *field)
{
	int r = ad->call->fds[0] < 0 ? ERR_INVALID
				     : memfd_map(ad->call->fds[0], IMPORT_BYTES_MAX, &ad->file);
	char max[TEXT_SIZE];
	if (r == ERR_TOO_BIG)
		return problem_set(&ad->why, r, field, "the file is larger than %s", text_size(IMPORT_BYTES_MAX, max));
	if (r < 0)
		return problem_set(&ad->why, ERR_INVALID, field, "there is no file");
	return 0;
}

/* --- objects ---------------------------------------------------------------------------------------- */

int admin_of_customer(struct admin *ad, uint64_t *ret)
{
	struct customer c = { 0 };
	struct slice name = admin_get(ad, "customer");
	int r = name.p ? customer_get(ad->e, ad->a, name, &c) : 0;
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "customer", "there is no customer " SLICE_FMT, SLICE_ARG(name));
	if (r == 0)
		*ret = c.id;
	return r;
}

int admin_of_domain(struct admin *ad, uint64_t *ret)
{
	struct domain d = { 0 };
	int r = admin_has(ad, "domain") ? admin_domain(ad, admin_get(ad, "domain"), &d) : 0;
	if (r == 0)
		*ret = d.id;
	return r;
}

int admin_domain(struct admin *ad, struct slice name, struct domain *ret)
{
	struct slice normal;
	int r = name_domain(ad->a, name, &normal);
	if (r < 0)
		return problem_set(&ad->why, ERR_INVALID, "domain",
				   "\"" SLICE_FMT "\" is not a domain name", SLICE_ARG(name));
	r = domain_get(ad->e, ad->a, normal, ret);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "domain", "there is no domain " SLICE_FMT,
				   SLICE_ARG(normal));
	return r;
}

int admin_address(struct admin *ad, struct domain *ret_domain, struct slice *ret_local)
{
	struct name name;
	struct slice in = admin_get(ad, "address");
	if (name_parse(ad->a, in, &name) < 0 || name.literal)
		return problem_set(&ad->why, ERR_INVALID, "address",
				   "\"" SLICE_FMT "\" is not an address", SLICE_ARG(in));
	int r = domain_get(ad->e, ad->a, name.domain, ret_domain);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "address", "there is no domain " SLICE_FMT,
				   SLICE_ARG(name.domain));
	if (r == 0)
		*ret_local = name.local;
	return r;
}

int admin_mailbox(struct admin *ad, struct domain *ret_domain, struct account *ret)
{
	struct slice local, text;
	struct address x;
	int r = admin_address(ad, ret_domain, &local);
	if (r < 0)
		return r;
	text = name_text(ad->a, local, ret_domain->name);
	r = address_get(ad->e, ad->a, ret_domain->id, local, &x);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "address", "there is no mailbox " SLICE_FMT,
				   SLICE_ARG(text));
	if (r == 0 && x.type != ADDRESS_MAILBOX)
		return problem_set(&ad->why, ERR_NOT_FOUND, "address",
				   SLICE_FMT " is no mailbox but %s", SLICE_ARG(text),
				   address_type_text(x.type, ad->why.language));
	return r < 0 ? r : account_by_id(ad->e, ad->a, x.account, ret);
}
