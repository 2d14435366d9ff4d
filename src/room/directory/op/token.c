/* SPDX-License-Identifier: Apache-2.0 */
/* token add, list, remove; session show, remove (session add is auth's, serve/login.c). */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "room/directory/noun/staff.h"

enum { DAYS = 90 };

static json_t *token_json(const struct token *t, struct slice login)
{
	json_t *scopes = json_array();
	for (size_t at = 0; at < t->scopes.n;) {
		ptrdiff_t blank = slice_find_byte(t->scopes, ' ', at);
		size_t end = blank < 0 ? t->scopes.n : (size_t)blank;
		json_array_append_new(scopes, json_text(slice_sub(t->scopes, at, end)));
		at = end + 1;
	}
	return json_pack("{s:I, s:o, s:o, s:o, s:b, s:I, s:I, s:I}", "id", (json_int_t)t->id, "name", json_text(t->name),
			 "login", json_text(login), "scopes", scopes, "read_only", t->read_only, "created_ms",
			 (json_int_t)t->created_ms, "expires_ms", (json_int_t)t->expires_ms, "used_ms",
			 (json_int_t)t->used_ms);
}

static struct slice id_text(struct admin *ad, uint64_t id)
{
	return slice_str(arena_printf(ad->a, "%ju", (uintmax_t)id));
}

/* Whose: the field's, else the asker's own. */
static int find_holder(struct admin *ad, int64_t *ret, struct slice *ret_login)
{
	struct slice login;
	struct staff s;
	struct account x;
	if (!admin_has(ad, "login")) {
		*ret = ad->who.holder;
		*ret_login = ad->who.login;
		return 0;
	}
	int r = staff_login(ad->a, admin_get(ad, "login"), &login);
	r = r < 0 ? ERR_NOT_FOUND : staff_get(ad->e, ad->a, login, &s);
	if (r == 0) {
		*ret = holder_staff(s.id);
		*ret_login = s.login;
		return 0;
	}
	if (r == ERR_NOT_FOUND)
		r = credential_find(ad->e, ad->a, login, ad->now_ms, &x);
	if (r == 0 && !slice_eq(x.address, login))
		r = ERR_NOT_FOUND; /* an alias is no login of its own */
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "login", "there is no login " SLICE_FMT, SLICE_ARG(admin_get(ad, "login")));
	if (r == 0) {
		*ret = holder_account(x.id);
		*ret_login = x.address;
	}
	return r;
}

static bool is_scope(struct slice scope)
{
	for (size_t i = 0; api_op_at(i); i++) {
		struct slice name = slice_str(api_op_at(i)->name);
		ptrdiff_t dot = slice_find_byte(name, '.', 0);
		if (slice_eq(scope, name) || slice_eq(scope, slice_sub(name, 0, dot < 0 ? name.n : (size_t)dot)))
			return true;
	}
	return false;
}

static int take_scopes(struct admin *ad, struct slice *ret)
{
	struct buf text = BUF_INIT(8192);
	size_t n = 0;
	int r = 0;
	for (size_t i = 0; r == 0 && i < ad->n_fields; i++) {
		struct slice one = ad->fields[i].value;
		if (!slice_eq(ad->fields[i].name, SLICE("scope")))
			continue;
		if (!is_scope(one))
			r = problem_set(&ad->why, ERR_INVALID, "scope", "there is no operation or noun \"" SLICE_FMT "\"",
					SLICE_ARG(one));
		else if (++n > TOKEN_SCOPES_MAX)
			r = problem_set(&ad->why, ERR_TOO_BIG, "scope", "a token has at most %d scopes", TOKEN_SCOPES_MAX);
		else
			buf_printf(&text, "%s" SLICE_FMT, text.n ? " " : "", SLICE_ARG(one));
	}
	*ret = arena_dup(ad->a, buf_view(&text));
	buf_fini(&text);
	return r;
}

