/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/op/person.h"

#include "base/err.h"
#include "room/directory/op/recovery.h"

static int person_account(struct engine *e, struct arena *a, struct person *p)
{
	int r = domain_by_id(e, a, p->account.domain, &p->domain);
	if (r < 0)
		return r;
	p->holder = holder_account(p->account.id);
	p->customer = p->domain.customer;
	p->name = p->account.address;
	p->reach = recovery_reach(&p->domain, &p->account);
	return 0;
}

static int person_staff(struct person *p)
{
	p->is_staff = true;
	p->holder = holder_staff(p->staff.id);
	p->customer = p->staff.customer;
	p->name = p->staff.login;
	p->reach = p->staff.recovery;
	return 0;
}

int person_by_name(struct engine *e, struct arena *a, struct slice in, int64_t now_ms, struct person *p)
{
	struct slice login;
	*p = (struct person){ 0 };
	if (staff_login(a, in, &login) == 0) {
		int r = staff_get(e, a, login, &p->staff);
		if (r != ERR_NOT_FOUND)
			return r < 0 ? r : person_staff(p);
	}
	int r = credential_find(e, a, in, now_ms, &p->account);
	return r < 0 ? r : person_account(e, a, p);
}

int person_by_holder(struct engine *e, struct arena *a, int64_t holder, struct person *p)
{
	*p = (struct person){ 0 };
	if (holder > 0) {
		int r = staff_by_id(e, a, (uint64_t)holder, &p->staff);
		return r < 0 ? r : person_staff(p);
	}
	int r = account_by_id(e, a, (uint64_t)-holder, &p->account);
	if (r == 0 && p->account.state != ACCOUNT_LIVE)
		r = ERR_NOT_FOUND;
	return r < 0 ? r : person_account(e, a, p);
}
