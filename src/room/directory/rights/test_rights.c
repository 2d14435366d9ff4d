/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole matrix: every operation of the API's table, asked by every rank about what is its own, a sibling's and a
 * stranger's, with objects that are really there; and rights.txt, which shows it to people.
 */
#include "room/directory/login/app_password.h"
#include "room/directory/notice/notice.h"
#include "room/directory/testing.h"

#include "room/directory/db/name.h"
#include "room/directory/noun/staff.h"

/* Three tenants' worth of objects. */
struct place {
	const char *customer, *domain, *mailbox, *login, *token, *notice;
};

struct world {
	struct fixture *f;
	struct principal provider, customer, domain, user, anyone;
	struct place own, sibling, foreign, nowhere;
};

static uint64_t customer_of(struct fixture *f, const char *name)
{
	struct customer c = { .name = T(name), .language = T("en"), .created_ms = 1 };
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(customer_add(f->e, f->a, &c, NULL), 0);
	assert_int_equal(engine_commit(f->e), 0);
	return c.id;
}

static struct domain domain_of(struct fixture *f, uint64_t customer, const char *name)
{
	struct domain d = { .customer = customer, .name = T(name), .hosted = true, .created_ms = 1 };
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(domain_add(f->e, f->a, &d, NULL), 0);
	assert_int_equal(engine_commit(f->e), 0);
	return d;
}

static void give_office(struct fixture *f, int64_t holder, enum rank rank, uint64_t customer, uint64_t domain)
{
	struct office o = { .holder = holder, .rank = rank, .customer = customer, .domain = domain, .created_ms = 1 };
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(office_add(f->e, &o, NULL), 0);
	assert_int_equal(engine_commit(f->e), 0);
}

static uint64_t make_staff(struct fixture *f, const char *login, uint64_t customer)
{
	struct staff s = { .login = T(login), .customer = customer, .created_ms = 1 };
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(staff_add(f->e, &s, NULL), 0);
	assert_int_equal(engine_commit(f->e), 0);
	return s.id;
}

static const char *make_token(struct fixture *f, int64_t holder)
{
	struct token t = { .kind = TOKEN_KEY, .holder = holder, .name = T("t"), .created_ms = 1, .expires_ms = 1000 };
	struct slice text;
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(token_add(f->e, f->a, &t, &text, NULL), 0);
	assert_int_equal(engine_commit(f->e), 0);
	return arena_printf(f->a, "%ju", (uintmax_t)t.id);
}

static const char *make_notice(struct fixture *f, const struct domain *d)
{
	struct notice n = { .kind = NOTICE_TEST, .domain = d->id, .to = T("somebody@elsewhere.test"), .now_ms = 1 };
	struct notice_filter newest = { .kind = -1, .state = -1, .limit = 1 };
	struct notice_row *rows;
	size_t count = 0;
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(notice_add(f->e, f->a, &n), 0);
	assert_int_equal(engine_commit(f->e), 0);
	assert_int_equal(notice_log(f->e, f->a, &newest, &rows, &count), 0);
	assert_int_equal(count, 1);
	return arena_printf(f->a, "%ju", (uintmax_t)rows[0].id);
}

static struct principal wearing(struct fixture *f, int64_t holder)
{
	struct principal p;
	assert_int_equal(principal_hats(f->e, f->a, holder, &p), 0);
	return p;
}

