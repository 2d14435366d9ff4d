/* SPDX-License-Identifier: Apache-2.0 */
/* sieve list, get, put, check, activate, deactivate, rename, remove: the scripts of a mailbox. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "room/directory/noun/script.h"

static json_t *script_json(const struct admin *ad, const struct script *x)
{
	json_t *j = json_pack("{s:o, s:b, s:I, s:I, s:n, s:n}", "name", json_text(x->name), "active", (int)x->active,
			      "size_bytes", (json_int_t)x->size, "changed_ms", (json_int_t)x->changed_ms, "failed_ms",
			      "failure");
	if (!x->failed_ms)
		return j;
	struct buf text = BUF_INIT(PROBLEM_TEXT_MAX);
	script_failure_text(&x->failure, x->failed_within, ad->why.language, &text);
	json_object_set_new(j, "failed_ms", json_integer((json_int_t)x->failed_ms));
	json_object_set_new(j, "failure", json_text(buf_view(&text)));
	buf_fini(&text);
	return j;
}

static int mailbox_of(struct admin *ad, struct account *ret)
{
	struct domain d;
	return admin_mailbox(ad, &d, ret);
}

void op_sieve_list(struct admin *ad)
{
	struct account x;
	struct script *rows;
	size_t n = 0;
	int r = mailbox_of(ad, &x);
	if (r == 0)
		r = script_list(ad->e, ad->a, x.id, &rows, &n);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, script_json(ad, &rows[i]));
	admin_ok(ad, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

static int script_of(struct admin *ad, uint64_t account, struct script *ret)
{
	struct slice name = admin_get(ad, "name");
	int r = script_get(ad->e, ad->a, account, name, ret);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "name", "there is no script \"" SLICE_FMT "\"", SLICE_ARG(name));
	return r;
}

void op_sieve_get(struct admin *ad)
{
	struct account x;
	struct script script;
	int r = mailbox_of(ad, &x);
	if (r == 0)
		r = script_of(ad, x.id, &script);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *j = script_json(ad, &script);
	json_object_set_new(j, "text", json_text(script.text));
	admin_ok(ad, 200, j);
}

/* Answers with the script of this name as it is behind the change; name empty: with nothing. */
static void close_change(struct admin *ad, const struct account *x, int r, unsigned status, struct slice name)
{
	struct script script;
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, x->address);
	if (r == 0 && name.n)
		r = script_get(ad->e, ad->a, x->id, name, &script);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, status, name.n ? script_json(ad, &script) : NULL);
}

void op_sieve_put(struct admin *ad)
{
	struct account x;
	struct script before;
	bool dry = admin_flag(ad, "dry_run", false);
	struct slice name = admin_get(ad, "name");
	int r = mailbox_of(ad, &x);
	if (r == 0)
		r = admin_map_file(ad, "file");
	if (r == 0 && dry)
		r = script_put(ad->e, ad->a, x.id, name, ad->file, true, ad->now_ms, &ad->why);
	else if (r == 0)
		r = admin_begin(ad);
	if (r < 0 || dry) {
		if (r < 0)
			admin_refuse(ad, r);
		else
			admin_ok(ad, 200, NULL);
		return;
	}
	bool fresh = script_get(ad->e, ad->a, x.id, name, &before) == ERR_NOT_FOUND;
	r = script_put(ad->e, ad->a, x.id, name, ad->file, false, ad->now_ms, &ad->why);
	if (r == 0 && admin_flag(ad, "active", false))
		r = script_activate(ad->e, x.id, name, &ad->why);
	close_change(ad, &x, r, fresh ? 201 : 200, name);
}

void op_sieve_check(struct admin *ad)
{
	int r = admin_map_file(ad, "file");
	if (r == 0)
		r = script_check(ad->a, ad->file, &ad->why);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, NULL);
}

static int open_change(struct admin *ad, struct account *ret)
{
	int r = mailbox_of(ad, ret);
	return r < 0 ? r : admin_begin(ad);
}

void op_sieve_activate(struct admin *ad)
{
	struct account x;
	int r = open_change(ad, &x);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = script_activate(ad->e, x.id, admin_get(ad, "name"), &ad->why);
	close_change(ad, &x, r, 200, admin_get(ad, "name"));
}

void op_sieve_deactivate(struct admin *ad)
{
	struct account x;
	int r = open_change(ad, &x);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	close_change(ad, &x, script_activate(ad->e, x.id, SLICE(""), &ad->why), 200, SLICE(""));
}

void op_sieve_rename(struct admin *ad)
{
	struct account x;
	int r = open_change(ad, &x);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = script_rename(ad->e, x.id, admin_get(ad, "name"), admin_get(ad, "new_name"), ad->now_ms, &ad->why);
	ad->key[1] = admin_get(ad, "new_name");
	close_change(ad, &x, r, 200, ad->key[1]);
}

void op_sieve_remove(struct admin *ad)
{
	struct account x;
	int r = open_change(ad, &x);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	close_change(ad, &x, script_remove(ad->e, x.id, admin_get(ad, "name"), &ad->why), 200, SLICE(""));
}
