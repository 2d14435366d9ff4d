/* SPDX-License-Identifier: Apache-2.0 */
/* apppassword add, list, remove. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "ipc/store.pb-c.h"
#include "room/directory/login/app_password.h"

static json_t *row_json(const struct app_password *x)
{
	json_t *list = json_array();
	for (size_t i = 0; app_protocol_name(i); i++)
		if (x->protocols & (1u << i))
			json_array_append_new(list, json_string(app_protocol_name(i)));
	return json_pack("{s:o, s:o, s:I, s:o}", "name", json_text(x->name), "protocols", list, "created_ms",
			 (json_int_t)x->created_ms, "used_ms", x->used_ms ? json_integer(x->used_ms) : json_null());
}

static unsigned take_protocols(struct admin *ad)
{
	unsigned found = 0;
	for (size_t i = 0; i < ad->n_fields; i++)
		if (slice_eq(ad->fields[i].name, SLICE("protocol")))
			found |= app_protocol(arena_str(ad->a, ad->fields[i].value));
	return found ? found : APP_IMAP | APP_POP3 | APP_SUBMISSION | APP_SIEVE;
}

void op_app_password_add(struct admin *ad)
{
	struct domain d;
	struct account x;
	char text[PASS_RANDOM_TEXT] = "";
	int r = admin_mailbox(ad, &d, &x);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	struct app_password row = {
		.account = x.id,
		.name = admin_get(ad, "name"),
		.protocols = take_protocols(ad),
		.created_ms = ad->now_ms,
	};
	r = app_password_add(ad->e, &row, text, &ad->why);
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, x.address);
	if (r < 0) {
		admin_refuse(ad, r);
	} else {
		json_t *j = row_json(&row);
		json_object_set_new(j, "password", json_string(text));
		admin_ok(ad, 201, j);
	}
	explicit_bzero(text, sizeof(text));
}

void op_app_password_list(struct admin *ad)
{
	struct domain d;
	struct account x;
	struct app_password *rows;
	size_t n = 0;
	int r = admin_mailbox(ad, &d, &x);
	if (r == 0)
		r = app_password_list(ad->e, ad->a, x.id, 0, &rows, &n);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	json_t *items = json_array();
	for (size_t i = 0; i < n; i++) {
		json_t *j = row_json(&rows[i]);
		admin_put_revision(ad, j, "apppassword", x.address, rows[i].name);
		json_array_append_new(items, j);
	}
	admin_ok(ad, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

/* A store that is down has no sessions: it comes back without them. */
static void on_revoked(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	if (fd >= 0)
		close(fd);
	admin_ok(ctx, 200, NULL);
}

/* The sessions of this password; those of others go on. */
static void revoke_sessions(struct admin *ad, const struct account *x, uint64_t version)
{
	Postern__AccountId id = POSTERN__ACCOUNT_ID__INIT;
	id.account_id = x->id;
	id.version = version;
	room_call(ad->d->room, ROLE_STORE, x->shard, POSTERN__STORE_OP__STORE_REVOKE, &id.base, NULL, 0, STORE_MS, on_revoked,
		  ad);
}

void op_app_password_remove(struct admin *ad)
{
	struct domain d;
	struct account x;
	uint64_t version = 0;
	struct slice name = admin_get(ad, "name");
	int r = admin_mailbox(ad, &d, &x);
	if (r == 0)
		r = admin_begin(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	r = app_password_remove(ad->e, x.id, name, &version);
	if (r == ERR_NOT_FOUND)
		problem_set(&ad->why, r, "name", SLICE_FMT " has no app password " SLICE_FMT, SLICE_ARG(x.address),
			    SLICE_ARG(name));
	if (r < 0)
		admin_rollback(ad);
	else
		r = admin_commit(ad, x.address);
	if (r < 0)
		admin_refuse(ad, r);
	else
		revoke_sessions(ad, &x, version);
}