void op_token_add(struct admin *ad)
{
	uint64_t days = DAYS;
	struct slice login, text;
	struct token t = {
		.kind = TOKEN_KEY,
		.name = admin_get(ad, "name"),
		.read_only = admin_flag(ad, "read_only", false),
		.remote = bytes_of(&ad->req->remote),
		.created_ms = ad->now_ms,
	};
	int r = find_holder(ad, &t.holder, &login);
	if (r == 0 && !t.holder)
		r = problem_set(&ad->why, ERR_INVALID, "login", "say whose rights the token is to have");
	if (r == 0)
		r = take_scopes(ad, &t.scopes);
	if (r == 0 && admin_has(ad, "days"))
		r = slice_u64(admin_get(ad, "days"), TOKEN_DAYS_MAX, &days);
	t.expires_ms = ad->now_ms + (int64_t)days * 24 * 3600 * 1000;
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = token_add(ad->e, ad->a, &t, &text, &ad->why);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, login);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *j = token_json(&t, login);
	json_object_set_new(j, "token", json_text(text));
	ad->key[0] = id_text(ad, t.id);
	admin_ok(ad, 201, j);
}

void op_token_list(struct admin *ad)
{
	struct page page = admin_page(ad);
	struct token *rows;
	struct slice login;
	int64_t holder = 0;
	size_t n = 0;
	int r = find_holder(ad, &holder, &login);
	if (r == 0)
		r = token_list(ad->e, ad->a, holder, ad->now_ms, &page, &rows, &n);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++) {
		struct principal whose;
		if (principal_hats(ad->e, ad->a, rows[i].holder, &whose) == 0)
			login = whose.login;
		json_t *j = token_json(&rows[i], login);
		admin_put_revision(ad, j, "token", id_text(ad, rows[i].id), SLICE(""));
		json_array_append_new(items, j);
	}
	admin_page_ok(ad, items, id_text(ad, n ? rows[n - 1].id : 0), n);
}

void op_token_remove(struct admin *ad)
{
	uint64_t id = 0;
	struct token t;
	int r = slice_u64(admin_get(ad, "id"), INT64_MAX, &id);
	if (r == 0)
		r = token_by_id(ad->e, ad->a, id, &t);
	if (r == ERR_NOT_FOUND)
		problem_set(&ad->why, r, "id", "there is no token %ju", (uintmax_t)id);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = token_remove(ad->e, id);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, admin_get(ad, "id"));
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, NULL);
}

/* --- sessions --------------------------------------------------------------------------------------- */

static json_t *hat_json(struct admin *ad, const struct hat *hat)
{
	static const char *const names[] = { "provider", "customer", "domain", "user" };
	struct customer c;
	struct domain d;
	json_t *j = json_pack("{s:s}", "rank", names[hat->rank]);
	if (hat->customer && customer_by_id(ad->e, ad->a, hat->customer, &c) == 0)
		json_object_set_new(j, "customer", json_text(c.name));
	if (hat->domain && domain_by_id(ad->e, ad->a, hat->domain, &d) == 0)
		json_object_set_new(j, "domain", json_text(d.name));
	return j;
}

void op_session_show(struct admin *ad)
{
	json_t *ranks = json_array();
	for (size_t i = 0; i < ad->who.n_hats; i++)
		json_array_append_new(ranks, hat_json(ad, &ad->who.hats[i]));
	json_t *j = json_pack("{s:o, s:o}", "login", json_text(ad->who.login), "ranks", ranks);
	if (ad->who.has_token)
		json_object_set_new(j, "expires_ms", json_integer((json_int_t)ad->who.token.expires_ms));
	admin_ok(ad, 200, j);
}

void op_session_remove(struct admin *ad)
{
	int r = ad->who.has_token ? admin_begin(ad)
				  : problem_set(&ad->why, ERR_CONFLICT, NULL, "the admin socket has no session");
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	/* A mail program's session has no row in the audit where it begins, so none where it ends. */
	bool program = ad->who.token.kind == TOKEN_SESSION && ad->who.token.scopes.n;
	r = token_remove(ad->e, ad->who.token.id);
	if (r < 0)
		admin_rollback(ad);
	else
		r = program ? engine_commit(ad->e) : admin_commit(ad, ad->who.login);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, NULL);
}
