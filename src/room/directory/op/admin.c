/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DIRECTORY_ADMIN: the table of operations, the check of fields and of rights before any of them, and how answers
 * and refusals look (docs/formats: problem+json, RFC 9457).
 */
#include "room/directory/op/admin.h"

#include "base/clock.h"
#include "base/codec.h"
#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "ipc/auth.pb-c.h"
#include "ipc/queue.pb-c.h"
#include "lib/ipc/memfd.h"
#include "room/directory/db/name.h"
#include "room/directory/login/old_login.h"
#include "room/directory/rights/revision.h"
#include "room/directory/rights/rights.h"

enum { JSON_INLINE_MAX = 128 * 1024, HASH_MS = 30 * 1000, QUEUE_MS = 25 * 1000, LINES_IN_DETAIL = 20 };

static const struct {
	const char *name;
	admin_fn *fn;
} table[] = {
	{ "customer.add", op_customer_add },
	{ "customer.list", op_customer_list },
	{ "customer.show", op_customer_show },
	{ "customer.set", op_customer_set },
	{ "customer.remove", op_customer_remove },
	{ "domain.add", op_domain_add },
	{ "domain.list", op_domain_list },
	{ "domain.show", op_domain_show },
	{ "domain.set", op_domain_set },
	{ "domain.switch", op_domain_switch },
	{ "domain.remove", op_domain_remove },
	{ "mailbox.invite", op_mailbox_invite },
	{ "mailbox.first-password", op_mailbox_first_password },
	{ "apppassword.add", op_app_password_add },
	{ "apppassword.list", op_app_password_list },
	{ "apppassword.remove", op_app_password_remove },
	{ "password.forgot", op_password_forgot },
	{ "password.look", op_password_look },
	{ "password.reset", op_password_reset },
	{ "password.change", op_password_change },
	{ "policy.show", op_policy_show },
	{ "policy.set", op_policy_set },
	{ "mailbox.add", op_mailbox_add },
	{ "mailbox.list", op_mailbox_list },
	{ "mailbox.show", op_mailbox_show },
	{ "mailbox.set", op_mailbox_set },
	{ "mailbox.password", op_mailbox_password },
	{ "mailbox.remove", op_mailbox_remove },
	{ "login.add", op_login_add },
	{ "login.list", op_login_list },
	{ "login.remove", op_login_remove },
	{ "lockout.list", op_lockout_list },
	{ "lockout.clear", op_lockout_clear },
	{ "address.add", op_address_add },
	{ "address.list", op_address_list },
	{ "address.remove", op_address_remove },
	{ "address.set", op_address_set },
	{ "address.convert", op_address_convert },
	{ "address.moves", op_address_moves },
	{ "candidate.list", op_candidate_list },
	{ "candidate.show", op_candidate_show },
	{ "candidate.messages", op_candidate_messages },
	{ "candidate.message", op_candidate_message },
	{ "candidate.remove", op_candidate_remove },
	{ "candidate.promote", op_candidate_promote },
	{ "candidate.banish", op_candidate_banish },
	{ "import.accounts", op_import_accounts },
	{ "import.aliases", op_import_aliases },
	{ "export.accounts", op_export_accounts },
	{ "export.aliases", op_export_aliases },
	{ "move.start", op_move_start },
	{ "move.status", op_move_status },
	{ "move.proof", op_move_proof },
	{ "move.stop", op_move_stop },
	{ "notice.log", op_notice_log },
	{ "notice.show", op_notice_show },
	{ "notice.sender", op_notice_sender },
	{ "notice.set-sender", op_notice_set_sender },
	{ "template.list", op_template_list },
	{ "template.show", op_template_show },
	{ "template.set", op_template_set },
	{ "template.reset", op_template_reset },
	{ "template.preview", op_template_preview },
	{ "template.test", op_template_test },
	{ "plan.list", op_plan_list },
	{ "plan.show", op_plan_show },
	{ "plan.set", op_plan_set },
	{ "timer.list", op_timer_list },
	{ "timer.run", op_timer_run },
	{ "admin.add", op_admin_add },
	{ "admin.list", op_admin_list },
	{ "admin.show", op_admin_show },
	{ "admin.set", op_admin_set },
	{ "admin.password", op_admin_password },
	{ "admin.remove", op_admin_remove },
	{ "audit.list", op_audit_list },
	{ "session.show", op_session_show },
	{ "session.remove", op_session_remove },
	{ "token.add", op_token_add },
	{ "token.list", op_token_list },
	{ "token.remove", op_token_remove },
	{ "forward.show", op_forward_show },
	{ "forward.set", op_forward_set },
	{ "forward.remove", op_forward_remove },
	{ "autoreply.show", op_autoreply_show },
	{ "autoreply.set", op_autoreply_set },
	{ "autoreply.remove", op_autoreply_remove },
	{ "sieve.list", op_sieve_list },
	{ "sieve.get", op_sieve_get },
	{ "sieve.put", op_sieve_put },
	{ "sieve.check", op_sieve_check },
	{ "sieve.activate", op_sieve_activate },
	{ "sieve.deactivate", op_sieve_deactivate },
	{ "sieve.rename", op_sieve_rename },
	{ "sieve.remove", op_sieve_remove },
	{ "store.check", op_store_check },
	{ "store.compact", op_store_compact },
	{ "overview", op_overview },
};

