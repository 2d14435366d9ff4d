/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin add, list, show, set, password, remove. A login is a mailbox of ours, or staff: a login of its own. Which rank
 * it gets says which field is there: provider, customer or domain.
 */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "room/directory/db/name.h"
#include "room/directory/notice/language.h"
#include "room/directory/op/recovery.h"
#include "room/directory/noun/policy.h"
#include "room/directory/noun/staff.h"

static const char *const rank_names[] = { "provider", "customer", "domain", NULL };

/* Somebody: staff, or a mailbox. */
struct somebody {
	int64_t holder;
	struct staff staff;
	struct account account;
	struct office office;	/* to be added or removed */
};

static int find(struct admin *ad, struct somebody *s)
{
	struct slice login, in = admin_get(ad, "login");
	if (staff_login(ad->a, in, &login) < 0)
		return problem_set(&ad->why, ERR_INVALID, "login", "\"" SLICE_FMT "\" is neither a name nor an address",
				   SLICE_ARG(in));
	int r = staff_get(ad->e, ad->a, login, &s->staff);
	if (r == 0) {
		s->holder = holder_staff(s->staff.id);
		return 0;
	}
	if (r != ERR_NOT_FOUND)
		return r;
	s->staff.login = login;
	r = credential_find(ad->e, ad->a, login, ad->now_ms, &s->account);
	if (r == 0 && !slice_eq(s->account.address, login))
		r = ERR_NOT_FOUND; /* an alias is no login of its own */
	if (r == 0)
		s->holder = holder_account(s->account.id);
	if (r == ERR_NOT_FOUND)
		problem_set(&ad->why, r, "login", "there is no login " SLICE_FMT, SLICE_ARG(in));
	return r;
}

static json_t *rank_json(const struct office *o)
{
	json_t *j = json_pack("{s:s, s:I}", "rank", rank_names[o->rank], "created_ms", (json_int_t)o->created_ms);
	if (o->customer_name.n)
		json_object_set_new(j, "customer", json_text(o->customer_name));
	if (o->domain_name.n)
		json_object_set_new(j, "domain", json_text(o->domain_name));
	return j;
}

/* His recovery address. */
static struct slice reach(const struct somebody *s)
{
	return s->holder < 0 ? s->account.recovery : s->staff.recovery;
}

static json_t *admin_json(struct admin *ad, const struct somebody *s)
{
	struct office *offices;
	size_t n = 0;
	bool mailbox = s->holder < 0;
	if (office_of(ad->e, ad->a, s->holder, &offices, &n) < 0)
		return NULL;
	json_t *ranks = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(ranks, rank_json(&offices[i]));
	return json_pack("{s:o, s:o, s:o, s:b, s:b, s:o, s:o}", "login",
			 json_text(mailbox ? s->account.address : s->staff.login), "name",
			 json_text(mailbox ? s->account.person : s->staff.person), "language",
			 json_text(language_shown(mailbox ? s->account.language : s->staff.language)), "mailbox", mailbox,
			 "has_password", mailbox ? s->account.hash.n > 0 : s->staff.hash.n > 0, "recovery",
			 json_text(reach(s)), "ranks", ranks);
}

static void give(struct admin *ad, unsigned status, const struct somebody *s)
{
	json_t *j = admin_json(ad, s);
	if (j)
		admin_ok(ad, status, j);
	else
		admin_refuse(ad, ERR_INTERNAL);
}

static int recovery_of(struct admin *ad, struct slice *ret)
{
	return admin_get(ad, "recovery").n ? recovery_take(ad, 0, ret) : 0;
}

/* --- add -------------------------------------------------------------------------------------------- */

/* Exactly one of provider, customer, domain. */
static int which_office(struct admin *ad, struct office *o)
{
	bool provider = admin_flag(ad, "provider", false), customer = admin_has(ad, "customer");
	struct customer c;
	struct domain d;
	if (provider + customer + admin_has(ad, "domain") != 1)
		return problem_set(&ad->why, ERR_INVALID, "customer",
				   "say one of customer, domain and provider: of what the login is to be an admin");
	if (provider) {
		o->rank = RANK_PROVIDER;
		return 0;
	}
	if (customer) {
		int r = customer_get(ad->e, ad->a, admin_get(ad, "customer"), &c);
		if (r == ERR_NOT_FOUND)
			return problem_set(&ad->why, r, "customer", "there is no customer " SLICE_FMT,
					   SLICE_ARG(admin_get(ad, "customer")));
		*o = (struct office){ .rank = RANK_CUSTOMER_ADMIN, .customer = c.id };
		return r;
	}
	int r = admin_domain(ad, admin_get(ad, "domain"), &d);
	*o = (struct office){ .rank = RANK_DOMAIN_ADMIN, .customer = d.customer, .domain = d.id };
	return r;
}

