/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/login/person.h"

#include "base/err.h"

static int fill_account(struct engine *e, struct arena *a, struct person *p)
{
	int r = domain_by_id(e, a, p->account.domain, &p->domain);
	if (r < 0)
		return r;
	p->holder = holder_account(p->account.id);
	p->customer = p->domain.customer;
	p->name = p->account.address;
	return 0;
}

static int fill_staff(struct person *p)
{
	p->is_staff = true;
	p->holder = holder_staff(p->staff.id);
	p->customer = p->staff.customer;
	p->name = p->staff.login;
	return 0;
}

int person_by_name(struct engine *e, struct arena *a, struct slice name, int64_t now_ms, struct person *ret)
{
	struct slice login;
	*ret = (struct person){ 0 };
	if (staff_login(a, name, &login) == 0) {
		int r = staff_get(e, a, login, &ret->staff);
		if (r != ERR_NOT_FOUND)
			return r < 0 ? r : fill_staff(ret);
	}
	int r = credential_find(e, a, name, now_ms, &ret->account);
	return r < 0 ? r : fill_account(e, a, ret);
}

int person_by_holder(struct engine *e, struct arena *a, int64_t holder, struct person *ret)
{
	*ret = (struct person){ 0 };
	if (holder > 0) {
		int r = staff_by_id(e, a, (uint64_t)holder, &ret->staff);
		return r < 0 ? r : fill_staff(ret);
	}
	int r = account_by_id(e, a, (uint64_t)-holder, &ret->account);
	if (r == 0 && ret->account.state != ACCOUNT_LIVE)
		r = ERR_NOT_FOUND;
	return r < 0 ? r : fill_account(e, a, ret);
}
