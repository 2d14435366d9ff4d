/* SPDX-License-Identifier: Apache-2.0 */
/* From whom notices come. The address belongs to one of the customer's domains: nobody else's name is used. */
#include "base/err.h"
#include "base/text.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/notice/write.h"

enum { NAME_BYTES_MAX = 128 };

static int setting(struct engine *e, struct arena *a, uint64_t customer, uint64_t domain, struct slice *ret_address,
		   struct slice *ret_name)
{
	struct sql_stmt *s = sql_prepare(e->db,
					 "SELECT address, name FROM notice_sender WHERE customer = ?1"
					 " AND domain IN (0, ?2) ORDER BY domain DESC LIMIT 1");
	sql_bind_int(s, 1, (int64_t)customer);
	sql_bind_int(s, 2, (int64_t)domain);
	int r = sql_step(s);
	if (r == 1) {
		*ret_address = column_dup(a, s, 0);
		*ret_name = column_dup(a, s, 1);
	}
	sql_done(s);
	return r == 1 ? 0 : r == 0 ? ERR_NOT_FOUND : r;
}

/* A domain that went to another customer meanwhile does not lend its name any more. */
static bool is_own(struct engine *e, struct arena *a, uint64_t customer, struct slice address)
{
	struct name name;
	struct domain d;
	return name_parse(a, address, &name) == 0 && !name.literal && domain_get(e, a, name.domain, &d) == 0 &&
	       d.customer == customer;
}

int notice_sender(struct engine *e, struct arena *a, uint64_t customer, uint64_t domain, const char *host,
		  struct slice *ret_address, struct slice *ret_name)
{
	struct domain d, *all;
	size_t n = 0;
	struct page first = { .limit = 1 };
	struct domain_filter of = { .customer = customer, .hosted = -1, .phase = -1 };
	*ret_name = SLICE("");
	int r = customer ? setting(e, a, customer, domain, ret_address, ret_name) : ERR_NOT_FOUND;
	if (r == 0 && is_own(e, a, customer, *ret_address))
		return 0;
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	r = domain ? domain_by_id(e, a, domain, &d) : ERR_NOT_FOUND;
	if (r == ERR_NOT_FOUND && customer) {
		r = domain_list(e, a, &of, &first, &all, &n);
		if (r == 0 && n)
			d = all[0];
		else if (r == 0)
			r = ERR_NOT_FOUND;
	}
	if (r < 0 && r != ERR_NOT_FOUND)
		return r;
	*ret_address = name_text(a, SLICE("do-not-reply"), r == 0 ? d.name : slice_str(host));
	return 0;
}

static int check(struct engine *e, struct arena *a, uint64_t customer, struct slice *address, struct slice name,
		 struct problem *why)
{
	struct name parsed;
	char size[TEXT_SIZE], most[TEXT_SIZE];
	if (name_parse(a, *address, &parsed) < 0 || parsed.literal)
		return problem_set(why, ERR_INVALID, "from", "\"" SLICE_FMT "\" is not an address", SLICE_ARG(*address));
	*address = name_text(a, parsed.local, parsed.domain);
	if (!is_own(e, a, customer, *address))
		return problem_set(why, ERR_INVALID, "from", SLICE_FMT " is not an address of one of the customer's domains",
				   SLICE_ARG(*address));
	if (name.n > NAME_BYTES_MAX)
		return problem_set(why, ERR_TOO_BIG, "from_name", "%s, at most %s are possible", text_size(name.n, size),
				   text_size(NAME_BYTES_MAX, most));
	return 0;
}

int notice_set_sender(struct engine *e, struct arena *a, uint64_t customer, uint64_t domain, struct slice address,
		      struct slice name, struct problem *why)
{
	int r = address.n ? check(e, a, customer, &address, name, why) : 0;
	if (r < 0)
		return r;
	if (!address.n)
		r = sql_run(e->db, "DELETE FROM notice_sender WHERE customer = ?1 AND domain = ?2", "ii", (int64_t)customer,
			    (int64_t)domain);
	else
		r = sql_run(e->db,
			    "INSERT INTO notice_sender (customer, domain, address, name) VALUES (?1, ?2, ?3, ?4)"
			    " ON CONFLICT (customer, domain) DO UPDATE SET address = excluded.address, name = excluded.name",
			    "iibb", (int64_t)customer, (int64_t)domain, address, name.n ? name : SLICE(""));
	return r < 0 ? r : 0;
}