/* acme (1) has own.test and sibling.test, other has foreign.test. */
static struct world make_world(struct fixture *f)
{
	struct world w = { .f = f, .anyone = principal_anyone(), .provider = principal_local(f->a) };
	uint64_t other = customer_of(f, "other");
	struct domain own = domain_of(f, f->customer.id, "own.test");
	struct domain sibling = domain_of(f, f->customer.id, "sibling.test");
	struct domain foreign = domain_of(f, other, "foreign.test");
	struct account joe = make_mailbox(f, &own, "joe");
	struct account mary = make_mailbox(f, &own, "mary");
	struct account sue = make_mailbox(f, &sibling, "sue");
	struct account eve = make_mailbox(f, &foreign, "eve");
	uint64_t carol = make_staff(f, "carol", f->customer.id), dora = make_staff(f, "dora", f->customer.id);
	uint64_t otto = make_staff(f, "otto", other);
	give_office(f, holder_staff(carol), RANK_CUSTOMER_ADMIN, f->customer.id, 0);
	give_office(f, holder_staff(dora), RANK_DOMAIN_ADMIN, 0, own.id);
	give_office(f, holder_staff(otto), RANK_CUSTOMER_ADMIN, other, 0);
	w.customer = wearing(f, holder_staff(carol));
	w.domain = wearing(f, holder_staff(dora));
	w.user = wearing(f, holder_account(joe.id));
	w.own = (struct place){ "acme", "own.test", "joe@own.test", "joe@own.test",
				make_token(f, holder_account(joe.id)), make_notice(f, &own) };
	w.sibling = (struct place){ "acme", "sibling.test", "sue@sibling.test", "sue@sibling.test",
				    make_token(f, holder_account(sue.id)), make_notice(f, &sibling) };
	w.foreign = (struct place){ "other", "foreign.test", "eve@foreign.test", "otto",
				    make_token(f, holder_account(eve.id)), make_notice(f, &foreign) };
	w.nowhere = (struct place){ "none", "none.test", "eve@none.test", "nobody", "999999", "999999" };
	(void)mary;
	return w;
}

/* The fields that say what the operation is about: those that it needs; else, of a list, the domain. */
static size_t fields_of(const struct api_op *op, const struct place *at, struct api_field *out)
{
	size_t n = 0;
	for (size_t i = 0; i < op->n_params; i++) {
		const struct api_param *p = &op->params[i];
		struct slice name = slice_str(p->name);
		bool ask = p->required || (!n && (op->list || rights_self(slice_str(op->name))));
		const char *value = slice_eq(name, SLICE("customer"))  ? at->customer
				    : slice_eq(name, SLICE("domain"))  ? at->domain
				    : slice_eq(name, SLICE("address")) ? at->mailbox
				    : slice_eq(name, SLICE("login"))   ? at->login
				    : slice_eq(name, SLICE("id"))      ? (strncmp(op->name, "notice.", 7) ? at->token : at->notice)
								       : NULL;
		if (ask && value && rights_has_object(op, p->name))
			out[n++] = (struct api_field){ name, T(value) };
	}
	return n;
}

static int ask(struct world *w, const struct principal *p, const struct api_op *op, const struct place *at,
	       struct problem *why)
{
	struct api_field fields[8];
	struct object owner;
	*why = (struct problem){ 0 };
	return rights_decide(w->f->e, w->f->a, p, op, fields, fields_of(op, at, fields), &owner, why);
}

static bool has_fields(const struct api_op *op, const struct place *at)
{
	struct api_field fields[8];
	return fields_of(op, at, fields) > 0;
}

/* What the row says, for the three relations. An own object is answered with 0 or refused for the rank; anything else
 * is not there, in the same words as what is really not there. */