/* --- JSON ------------------------------------------------------------------------------------------- */

json_t *json_text(struct slice s)
{
	json_t *j = json_stringn((const char *)(s.n ? s.p : (const uint8_t *)""), s.n);
	if (j)
		return j;
	struct buf clean = BUF_INIT(4 * s.n + 16);
	while (s.n) {
		uint32_t cp = 0;
		size_t n = utf8_decode(s, &cp);
		if (n)
			buf_slice(&clean, slice_sub(s, 0, n));
		else
			utf8_encode(&clean, 0xfffd);
		s = slice_sub(s, n ? n : 1, s.n);
	}
	j = json_stringn(buf_cstr(&clean), clean.n);
	buf_fini(&clean);
	return j ? j : json_string("");
}

json_t *json_number(uint64_t v)
{
	return json_integer((json_int_t)(v > INT64_MAX ? INT64_MAX : v));
}

json_t *json_texts(const struct slice *rows, size_t n)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_text(rows[i]));
	return list;
}

/* --- answers ---------------------------------------------------------------------------------------- */

static void wipe_secrets(struct admin *ad)
{
	for (size_t i = 0; i < ad->n_fields; i++) {
		const struct api_param *p = api_param_find(ad->op, ad->fields[i].name);
		const ProtobufCBinaryData *value = &ad->req->fields[i]->value;
		if (p && p->type == API_SECRET && value->len)
			explicit_bzero(value->data, value->len);
	}
}

/* --- revisions ----------------------------------------------------------------------------------------- */

static struct slice noun_of(const struct api_op *op)
{
	return slice_of(op->name, strcspn(op->name, "."));
}

/* Of the object that the operation names; ERR_UNSUPPORTED where such things have no revisions. */
static int revision_now(struct admin *ad, struct slice *ret)
{
	const char *field = ad->op->list ? NULL : revision_field(noun_of(ad->op));
	struct slice value = field ? admin_get(ad, field) : (struct slice){ 0 };
	return value.p ? revision_of(ad->e, ad->a, noun_of(ad->op), value, ret) : ERR_UNSUPPORTED;
}

static int check_revision(struct admin *ad)
{
	struct slice revision;
	int r = ad->if_match.n ? revision_now(ad, &revision) : 0;
	if (r == ERR_NOT_FOUND)
		return 0; /* the operation says so itself */
	if (r < 0)
		return problem_set(&ad->why, r, NULL, "%s is not for If-Match: its object has no revision", ad->op->name);
	if (!ad->if_match.n || revision_matches(ad->if_match, revision))
		return 0;
	ad->stale = true;
	return problem_set(&ad->why, ERR_CONFLICT, NULL, "somebody else changed it meanwhile: read it again");
}

