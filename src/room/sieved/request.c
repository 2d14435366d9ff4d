/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request on scripts is an operation of the administration (proto/api/ops_sieve.c), asked in the user's name:
 *
 *   LISTSCRIPTS, HAVESPACE  sieve.list       PUTSCRIPT    sieve.put     DELETESCRIPT  sieve.remove
 *   GETSCRIPT               sieve.get        CHECKSCRIPT  sieve.check   RENAMESCRIPT  sieve.rename
 *   SETACTIVE               sieve.activate, sieve.deactivate
 */
#include "room/sieved/sieved_priv.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "ipc/directory.pb-c.h"
#include "lib/ipc/memfd.h"
#include "proto/sieve/sieve.h"

#include <jansson.h>

enum { FIELDS_MAX = 3, ANSWER_MAX = 1 << 20 };

struct sieved_request {
	struct managesieve *server;
	struct peer_call *call;
	enum managesieve_kind kind;
	uint64_t size;		/* HAVESPACE */
	struct slice name;	/* HAVESPACE: in arena */
	struct arena *arena;
	void (*over)(void *ctx, bool gone);
	void *ctx;
};

static ProtobufCBinaryData data_of(struct slice s)
{
	return (ProtobufCBinaryData){ s.n, (uint8_t *)s.p };
}

void sieved_request_free(struct sieved_request **r)
{
	if (!*r)
		return;
	room_call_cancel(&(*r)->call);
	arena_free(&(*r)->arena);
	free(*r);
	*r = NULL;
}

/* ---- answers ---- */

static struct slice text_of(const json_t *o, const char *member)
{
	const json_t *j = json_object_get(o, member);
	return json_is_string(j) ? slice_of(json_string_value(j), json_string_length(j)) : slice_of(NULL, 0);
}

static void done(struct sieved_request *r)
{
	managesieve_answer(r->server, true, MANAGESIEVE_NO_CODE, "");
}

static void give_list(struct sieved_request *r, const json_t *o)
{
	size_t i;
	json_t *item;
	json_array_foreach(json_object_get(o, "items"), i, item)
		managesieve_item(r->server, text_of(item, "name"), json_is_true(json_object_get(item, "active")));
	done(r);
}

/* RFC 5804 2.5: would a script of that size fit? The last word is with the put. */
static void give_space(struct sieved_request *r, const json_t *o)
{
	size_t i, n = 0;
	uint64_t bytes = 0;
	json_t *item;
	json_array_foreach(json_object_get(o, "items"), i, item) {
		if (slice_eq(text_of(item, "name"), r->name))
			continue;
		n++;
		bytes += (uint64_t)json_integer_value(json_object_get(item, "size_bytes"));
	}
	if (n >= SIEVE_SCRIPTS_MAX)
		managesieve_answer(r->server, false, MANAGESIEVE_QUOTA_MAXSCRIPTS, N_("There are too many scripts"));
	else if (bytes + r->size > SIEVE_BYTES_MAX)
		managesieve_answer(r->server, false, MANAGESIEVE_QUOTA_MAXSIZE, N_("The scripts would be too big together"));
	else
		done(r);
}

static void give(struct sieved_request *r, const json_t *o)
{
	if (r->kind == MANAGESIEVE_LIST) {
		give_list(r, o);
	} else if (r->kind == MANAGESIEVE_HAVESPACE) {
		give_space(r, o);
	} else {
		if (r->kind == MANAGESIEVE_GET)
			managesieve_script(r->server, text_of(o, "text"));
		done(r);
	}
}

/* What a status means depends on what was asked. */
static enum managesieve_code code_of(const struct sieved_request *r, unsigned status, struct slice field)
{
	if (status == 404)
		return MANAGESIEVE_NONEXISTENT;
	if (status >= 500)
		return MANAGESIEVE_TRYLATER;
	if (status != 409)
		return MANAGESIEVE_NO_CODE;
	switch (r->kind) {
	case MANAGESIEVE_DELETE: return MANAGESIEVE_IS_ACTIVE;
	case MANAGESIEVE_RENAME: return MANAGESIEVE_ALREADYEXISTS;
	case MANAGESIEVE_PUT:
		return slice_eq(field, SLICE("name")) ? MANAGESIEVE_QUOTA_MAXSCRIPTS : MANAGESIEVE_QUOTA_MAXSIZE;
	default: return MANAGESIEVE_NO_CODE;
	}
}