static void walk(struct world *w, const struct principal *p, const struct api_op *op)
{
	enum rank rank = principal_rank(p);
	struct problem why, none;
	bool may = rights_of_hat(slice_str(op->name), rank, RELATION_OWN) == 0;
	/* Staff and mailbox users are users, too: what a user may, they may with themselves. */
	bool user = rank < RANK_USER && rank != RANK_PROVIDER &&
		    rights_of_hat(slice_str(op->name), RANK_USER, RELATION_OWN) == 0;
	bool kin = rights_of_hat(slice_str(op->name), rank, RELATION_SIBLING) == 0;
	bool open = rights_of_hat(slice_str(op->name), RANK_NOBODY, RELATION_FOREIGN) == 0;
	int own = ask(w, p, op, &w->own, &why);
	print_message("%s as %d\n", op->name, rank);
	if (open)
		return assert_int_equal(own, 0);
	if (!may && !user)
		return assert_int_equal(own, ERR_DENIED);
	if (rank == RANK_NOBODY || !has_fields(op, &w->own))
		return assert_int_equal(own, 0);
	/* A user's own customer and domain are not his. */
	if (rank == RANK_USER && own == ERR_NOT_FOUND)
		assert_false(rights_has_object(op, "address") && !op->list);
	else
		assert_int_equal(own, 0);
	if (rank == RANK_PROVIDER) {
		assert_int_equal(ask(w, p, op, &w->foreign, &why), 0);
		return;
	}
	int sibling = ask(w, p, op, &w->sibling, &why);
	if (rank == RANK_CUSTOMER_ADMIN || kin)
		assert_int_equal(sibling, 0);
	else if (strcmp(op->name, "admin.add"))
		assert_true(sibling == ERR_NOT_FOUND || sibling == ERR_DENIED);
	int foreign = ask(w, p, op, &w->foreign, &why);
	int nothing = ask(w, p, op, &w->nowhere, &none);
	if (!strcmp(op->name, "admin.add")) { /* a new login is one that is not there */
		assert_int_equal(foreign, ERR_EXISTS);
		return;
	}
	assert_int_equal(foreign, ERR_NOT_FOUND);
	assert_int_equal(nothing, ERR_NOT_FOUND);
	assert_true((why.field == NULL) == (none.field == NULL));
	if (why.field)
		assert_string_equal(why.field, none.field);
	/* The words differ in the value that was asked for, and in nothing else. */
	assert_int_equal(strcspn(why.text, " "), strcspn(none.text, " "));
	assert_int_equal(strncmp(why.text, "there is no ", 12), 0);
	assert_int_equal(strncmp(none.text, "there is no ", 12), 0);
}

static void matrix(void **state)
{
	struct world w = make_world(*state);
	for (size_t i = 0; api_op_at(i); i++) {
		const struct api_op *op = api_op_at(i);
		if (!rights_known(slice_str(op->name)))
			fail_msg("%s has no row in rights.c", op->name);
		walk(&w, &w.provider, op);
		walk(&w, &w.customer, op);
		walk(&w, &w.domain, op);
		walk(&w, &w.user, op);
		walk(&w, &w.anyone, op);
	}
}

/* Whatever is not the provider's alone has to say by a standard field what it is about, or be about the asker. */
static void rows(void **state)
{
	struct object owner;
	struct principal local = principal_local(((struct fixture *)*state)->a);
	const struct api_op unknown = { .name = "no.such", .method = "GET" };
	for (size_t i = 0; api_op_at(i); i++) {
		const struct api_op *op = api_op_at(i);
		struct slice name = slice_str(op->name);
		bool only_provider = true, object = false;
		for (enum rank rank = RANK_CUSTOMER_ADMIN; rank <= RANK_NOBODY; rank++)
			only_provider &= rights_of_hat(name, rank, RELATION_OWN) == ERR_DENIED;
		for (size_t k = 0; k < op->n_params; k++)
			object |= op->params[k].required && rights_has_object(op, op->params[k].name);
		if (!only_provider && !object && !rights_self(name) && rights_of_hat(name, RANK_NOBODY, 0) != 0)
			fail_msg("%s: nothing says whose object it is about", op->name);
		if (op->open != (rights_of_hat(name, RANK_NOBODY, RELATION_FOREIGN) == 0))
			fail_msg("%s: open to anyone here, or described so, not both", op->name);
	}
	assert_int_equal(rights_decide(((struct fixture *)*state)->e, ((struct fixture *)*state)->a, &local, &unknown, NULL,
				       0, &owner, NULL),
			 ERR_UNSUPPORTED);
}