static void respond(struct admin *ad, unsigned status, json_t *body)
{
	Postern__AdminReply reply = POSTERN__ADMIN_REPLY__INIT;
	struct ipc_call *call = ad->call;
	char *text = json_dumps(body, JSON_COMPACT);
	int fd = -1;
	struct slice revision;
	bug_if(!text);
	json_decref(body);
	reply.status = status;
	struct slice s = slice_str(text);
	if (ad->file.p)
		memfd_unmap(&ad->file);
	wipe_secrets(ad);
	directory_check_disk(ad->d);
	if (status < 300 && strcmp(ad->op->method, "DELETE") && revision_now(ad, &revision) == 0)
		reply.revision = data_of(revision);
	if (s.n <= JSON_INLINE_MAX)
		reply.json = data_of(s);
	else if (memfd_of("answer", s, &fd) < 0)
		fd = -1;
	if (s.n > JSON_INLINE_MAX && fd < 0)
		ipc_fail(call, ERR_FULL, NULL);
	else
		ipc_reply(call, &reply.base, fd);
	free(text);
}

void admin_ok(struct admin *ad, unsigned status, json_t *result)
{
	respond(ad, status, result ? result : json_object());
}

static const char *title_of(unsigned status)
{
	switch (status) {
	case 401:
		return N_("Not logged in");
	case 403:
		return N_("Not permitted");
	case 404:
		return N_("Not found");
	case 409:
		return N_("In conflict with what is there");
	case 412:
		return N_("Changed meanwhile");
	case 422:
		return N_("Not accepted");
	case 501:
		return N_("Not offered");
	case 503:
		return N_("Not possible just now");
	case 507:
		return N_("Out of space");
	default:
		return N_("Internal error");
	}
}

static json_t *problem_json(const char *language, unsigned status, const char *field, struct slice detail)
{
	json_t *j = json_object();
	json_object_set_new(j, "type", json_string("about:blank"));
	json_object_set_new(j, "title", json_string(text_in(language, title_of(status))));
	json_object_set_new(j, "status", json_integer(status));
	json_object_set_new(j, "detail", json_text(detail));
	if (field)
		json_object_set_new(j, "field", json_string(field));
	return j;
}

void admin_refuse(struct admin *ad, int err)
{
	int e = ad->why.err ? ad->why.err : err;
	bool login = ad->unknown || (e == ERR_DENIED && principal_rank(&ad->who) == RANK_NOBODY);
	unsigned status = login ? 401 : ad->stale ? 412 : problem_status(e);
	struct slice detail = slice_str(ad->why.err ? ad->why.text : text_in(ad->why.language, err_text(e)));
	if (status >= 500)
		ev(EV_WARN, "directory.admin.failed", KS("operation", ad->op->name),
		   KS("reason", err_name(e)));
	respond(ad, status, problem_json(ad->why.language, status, ad->why.err ? ad->why.field : NULL, detail));
}

void admin_refuse_lines(struct admin *ad, const char *field, const struct import_errors *errors)
{
	struct buf detail = BUF_INIT(64 * 1024);
	json_t *list = json_array();
	buf_printf(&detail,
		   errors->total == 1 ? text_in(ad->why.language, "%zu error in the file, nothing was changed")
				      : text_in(ad->why.language, "%zu errors in the file, nothing was changed"),
		   errors->total);
	for (size_t i = 0; i < errors->n; i++) {
		const struct import_error *x = &errors->rows[i];
		if (i < LINES_IN_DETAIL) {
			buf_str(&detail, i ? "; " : ": ");
			if (x->line)
				buf_printf(&detail, text_in(ad->why.language, "line %zu: "), x->line);
			buf_slice(&detail, x->text);
		}
		json_array_append_new(list, json_pack("{s:I, s:o}", "line", (json_int_t)x->line,
						      "text", json_text(x->text)));
	}
	json_t *j = problem_json(ad->why.language, 422, field, buf_view(&detail));
	json_object_set_new(j, "errors", list);
	json_object_set_new(j, "errors_total", json_number(errors->total));
	buf_fini(&detail);
	respond(ad, 422, j);
}

void admin_page_ok(struct admin *ad, json_t *items, struct slice last, size_t n)
{
	struct page page = admin_page(ad);
	json_t *j = json_object();
	json_object_set_new(j, "items", items);
	json_object_set_new(j, "next", n && n >= page.limit ? json_text(last) : json_null());
	admin_ok(ad, 200, j);
}

/* --- fields ----------------------------------------------------------------------------------------- */

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
	if (r == ERR_TOO_BIG)
		return problem_set(&ad->why, r, field, "the file is larger than %d bytes",
				   IMPORT_BYTES_MAX);
	if (r < 0)
		return problem_set(&ad->why, ERR_INVALID, field, "there is no file");
	return 0;
}