/* A login whose domain is here has to be a mailbox: else somebody could make that mailbox later. */
static int check_outside(struct admin *ad, const struct somebody *s)
{
	struct name name;
	struct domain d;
	if (name_parse(ad->a, s->staff.login, &name) < 0)
		return 0;
	int r = domain_get(ad->e, ad->a, name.domain, &d);
	if (r == 0)
		return problem_set(&ad->why, ERR_NOT_FOUND, "login",
				   "there is no mailbox " SLICE_FMT ": add it first, or take a login outside of " SLICE_FMT,
				   SLICE_ARG(s->staff.login), SLICE_ARG(name.domain));
	return r == ERR_NOT_FOUND ? 0 : r;
}

/* An admin of a domain, or of all domains of a customer, who lost his password gets back in without asking anybody (M10). */
static int check_reach(struct admin *ad, const struct somebody *s)
{
	if (s->office.rank == RANK_PROVIDER || reach(s).n)
		return 0;
	return problem_set(&ad->why, ERR_INVALID, "recovery",
			   "an admin of a customer or a domain has a recovery address, to which the link for a lost password goes: " SLICE_FMT
			   " has none", SLICE_ARG(s->holder < 0 ? s->account.address : s->staff.login));
}

static int add_rows(struct admin *ad, struct somebody *s)
{
	int r = 0;
	if (!s->holder) {
		s->staff.customer = s->office.customer;
		s->staff.created_ms = ad->now_ms;
		r = staff_add(ad->e, &s->staff, &ad->why);
		s->holder = holder_staff(s->staff.id);
	}
	if (r < 0)
		return r;
	s->office.holder = s->holder;
	s->office.created_ms = ad->now_ms;
	r = office_add(ad->e, &s->office, &ad->why);
	return r < 0 ? r : check_reach(ad, s);	/* who may not see the login is told of it by office_add */
}

static void add(struct admin *ad, struct slice hash)
{
	struct somebody *s = ad->ctx;
	struct slice login = s->staff.login;
	s->staff.hash = hash;
	int r = admin_begin(ad);
	if (r == 0 && (r = add_rows(ad, s)) < 0)
		admin_rollback(ad);
	if (r == 0)
		r = admin_commit(ad, login);
	if (r < 0)
		admin_refuse(ad, r);
	else
		give(ad, 201, s);
}

void op_admin_add(struct admin *ad)
{
	struct somebody *s = ARENA_NEW(ad->a, struct somebody);
	ad->ctx = s;
	int r = find(ad, s);
	bool outside = r == ERR_NOT_FOUND;
	if (outside) {
		ad->why = problem_like(&ad->why);
		r = check_outside(ad, s);
		s->staff.person = admin_get(ad, "name");
	} else if (r == 0 && (admin_has(ad, "password") || admin_has(ad, "recovery") || admin_has(ad, "name") ||
			      admin_has(ad, "language"))) {
		r = problem_set(&ad->why, ERR_EXISTS, "login",
				"this login is there already: name, language, password and recovery address are changed on their own");
	}
	if (r == 0)
		r = which_office(ad, &s->office);
	if (r == 0 && outside)
		r = recovery_of(ad, &s->staff.recovery);
	if (r == 0 && outside)
		r = language_take(admin_get(ad, "language"), &s->staff.language, &ad->why);
	if (r == 0 && admin_has(ad, "password"))
		r = password_check(ad->e, s->office.customer, "password", admin_get(ad, "password"), &ad->why);
	if (r < 0)
		admin_refuse(ad, r);
	else if (admin_has(ad, "password"))
		admin_hash(ad, admin_get(ad, "password"), add);
	else
		add(ad, (struct slice){ 0 });
}

/* --- list, show, set -------------------------------------------------------------------------------- */