static void golden(void **state)
{
	char path[4096];
	static char there[65536];
	struct buf text = BUF_INIT(sizeof(there));
	const char *source = getenv("POSTERN_SOURCE");
	if (!source)
		fail_msg("POSTERN_SOURCE must name the source folder (meson test does)");
	snprintf(path, sizeof(path), "%s/src/room/directory/rights/rights.txt", source);
	rights_text(&text);
	assert_true(buf_ok(&text));
	if (getenv("POSTERN_UPDATE_RIGHTS")) {
		FILE *out = fopen(path, "w");
		assert_non_null(out);
		fputs(buf_cstr(&text), out);
		assert_int_equal(fclose(out), 0);
	}
	FILE *in = fopen(path, "r");
	assert_non_null(in);
	there[fread(there, 1, sizeof(there) - 1, in)] = 0;
	fclose(in);
	if (strcmp(there, buf_cstr(&text)))
		fail_msg("rights.txt is not what the tables say: run tools/update-rights and look at the difference");
	buf_fini(&text);
}

#define F(name, value) (struct api_field){ SLICE(name), T(value) }

static int decide(struct world *w, const struct principal *p, const char *op, const struct api_field *fields, size_t n,
		  struct problem *why)
{
	struct object owner;
	*why = (struct problem){ 0 };
	return rights_decide(w->f->e, w->f->a, p, api_op_find(T(op)), fields, n, &owner, why);
}

/* H18: fields above one's rank are refused, not dropped. */
static void mass_assignment(void **state)
{
	struct world w = make_world(*state);
	struct problem why;
	const struct api_field send_any[] = { F("address", "joe@own.test"), F("send_any", "true") };
	const struct api_field hosted[] = { F("address", "joe@own.test"), F("hosted", "true") };
	const struct api_field server[] = { F("domain", "own.test"), F("server", "x.test") };
	const struct api_field move[] = { F("domain", "own.test"), F("customer", "acme") };
	const struct api_field rank[] = { F("login", "new"), F("provider", "true") };
	const struct api_field unknown[] = { F("address", "joe@own.test"), F("role", "provider") };
	assert_int_equal(decide(&w, &w.provider, "mailbox.set", send_any, 2, &why), 0);
	assert_int_equal(decide(&w, &w.customer, "mailbox.set", send_any, 2, &why), ERR_DENIED);
	assert_string_equal(why.field, "send_any");
	assert_int_equal(decide(&w, &w.customer, "mailbox.set", hosted, 2, &why), 0);
	assert_int_equal(decide(&w, &w.domain, "mailbox.set", hosted, 2, &why), ERR_DENIED);
	assert_string_equal(why.field, "hosted");
	assert_int_equal(decide(&w, &w.customer, "domain.set", server, 2, &why), ERR_DENIED);
	assert_int_equal(decide(&w, &w.customer, "domain.set", move, 2, &why), ERR_DENIED);
	assert_int_equal(decide(&w, &w.customer, "admin.add", rank, 2, &why), ERR_DENIED);
	assert_string_equal(why.field, "provider");
	assert_int_equal(decide(&w, &w.domain, "mailbox.set", unknown, 2, &why), ERR_DENIED);
}

/* H18: the target must not outrank the actor, whatever the operation. */
static void outranking(void **state)
{
	struct world w = make_world(*state);
	struct fixture *f = w.f;
	struct problem why;
	struct domain own;
	assert_int_equal(domain_get(f->e, f->a, T("own.test"), &own), 0);
	static const struct {
		const char *local;
		enum rank rank;
		const char *domain;
		int by_customer, by_domain;
	} cases[] = {
		{ "boss", RANK_PROVIDER, NULL, ERR_DENIED, ERR_DENIED },
		{ "chief", RANK_CUSTOMER_ADMIN, NULL, 0, ERR_DENIED },
		{ "peer", RANK_DOMAIN_ADMIN, "own.test", 0, 0 },
		{ "aunt", RANK_DOMAIN_ADMIN, "sibling.test", 0, ERR_DENIED },
		{ "spy", RANK_DOMAIN_ADMIN, "foreign.test", ERR_DENIED, ERR_DENIED },
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct account x = make_mailbox(f, &own, cases[i].local);
		struct domain d = { 0 };
		if (cases[i].domain)
			assert_int_equal(domain_get(f->e, f->a, T(cases[i].domain), &d), 0);
		give_office(f, holder_account(x.id), cases[i].rank, f->customer.id, d.id);
		const char *address = arena_printf(f->a, "%s@own.test", cases[i].local);
		const struct api_field password[] = { F("address", address), F("password", "Secret-pass-1") };
		const struct api_field name[] = { F("address", address), F("name", "x") };
		const struct api_field one[] = { F("address", address) };
		const struct api_field token[] = { F("name", "x"), F("login", address) };
		assert_int_equal(decide(&w, &w.customer, "mailbox.password", password, 2, &why), cases[i].by_customer);
		assert_int_equal(decide(&w, &w.domain, "mailbox.password", password, 2, &why), cases[i].by_domain);
		assert_int_equal(decide(&w, &w.domain, "mailbox.set", name, 2, &why), cases[i].by_domain);
		assert_int_equal(decide(&w, &w.domain, "mailbox.remove", one, 1, &why), cases[i].by_domain);
		assert_int_equal(decide(&w, &w.domain, "token.add", token, 2, &why), cases[i].by_domain);
		assert_int_equal(decide(&w, &w.customer, "token.add", token, 2, &why), cases[i].by_customer);
		assert_int_equal(decide(&w, &w.domain, "mailbox.show", one, 1, &why), 0); /* a look is none */
		struct principal self = wearing(f, holder_account(x.id));
		assert_int_equal(decide(&w, &self, "token.add", token, 2, &why), 0);
	}
}