/* --- objects ---------------------------------------------------------------------------------------- */

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
				   SLICE_FMT " is no mailbox but a%s %s", SLICE_ARG(text),
				   x.type == ADDRESS_ALIAS ? "n" : "", address_type_name(x.type));
	return r < 0 ? r : account_by_id(ad->e, ad->a, x.account, ret);
}

/* --- transactions ----------------------------------------------------------------------------------- */

/* What was asked, without secrets. */
static struct slice detail_of(struct admin *ad)
{
	struct buf text = BUF_INIT(4096);
	for (size_t i = 0; i < ad->n_fields; i++) {
		const struct api_param *p = api_param_find(ad->op, ad->fields[i].name);
		if (!p || p->type == API_SECRET)
			continue;
		buf_printf(&text, "%s%s=", text.n ? " " : "", p->name);
		if (p->type == API_TEXT)
			buf_printf(&text, "(%zu bytes)", ad->fields[i].value.n);
		else
			buf_slice(&text, ad->fields[i].value);
	}
	struct slice s = arena_dup(ad->a, buf_view(&text));
	buf_fini(&text);
	return s;
}

/* What was asked for may have changed while other rooms were asked: the revision is held against the rows that the
 * transaction sees. */
int admin_begin(struct admin *ad)
{
	int r = engine_begin(ad->e);
	if (r < 0)
		return r;
	r = check_revision(ad);
	if (r < 0)
		engine_rollback(ad->e);
	ad->if_match = (struct slice){ 0 }; /* behind it the change is one's own */
	return r;
}

int admin_commit(struct admin *ad, struct slice object)
{
	struct audit row = {
		.at_ms = ad->now_ms,
		.actor = ad->who.login,
		.remote = bytes_of(&ad->req->remote),
		.operation = slice_str(ad->op->name),
		.object = object,
		.detail = detail_of(ad),
		.status = 200,
		.customer = ad->owner.customer,
		.domain = ad->owner.domain,
	};
	int r = old_login_settle(ad->e, ad->a, ad->now_ms);
	if (r == 0)
		r = audit_add(ad->e, &row);
	if (r < 0) {
		engine_rollback(ad->e);
		return r;
	}
	r = engine_commit(ad->e);
	if (r == 0)
		ev(EV_INFO, "directory.admin.done", KS("operation", ad->op->name),
		   KSL("object", object), KSL("actor", ad->who.login));
	return r;
}

void admin_rollback(struct admin *ad)
{
	engine_rollback(ad->e);
}

/* --- hashing ---------------------------------------------------------------------------------------- */

struct hashing {
	struct admin *ad;
	admin_hash_fn *fn;
};

static void on_hashed(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct hashing *h = ctx;
	struct admin *ad = h->ad;
	const Postern__HashReply *reply = (const Postern__HashReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err == 0 && reply->n_hashes != 1)
		err = ERR_INTERNAL;
	if (err < 0)
		admin_refuse(ad, problem_set(&ad->why, err == ERR_TOO_BIG ? err : ERR_UNAVAILABLE,
					     NULL, "the password cannot be hashed just now: %s",
					     text_in(ad->why.language, err_text(err))));
	else
		h->fn(ad, arena_dup(ad->a, bytes_of(&reply->hashes[0])));
}

void admin_hash(struct admin *ad, struct slice password, admin_hash_fn *fn)
{
	Postern__HashRequest req = POSTERN__HASH_REQUEST__INIT;
	ProtobufCBinaryData one = data_of(password);
	struct hashing *h = ARENA_NEW(ad->a, struct hashing);
	h->ad = ad;
	h->fn = fn;
	req.n_passwords = 1;
	req.passwords = &one;
	room_call(ad->d->room, ROLE_AUTH, PEER_ANY, POSTERN__AUTH_OP__AUTH_HASH, &req.base, NULL, 0,
		  HASH_MS, on_hashed, h);
}

/* --- entry ------------------------------------------------------------------------------------------ */

