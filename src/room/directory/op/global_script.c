/* SPDX-License-Identifier: Apache-2.0 */
/* globalscript list, get, put, remove: the scripts of a domain that those of its mailboxes include. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "room/directory/noun/script.h"

static json_t *script_json(const struct script *x)
{
	return json_pack("{s:o, s:I, s:I}", "name", json_text(x->name), "size_bytes", (json_int_t)x->size, "changed_ms",
			 (json_int_t)x->changed_ms);
}

void op_globalscript_list(struct admin *ad)
{
	struct domain d;
	struct script *rows;
	size_t n = 0;
	int r = admin_domain(ad, admin_get(ad, "domain"), &d);
	if (r == 0)
		r = global_script_list(ad->e, ad->a, d.id, &rows, &n);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, script_json(&rows[i]));
	admin_ok(ad, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

static int script_of(struct admin *ad, const struct domain *d, struct script *ret)
{
	struct slice name = admin_get(ad, "name");
	int r = global_script_get(ad->e, ad->a, d->id, name, ret);
	if (r == ERR_NOT_FOUND)
		return problem_set(&ad->why, r, "name", "there is no script \"" SLICE_FMT "\"", SLICE_ARG(name));
	return r;
}

void op_globalscript_get(struct admin *ad)
{
	struct domain d;
	struct script script;
	int r = admin_domain(ad, admin_get(ad, "domain"), &d);
	if (r == 0)
		r = script_of(ad, &d, &script);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *j = script_json(&script);
	json_object_set_new(j, "text", json_text(script.text));
	admin_ok(ad, 200, j);
}

void op_globalscript_put(struct admin *ad)
{
	struct domain d;
	struct script script;
	bool dry = admin_flag(ad, "dry_run", false), fresh = false;
	struct slice name = admin_get(ad, "name");
	int r = admin_domain(ad, admin_get(ad, "domain"), &d);
	if (r == 0)
		r = admin_map_file(ad, "file");
	if (r == 0 && dry)
		r = global_script_put(ad->e, ad->a, d.id, name, ad->file, true, ad->now_ms, &ad->why);
	else if (r == 0)
		r = admin_begin(ad);
	if (r < 0 || dry) {
		if (r < 0)
			admin_refuse(ad, r);
		else
			admin_ok(ad, 200, NULL);
		return;
	}
	fresh = global_script_get(ad->e, ad->a, d.id, name, &script) == ERR_NOT_FOUND;
	r = global_script_put(ad->e, ad->a, d.id, name, ad->file, false, ad->now_ms, &ad->why);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, d.name);
	if (r == 0)
		r = script_of(ad, &d, &script);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, fresh ? 201 : 200, script_json(&script));
}

void op_globalscript_remove(struct admin *ad)
{
	struct domain d;
	int r = admin_domain(ad, admin_get(ad, "domain"), &d);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = global_script_remove(ad->e, d.id, admin_get(ad, "name"), &ad->why);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, d.name);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, NULL);
}
