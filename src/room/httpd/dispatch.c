/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An operation goes to directory, which decides, and does it or has the queue do it. Two are the
 * supervisor's: from the admin socket they go there directly (whoever holds it is the provider, and
 * status must work while directory is down), from outside only behind directory's word. Answers pass
 * through as they are: status, JSON, or an fd where they are large.
 */
#include "room/httpd/httpd_priv.h"

#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "ipc/auth.pb-c.h"
#include "ipc/control.pb-c.h"
#include "lib/ipc/memfd.h"

#include <jansson.h>

static bool is_long(const struct api_op *op)
{
	return !strncmp(op->name, "import.", 7) || !strncmp(op->name, "store.", 6) ||
	       !strncmp(op->name, "move.", 5) || !strcmp(op->name, "mailbox.remove");
}

static unsigned deadline(const struct api_op *op)
{
	return is_long(op) ? HTTPD_LONG_CALL_MS : HTTPD_CALL_MS;
}

/* The message lives until the request does. */
static Postern__AdminRequest *admin_request(struct request *r, const struct api_op *op, const struct api_fields *fields,
					    struct slice if_match, bool authorize_only)
{
	Postern__AdminRequest *m = ARENA_NEW(r->arena, Postern__AdminRequest);
	postern__admin_request__init(m);
	m->operation = (char *)(uintptr_t)op->name;
	m->token.data = (uint8_t *)(uintptr_t)r->token.p;
	m->token.len = r->token.n;
	m->remote.data = (uint8_t *)(uintptr_t)r->remote.p;
	m->remote.len = r->remote.n;
	m->language = (char *)(uintptr_t)r->language;
	m->if_match.data = (uint8_t *)(uintptr_t)if_match.p;
	m->if_match.len = if_match.n;
	m->authorize_only = authorize_only;
	m->n_fields = fields->n;
	m->fields = ARENA_ARRAY(r->arena, Postern__AdminField *, fields->n + 1);
	for (size_t i = 0; i < fields->n; i++) {
		Postern__AdminField *f = ARENA_NEW(r->arena, Postern__AdminField);
		postern__admin_field__init(f);
		f->name = arena_str(r->arena, fields->v[i].name);
		f->value.data = (uint8_t *)(uintptr_t)fields->v[i].value.p;
		f->value.len = fields->v[i].value.n;
		m->fields[i] = f;
	}
	return m;
}

/* Owns fd. */
static void pass_on(struct request *r, const Postern__AdminReply *reply, int fd)
{
	r->out_fd = fd;
	if (reply->revision.len && reply->revision.len < sizeof(r->etag) - 2)
		snprintf(r->etag, sizeof(r->etag), "\"%.*s\"", (int)reply->revision.len, (const char *)reply->revision.data);
	if (reply->status < 200 || reply->status > 599) {
		ev(EV_ERROR, "httpd.answer.odd", KS("operation", r->op->name),
		   KI("status", reply->status));
		request_fail(r, 500, NULL, NULL);
		return;
	}
	if (r->out_fd >= 0) {
		if (memfd_check(r->out_fd, UINT32_MAX, &r->out_size) < 0) {
			request_fail(r, 500, NULL, NULL);
			return;
		}
	} else {
		buf_append(&r->out, reply->json.len ? reply->json.data : (const uint8_t *)"{}",
			   reply->json.len ? reply->json.len : 2);
	}
	request_done(r, reply->status);
}

/* The answer of whoever did it. */
static void on_answer(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct request *r = ctx;
	if (!request_call_end(r)) {
		if (fd >= 0)
			close(fd);
	} else if (err < 0) {
		request_fail_err(r, err, text);
	} else {
		pass_on(r, (const Postern__AdminReply *)reply, fd);
	}
}

static void ask(struct request *r, bool authorize_only, ipc_reply_fn *fn)
{
	Postern__AdminRequest *m = admin_request(r, r->op, &r->fields, r->if_match, authorize_only);
	size_t n_fds = r->file_fd >= 0 && !authorize_only;
	request_call_begin(r);
	room_call(r->httpd->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_ADMIN, &m->base,
		  &r->file_fd, n_fds, deadline(r->op), fn, r);
}

void ask_item(struct request *r, const struct api_op *op, const struct api_fields *fields, struct slice if_match,
	      ipc_reply_fn *fn, void *ctx)
{
	Postern__AdminRequest *m = admin_request(r, op, fields, if_match, false);
	request_call_begin(r);
	room_call(r->httpd->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_ADMIN, &m->base, NULL, 0,
		  deadline(op), fn, ctx);
}

void dispatch_ask(struct request *r, ipc_reply_fn *fn)
{
	ask(r, false, fn);
}

static void supervisor(struct request *r);

/* Directory's word on an operation of the supervisor. */
static void on_authorized(void *ctx, int err, const ProtobufCMessage *reply, int fd,
			  const char *text)
{
	struct request *r = ctx;
	const Postern__AdminReply *answer = (const Postern__AdminReply *)reply;
	if (fd >= 0)
		close(fd);
	if (!request_call_end(r))
		return;
	if (err < 0)
		request_fail_err(r, err, text);
	else if (answer->status >= 300)
		pass_on(r, answer, -1);
	else
		supervisor(r);
}