/* H14: 256 bits, none twice, at rest only as a hash; over when its time, its holder or its password is. */
static void tokens(void **state)
{
	struct world w = make_world(*state);
	struct fixture *f = w.f;
	struct slice text, key;
	struct principal p;
	struct problem why;
	uint64_t erin = make_staff(f, "erin", f->customer.id);
	struct staff s;
	assert_int_equal(staff_by_id(f->e, f->a, erin, &s), 0);
	struct token t = { .kind = TOKEN_SESSION, .holder = holder_staff(erin), .version = s.version, .created_ms = 10,
			   .expires_ms = 10 + TOKEN_IDLE_MS };
	struct token k = { .kind = TOKEN_KEY, .holder = holder_staff(erin), .name = T("k"), .scopes = T("mailbox.list domain"),
			   .read_only = true, .created_ms = 10, .expires_ms = 1000000000 };
	give_office(f, holder_staff(erin), RANK_CUSTOMER_ADMIN, f->customer.id, 0);
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(token_add(f->e, f->a, &t, &text, NULL), 0);
	assert_int_equal(token_add(f->e, f->a, &k, &key, NULL), 0);
	assert_int_equal(engine_commit(f->e), 0);
	assert_int_equal(text.n, 4 + 64);
	assert_int_equal(principal_of(f->e, f->a, text, 20, &p), 0);
	assert_slice(p.login, "erin");
	assert_int_equal(principal_rank(&p), RANK_CUSTOMER_ADMIN);
	/* every byte counts */
	for (size_t i = 0; i < text.n; i++) {
		struct slice bad = arena_dup(f->a, text);
		((uint8_t *)(uintptr_t)bad.p)[i] ^= 1;
		assert_int_equal(principal_of(f->e, f->a, bad, 20, &p), ERR_NOT_FOUND);
		assert_int_equal(principal_of(f->e, f->a, slice_sub(text, 0, i), 20, &p), ERR_NOT_FOUND);
	}
	/* it slides with its use, not past its end */
	assert_int_equal(principal_of(f->e, f->a, text, 10 + TOKEN_IDLE_MS - 1, &p), 0);
	assert_int_equal(principal_of(f->e, f->a, text, 10 + 2 * TOKEN_IDLE_MS - 2, &p), 0);
	assert_int_equal(principal_of(f->e, f->a, text, 10 + 4 * (int64_t)TOKEN_IDLE_MS, &p), ERR_NOT_FOUND);
	/* a key: only what it is for, and nothing that changes; it makes no keys */
	assert_int_equal(principal_of(f->e, f->a, key, 20, &p), 0);
	const struct api_field domain[] = { F("domain", "own.test") }, name[] = { F("name", "x") };
	assert_int_equal(decide(&w, &p, "mailbox.list", domain, 1, &why), 0);
	assert_int_equal(decide(&w, &p, "domain.show", domain, 1, &why), 0);
	assert_int_equal(decide(&w, &p, "domain.set", domain, 1, &why), ERR_DENIED);
	assert_int_equal(decide(&w, &p, "address.list", domain, 1, &why), ERR_DENIED);
	assert_int_equal(decide(&w, &p, "token.add", name, 1, &why), ERR_DENIED);
	/* a session for one thing (what sieved gets) is good for that thing and its holder alone */
	struct domain own;
	assert_int_equal(domain_get(f->e, f->a, T("own.test"), &own), 0);
	struct account zoe = make_mailbox(f, &own, "zoe");
	struct token narrow = { .kind = TOKEN_SESSION, .holder = holder_account(zoe.id), .scopes = T("sieve"),
				.version = zoe.version, .created_ms = 10, .expires_ms = 10 + TOKEN_IDLE_MS };
	struct slice narrow_text;
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(token_add(f->e, f->a, &narrow, &narrow_text, NULL), 0);
	assert_int_equal(engine_commit(f->e), 0);
	assert_int_equal(principal_of(f->e, f->a, narrow_text, 20, &p), 0);
	const struct api_field mine[] = { F("address", "zoe@own.test") }, other[] = { F("address", "joe@own.test") };
	assert_int_equal(decide(&w, &p, "sieve.list", mine, 1, &why), 0);
	assert_int_equal(decide(&w, &p, "sieve.deactivate", mine, 1, &why), 0);
	assert_int_equal(decide(&w, &p, "sieve.list", other, 1, &why), ERR_NOT_FOUND);
	assert_int_equal(decide(&w, &p, "mailbox.show", mine, 1, &why), ERR_DENIED);
	assert_int_equal(decide(&w, &p, "token.add", name, 1, &why), ERR_DENIED);
	assert_int_equal(principal_of(f->e, f->a, T(""), 20, &p), ERR_NOT_FOUND);
	/* ... even where its holder is an admin */
	give_office(f, holder_account(zoe.id), RANK_CUSTOMER_ADMIN, f->customer.id, 0);
	assert_int_equal(principal_of(f->e, f->a, narrow_text, 20, &p), 0);
	assert_int_equal(principal_rank(&p), RANK_USER);
	assert_int_equal(decide(&w, &p, "sieve.list", mine, 1, &why), 0);
	assert_int_equal(decide(&w, &p, "sieve.list", other, 1, &why), ERR_NOT_FOUND);
	/* the password changes: the session is over, the key stays; the person goes: both are */
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(staff_set_password(f->e, erin, T("{X}"), false, 5), 0);
	assert_int_equal(engine_commit(f->e), 0);
	assert_int_equal(principal_of(f->e, f->a, text, 20, &p), ERR_NOT_FOUND);
	assert_int_equal(principal_of(f->e, f->a, key, 20, &p), 0);
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(staff_remove(f->e, erin), 0);
	assert_int_equal(engine_commit(f->e), 0);
	assert_int_equal(principal_of(f->e, f->a, key, 20, &p), ERR_NOT_FOUND);
}