void op_admin_list(struct admin *ad)
{
	struct page page = admin_page(ad);
	struct office *rows;
	uint64_t customer = 0, domain = 0;
	size_t n = 0;
	int r = admin_of_customer(ad, &customer);
	if (r == 0)
		r = admin_of_domain(ad, &domain);
	if (r == 0)
		r = office_list(ad->e, ad->a, customer, domain, (int)admin_choice(ad, "rank", rank_names, ANY), &page, &rows, &n);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *j = rank_json(&rows[i]);
		json_object_set_new(j, "login", json_text(rows[i].login));
		json_object_set_new(j, "name", json_text(rows[i].person));
		json_object_set_new(j, "language", json_text(language_shown(rows[i].language)));
		json_object_set_new(j, "mailbox", json_boolean(rows[i].holder < 0));
		json_object_set_new(j, "recovery", json_text(rows[i].recovery));
		json_array_append_new(items, j);
	}
	admin_page_ok(ad, items, slice_str(arena_printf(ad->a, "%ju", n ? (uintmax_t)rows[n - 1].id : 0)), n);
}

void op_admin_show(struct admin *ad)
{
	struct somebody *s = ARENA_NEW(ad->a, struct somebody);
	int r = find(ad, s);
	if (r < 0)
		admin_refuse(ad, r);
	else
		give(ad, 200, s);
}

static int find_staff(struct admin *ad, struct somebody *s)
{
	int r = find(ad, s);
	if (r == 0 && s->holder < 0)
		return problem_set(&ad->why, ERR_CONFLICT, "login", SLICE_FMT " is a mailbox: see postern mailbox",
				   SLICE_ARG(s->account.address));
	return r;
}

void op_admin_set(struct admin *ad)
{
	struct somebody *s = ARENA_NEW(ad->a, struct somebody);
	int r = find_staff(ad, s);
	if (r == 0)
		r = recovery_of(ad, &s->staff.recovery);
	if (r == 0 && admin_has(ad, "language"))
		r = language_take(admin_get(ad, "language"), &s->staff.language, &ad->why);
	if (r == 0 && admin_has(ad, "name"))
		s->staff.person = admin_get(ad, "name");
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = staff_update(ad->e, &s->staff);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, s->staff.login);
	if (r < 0)
		admin_refuse(ad, r);
	else
		give(ad, 200, s);
}

/* --- password, remove ------------------------------------------------------------------------------- */

static void set_password(struct admin *ad, struct slice hash)
{
	struct somebody *s = ad->ctx;
	int r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = staff_set_password(ad->e, s->staff.id, hash, false, ad->now_ms);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, s->staff.login);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, NULL);
}

void op_admin_password(struct admin *ad)
{
	struct somebody *s = ARENA_NEW(ad->a, struct somebody);
	ad->ctx = s;
	int r = find_staff(ad, s);
	if (r == 0)
		r = password_check(ad->e, s->staff.customer, "password", admin_get(ad, "password"), &ad->why);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_hash(ad, admin_get(ad, "password"), set_password);
}

static bool is_meant(struct admin *ad, const struct office *o)
{
	if (admin_has(ad, "customer") &&
	    (o->rank != RANK_CUSTOMER_ADMIN || !slice_eq(o->customer_name, admin_get(ad, "customer"))))
		return false;
	if (admin_has(ad, "domain")) {
		struct slice normal;
		return o->rank == RANK_DOMAIN_ADMIN && name_domain(ad->a, admin_get(ad, "domain"), &normal) == 0 &&
		       slice_eq(o->domain_name, normal);
	}
	return true;
}

static int remove_rows(struct admin *ad, const struct somebody *s, const struct office *offices, size_t n)
{
	size_t gone = 0;
	int r = 0;
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (!is_meant(ad, &offices[i]))
			continue;
		r = office_remove(ad->e, offices[i].id);
		gone++;
	}
	if (r == 0 && n && !gone)
		return problem_set(&ad->why, ERR_NOT_FOUND, "login", SLICE_FMT " does not have that rank",
				   SLICE_ARG(admin_get(ad, "login")));
	if (r == 0 && !n && s->holder < 0)
		return problem_set(&ad->why, ERR_NOT_FOUND, "login", SLICE_FMT " is no admin",
				   SLICE_ARG(admin_get(ad, "login")));
	return r == 0 && gone == n && s->holder > 0 ? staff_remove(ad->e, s->staff.id) : r;
}

void op_admin_remove(struct admin *ad)
{
	struct somebody *s = ARENA_NEW(ad->a, struct somebody);
	struct office *offices;
	size_t n = 0;
	int r = find(ad, s);
	if (r == 0)
		r = office_of(ad->e, ad->a, s->holder, &offices, &n);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = remove_rows(ad, s, offices, n);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, s->holder < 0 ? s->account.address : s->staff.login);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, NULL);
}