static void on_reloaded(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct request *r = ctx;
	if (fd >= 0)
		close(fd);
	if (!request_call_end(r))
		return;
	if (err < 0) {
		/* What the supervisor says of a damaged file is for the provider to read. */
		request_fail(r, text && *text ? 422 : api_status_of(err),
			     text && *text ? text : err_text(err), NULL);
		return;
	}
	const Postern__ControlReloadReply *answer = (const Postern__ControlReloadReply *)reply;
	const char *before = "";
	buf_str(&r->out, "{\"waiting\":[");
	for (size_t i = 0; i < answer->n_waiting; i++, before = ",")
		buf_printf(&r->out, "%s\"%s\"", before, answer->waiting[i]);
	buf_str(&r->out, "]}");
	request_done(r, 200);
}

static void supervisor(struct request *r)
{
	Postern__ControlReloadAll msg = POSTERN__CONTROL_RELOAD_ALL__INIT;
	if (!strcmp(r->op->name, "status")) {
		status_begin(r);
		return;
	}
	msg.language = arena_str(r->arena, slice_str(r->language ? r->language : ""));
	request_call_begin(r);
	room_control_call(r->httpd->room, POSTERN__CONTROL_OP__CONTROL_RELOAD_ALL, &msg.base,
			  HTTPD_CALL_MS, on_reloaded, r);
}

static void on_given_back(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct httpd *h = ctx;
	h->logouts += err == 0 && ((const Postern__AdminReply *)reply)->status == 200;
	if (fd >= 0)
		close(fd);
}

/* Where directory cannot be asked, it ends by itself. */
void give_back_session(struct httpd *h, struct slice token)
{
	Postern__AdminRequest m = POSTERN__ADMIN_REQUEST__INIT;
	m.operation = (char *)(uintptr_t)"session.remove";
	m.token = (ProtobufCBinaryData){ token.n, (uint8_t *)(uintptr_t)token.p };
	room_call(h->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_ADMIN, &m.base, NULL, 0, HTTPD_CALL_MS,
		  on_given_back, h);
}

static void give_session(struct request *r, const Postern__LoginReply *reply)
{
	json_t *j = json_pack("{s:s#, s:s#, s:I}", "token", (const char *)reply->token.data, (int)reply->token.len,
			      "login", (const char *)reply->address.data, (int)reply->address.len, "expires_ms",
			      (json_int_t)reply->expires_ms);
	char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	json_decref(j);
	if (!text) {
		request_fail(r, 500, NULL, NULL);
		return;
	}
	buf_str(&r->out, text);
	explicit_bzero(text, strlen(text));
	free(text);
	r->session = arena_dup(r->arena, slice_of(reply->token.data, reply->token.len));
	request_done(r, 201);
}

static void want_code(struct request *r, const Postern__LoginReply *reply)
{
	text_use(r->language);
	api_problem_second(401, reply->code_wrong ? N_("this code is not good (any more)") :
						    N_("this login has a second factor: send a code beside the password"),
			   "totp", &r->out);
	request_done(r, 401);
}

static void on_login(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct request *r = ctx;
	struct httpd *h = r->httpd;
	const Postern__LoginReply *answer = (const Postern__LoginReply *)reply;
	if (fd >= 0)
		close(fd);
	if (!request_call_end(r)) {
		if (err == 0 && answer->token.len)
			give_back_session(h, slice_of(answer->token.data, answer->token.len));
		return;
	}
	if (err == ERR_DENIED)
		request_fail(r, 401, text && *text ? text : "Wrong name or password", NULL);
	else if (err < 0)
		request_fail_err(r, err, text);
	else if (answer->code_wanted || answer->code_wrong)
		want_code(r, answer);
	else
		give_session(r, answer);
}

/* A login like that of any protocol: auth verifies and counts, directory makes the session. */
static void login(struct request *r)
{
	Postern__LoginRequest m = POSTERN__LOGIN_REQUEST__INIT;
	struct slice name = api_get(r->fields.v, r->fields.n, "login");
	struct slice password = api_get(r->fields.v, r->fields.n, "password");
	struct slice code = api_get(r->fields.v, r->fields.n, "totp");
	if (!r->httpd->web) {
		request_fail(r, 501, "the admin socket needs no session", NULL);
		return;
	}
	m.login = (ProtobufCBinaryData){ name.n, (uint8_t *)(uintptr_t)name.p };
	m.password = (ProtobufCBinaryData){ password.n, (uint8_t *)(uintptr_t)password.p };
	m.code = (ProtobufCBinaryData){ code.n, (uint8_t *)(uintptr_t)code.p };
	m.remote = (ProtobufCBinaryData){ r->remote.n, (uint8_t *)(uintptr_t)r->remote.p };
	m.protocol = (char *)(uintptr_t)"web";
	request_call_begin(r);
	room_call(r->httpd->room, ROLE_AUTH, PEER_ANY, POSTERN__AUTH_OP__AUTH_LOGIN, &m.base, NULL, 0, HTTPD_CALL_MS,
		  on_login, r);
}

void dispatch(struct request *r)
{
	ev(EV_DEBUG, "httpd.request.begun", KS("operation", r->op->name));
	switch (r->op->owner) {
	case API_DIRECTORY:
	case API_QUEUE:
		ask(r, false, on_answer);
		break;
	case API_AUTH:
		if (r->if_match.n)
			request_fail_revision(r, r->op->name);
		else
			login(r);
		break;
	case API_SUPERVISOR:
		if (r->token.n || r->httpd->web || r->if_match.n)
			ask(r, true, on_authorized);
		else
			supervisor(r);
		break;
	}
}