/* A mail program's session lives as long as the program's password, and only one that is for ManageSieve makes one. */
static void sessions_of_app_passwords(void **state)
{
	struct world w = make_world(*state);
	struct fixture *f = w.f;
	struct domain own;
	struct principal p;
	char text[PASS_RANDOM_TEXT];
	static const struct {
		unsigned protocols;
		const char *scopes;
		int want;
	} cases[] = { { APP_SIEVE, "sieve", 0 },
		      { APP_IMAP | APP_SIEVE, "sieve", 0 },
		      { APP_IMAP | APP_POP3 | APP_SUBMISSION, "sieve", ERR_NOT_FOUND },
		      { APP_SIEVE, "", ERR_NOT_FOUND } /* the web */ };
	assert_int_equal(domain_get(f->e, f->a, T("own.test"), &own), 0);
	struct account x = make_mailbox(f, &own, "apps");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct app_password app = { .account = x.id, .name = T("tablet"), .protocols = cases[i].protocols };
		struct slice token;
		assert_int_equal(engine_begin(f->e), 0);
		assert_int_equal(app_password_add(f->e, &app, text, NULL), 0);
		struct token t = { .kind = TOKEN_SESSION, .holder = holder_account(x.id), .scopes = slice_str(cases[i].scopes),
				   .version = app.version, .created_ms = 10, .expires_ms = 10 + TOKEN_IDLE_MS };
		assert_int_equal(token_add(f->e, f->a, &t, &token, NULL), 0);
		assert_int_equal(engine_commit(f->e), 0);
		assert_int_equal(principal_of(f->e, f->a, token, 20, &p), cases[i].want);
		assert_int_equal(engine_begin(f->e), 0);
		uint64_t version = 0;
		assert_int_equal(app_password_remove(f->e, x.id, T("tablet"), &version), 0);
		assert_true(version && version == app.version);
		assert_int_equal(engine_commit(f->e), 0);
		assert_int_equal(principal_of(f->e, f->a, token, 20, &p), ERR_NOT_FOUND);
	}
}