static void refuse(struct sieved_request *r, unsigned status, const json_t *o)
{
	struct slice detail = text_of(o, "detail");
	const char *text = detail.n ? arena_str(r->arena, slice_sub(detail, 0, 2000)) : N_("This cannot be done now");
	managesieve_answer(r->server, false, code_of(r, status, text_of(o, "field")), text);
}

static json_t *answer_json(const Postern__AdminReply *reply, int fd)
{
	struct slice bytes = slice_of(reply->json.data, reply->json.len);
	struct slice mapped = { NULL, 0 };
	if (fd >= 0 && memfd_map(fd, ANSWER_MAX, &mapped) < 0)
		return NULL;
	if (fd >= 0)
		bytes = mapped;
	json_t *o = bytes.n ? json_loadb((const char *)bytes.p, bytes.n, 0, NULL) : json_object();
	if (fd >= 0)
		memfd_unmap(&mapped);
	return o;
}

static void on_answer(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct sieved_request *r = ctx;
	const Postern__AdminReply *reply = (const Postern__AdminReply *)msg;
	bool gone = err == 0 && (reply->status == 401 || reply->status == 403);
	json_t *o = err == 0 && !gone ? answer_json(reply, fd) : NULL;
	r->call = NULL;
	if (fd >= 0)
		close(fd);
	if (o && reply->status < 300)
		give(r, o);
	else if (o)
		refuse(r, reply->status, o);
	else if (!gone)
		managesieve_answer(r->server, false, MANAGESIEVE_TRYLATER, N_("This cannot be done now"));
	json_decref(o);
	r->over(r->ctx, gone);
}

/* ---- questions ---- */

static const char *operation_of(const struct managesieve_request *r)
{
	switch (r->kind) {
	case MANAGESIEVE_GET: return "sieve.get";
	case MANAGESIEVE_PUT: return "sieve.put";
	case MANAGESIEVE_CHECK: return "sieve.check";
	case MANAGESIEVE_ACTIVATE: return r->name.n ? "sieve.activate" : "sieve.deactivate";
	case MANAGESIEVE_DELETE: return "sieve.remove";
	case MANAGESIEVE_RENAME: return "sieve.rename";
	default: return "sieve.list";
	}
}

static void add_field(struct arena *a, Postern__AdminRequest *req, const char *name, struct slice value)
{
	Postern__AdminField *f = ARENA_NEW(a, Postern__AdminField);
	postern__admin_field__init(f);
	f->name = (char *)(uintptr_t)name;
	f->value = data_of(value);
	req->fields[req->n_fields++] = f;
}

static void ask(struct sieved *d, struct sieved_request *r, const struct sieved_login *login,
		const struct managesieve_request *q, int fd)
{
	bool named = q->kind != MANAGESIEVE_LIST && q->kind != MANAGESIEVE_HAVESPACE && q->kind != MANAGESIEVE_CHECK;
	Postern__AdminRequest req = POSTERN__ADMIN_REQUEST__INIT;
	req.operation = (char *)(uintptr_t)operation_of(q);
	req.token = data_of(buf_view(&login->token));
	if (login->language)
		req.language = (char *)(uintptr_t)login->language;
	req.fields = ARENA_ARRAY(r->arena, Postern__AdminField *, FIELDS_MAX);
	if (q->kind != MANAGESIEVE_CHECK)
		add_field(r->arena, &req, "address", buf_view(&login->address));
	if (named && q->name.n)
		add_field(r->arena, &req, "name", q->name);
	if (q->kind == MANAGESIEVE_RENAME)
		add_field(r->arena, &req, "new_name", q->new_name);
	d->count.requests++;
	r->call = room_call(d->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_ADMIN, &req.base, &fd, fd >= 0,
			    SIEVED_ASK_MS, on_answer, r);
}

struct sieved_request *sieved_request_new(struct sieved *d, const struct sieved_login *login, struct managesieve *server,
					  const struct managesieve_request *q, void (*over)(void *ctx, bool gone),
					  void *ctx)
{
	bool brings = q->kind == MANAGESIEVE_PUT || q->kind == MANAGESIEVE_CHECK;
	int fd = -1;
	if (brings && memfd_of("script", q->text, &fd) < 0) {
		managesieve_answer(server, false, MANAGESIEVE_TRYLATER, N_("This cannot be done now"));
		return NULL;
	}
	struct sieved_request *r = calloc(1, sizeof(*r));
	bug_if(!r);
	*r = (struct sieved_request){ .server = server, .kind = q->kind, .size = q->size, .arena = arena_new(),
				      .over = over, .ctx = ctx };
	r->name = arena_dup(r->arena, q->name);
	ask(d, r, login, q, fd);
	if (fd >= 0)
		close(fd);
	return r;
}