static int take_fields(struct admin *ad)
{
	struct api_error error;
	struct buf text = BUF_INIT(sizeof(ad->why.text));
	if (ad->req->n_fields > API_FIELDS_MAX)
		return problem_set(&ad->why, ERR_TOO_BIG, NULL, "too many fields");
	ad->fields = ARENA_ARRAY(ad->a, struct api_field, ad->req->n_fields + 1);
	for (size_t i = 0; i < ad->req->n_fields; i++) {
		ad->fields[i].name = slice_str(ad->req->fields[i]->name);
		ad->fields[i].value = bytes_of(&ad->req->fields[i]->value);
		if (!ad->fields[i].value.p)
			ad->fields[i].value = SLICE("");
	}
	ad->n_fields = ad->req->n_fields;
	int r = api_check(ad->op, ad->fields, ad->n_fields, ad->call->fds[0] >= 0, &error);
	if (r == 0)
		return 0;
	api_error_text(&error, &text);
	const struct api_param *p = api_param_find(ad->op, slice_str(error.field));
	problem_set(&ad->why, r, p ? p->name : NULL, "%s", buf_cstr(&text));
	buf_fini(&text);
	return r;
}

static void run(struct admin *ad)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].name, ad->op->name) == 0) {
			table[i].fn(ad);
			return;
		}
	}
	admin_refuse(ad, ERR_UNSUPPORTED);
}

/* Of what another room does: a change is written down first. */
static int note(struct admin *ad)
{
	if (!strcmp(ad->op->method, "GET"))
		return 0;
	int r = admin_begin(ad);
	return r < 0 ? r : admin_commit(ad, admin_get(ad, "id"));
}

/* The decision alone, for an operation of the supervisor's. */
static void authorize(struct admin *ad)
{
	int r = note(ad);
	if (r < 0)
		admin_refuse(ad, r);
	else
		admin_ok(ad, 200, NULL);
}

static void on_queue(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct admin *ad = ctx;
	if (err < 0)
		admin_refuse(ad, problem_set(&ad->why, ERR_UNAVAILABLE, NULL, "the queue does not answer"));
	else
		ipc_reply(ad->call, reply, fd);
}

/* The queue's own: it does what was decided here, and nobody else may ask it. */
static void hand_on(struct admin *ad)
{
	Postern__AdminRequest req = *ad->req;
	int r = note(ad);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	req.token = (ProtobufCBinaryData){ 0 };
	room_call(ad->d->room, ROLE_QUEUE, 0, POSTERN__QUEUE_OP__QUEUE_ADMIN, &req.base, NULL, 0, QUEUE_MS, on_queue, ad);
}

/* Who asks: whoever holds a token is its holder; without one the provider, at the admin socket. */
static int identify(struct admin *ad)
{
	struct slice token = bytes_of(&ad->req->token);
	if (!token.n) {
		ad->who = ad->call->peer == ROLE_ADMIND ? principal_local(ad->a) : principal_anyone();
		return 0;
	}
	int r = principal_of(ad->e, ad->a, token, ad->now_ms, &ad->who);
	if (token.n)
		explicit_bzero((void *)(uintptr_t)token.p, token.n);
	ad->unknown = r == ERR_NOT_FOUND;
	return ad->unknown ? problem_set(&ad->why, ERR_DENIED, NULL, "this token is not good (any more)") : r;
}

void serve_admin(struct ipc_call *call, void *ctx)
{
	struct room *room = ctx;
	struct directory *d = room->state;
	const Postern__AdminRequest *req = (const Postern__AdminRequest *)call->req;
	const struct api_op *op = api_op_find(slice_str(req->operation));
	if (!op) {
		ipc_fail(call, ERR_UNSUPPORTED, "no such operation");
		return;
	}
	struct admin *ad = ARENA_NEW(call->arena, struct admin);
	*ad = (struct admin){
		.d = d,
		.e = d->e,
		.a = call->arena,
		.call = call,
		.req = req,
		.op = op,
		.now_ms = clock_wall_ms(),
	};
	ad->why.language = text_language(slice_str(req->language));
	text_use(ad->why.language);
	int r = identify(ad);
	if (r == 0)
		r = take_fields(ad);
	if (r == 0)
		r = rights_decide(ad->e, ad->a, &ad->who, op, ad->fields, ad->n_fields, &ad->owner, &ad->why);
	ad->if_match = bytes_of(&req->if_match);
	if (r == 0)
		r = check_revision(ad);
	if (r < 0)
		admin_refuse(ad, r);
	else if (req->authorize_only)
		authorize(ad);
	else if (op->owner == API_QUEUE)
		hand_on(ad);
	else
		run(ad);
}