/* A mailbox that goes takes its ranks and tokens along at once, before the store has forgotten it. */
static void mailbox_goes(void **state)
{
	struct world w = make_world(*state);
	struct fixture *f = w.f;
	struct domain own;
	struct office *offices;
	size_t n = 0;
	assert_int_equal(domain_get(f->e, f->a, T("own.test"), &own), 0);
	struct account x = make_mailbox(f, &own, "gone");
	give_office(f, holder_account(x.id), RANK_DOMAIN_ADMIN, 0, own.id);
	make_token(f, holder_account(x.id));
	assert_int_equal(engine_begin(f->e), 0);
	assert_int_equal(account_retire(f->e, x.id), 0);
	assert_int_equal(engine_commit(f->e), 0);
	assert_int_equal(office_of(f->e, f->a, holder_account(x.id), &offices, &n), 0);
	assert_int_equal(n, 0);
	struct principal p;
	assert_int_equal(principal_hats(f->e, f->a, holder_account(x.id), &p), ERR_NOT_FOUND);
}

/* Lists: what a viewer may see, and no more. */
static void lists(void **state)
{
	struct world w = make_world(*state);
	struct fixture *f = w.f;
	const struct principal *const who[] = { &w.provider, &w.customer, &w.domain, &w.user, &w.anyone };
	static const size_t domains[] = { 3, 2, 1, 0, 0 }, customers[] = { 2, 1, 0, 0, 0 }, mailboxes[] = { 4, 3, 2, 0, 0 },
			    offices[] = { 3, 2, 1, 0, 0 };
	for (size_t i = 0; i < ARRAY_SIZE(who); i++) {
		struct page page = { .viewer = principal_viewer(who[i]) };
		struct domain *d;
		struct customer *c;
		struct account *x;
		struct address *addresses;
		struct office *o;
		size_t n = 0;
		assert_int_equal(domain_list(f->e, f->a, NULL, &page, &d, &n), 0);
		assert_int_equal(n, domains[i]);
		assert_int_equal(customer_list(f->e, f->a, &page, &c, &n), 0);
		assert_int_equal(n, customers[i]);
		assert_int_equal(account_list(f->e, f->a, 0, 0, &page, &x, &n), 0);
		assert_int_equal(n, mailboxes[i]);
		assert_int_equal(office_list(f->e, f->a, 0, 0, -1, &page, &o, &n), 0);
		assert_int_equal(n, offices[i]);
		assert_int_equal(address_list(f->e, f->a, NULL, &page, &addresses, &n), 0);
		assert_int_equal(n, 0);
	}
}

int main(void)
{
#define WITH(t) cmocka_unit_test_setup_teardown(t, fixture_up, fixture_down)
	const struct CMUnitTest tests[] = {
		WITH(matrix), WITH(rows), cmocka_unit_test(golden), WITH(mass_assignment), WITH(outranking), WITH(tokens),
		WITH(sessions_of_app_passwords),
		WITH(mailbox_goes), WITH(lists),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
