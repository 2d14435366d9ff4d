/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request: line and headers, body (JSON in memory, a file into a memfd), the question to the
 * owner, the answer. The daemon calls request_step: once with the headers, then with pieces of the
 * body, then without any; and once more after a suspended connection was resumed. An answer that is
 * known before a long body has come is sent at once and ends the connection; any other waits for
 * the body's end.
 */
#include "room/httpd/web.h"

#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "lib/ipc/memfd.h"
#include "proto/api/web.h"
#include "room/httpd/page.h"

enum { SMALL_BODY = 65536 };

struct request *request_new(struct httpd *h, struct MHD_Connection *conn, const char *target)
{
	struct request *r = calloc(1, sizeof(*r));
	bug_if(!r);
	r->httpd = h;
	r->conn = conn;
	r->arena = arena_new();
	r->fields.arena = r->arena;
	r->target = arena_dup(r->arena, slice_str(target));
	r->language = "en";
	r->file_fd = r->out_fd = -1;
	r->fd = MHD_get_connection_info(conn, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	struct web_conn *from = h->web ? web_conn_of(h->web, r->fd) : NULL;
	if (from)
		r->remote = arena_dup(r->arena, slice_str(web_conn_peer(from)));
	buf_init(&r->body, API_JSON_MAX);
	buf_init(&r->out, HTTPD_ANSWER_MAX);
	list_append(&h->requests, &r->link);
	return r;
}

static void wipe_secrets(struct request *r)
{
	for (size_t i = 0; r->op && i < r->fields.n; i++) {
		const struct api_param *p = api_param_find(r->op, r->fields.v[i].name);
		if (p && p->type == API_SECRET)
			explicit_bzero((void *)(uintptr_t)r->fields.v[i].value.p,
				       r->fields.v[i].value.n);
	}
	page_wipe(r);
	if (r->body.p)
		explicit_bzero(r->body.p, r->body.cap);
	if (r->out.p) /* a new token */
		explicit_bzero(r->out.p, r->out.n);
	if (r->session.n)
		explicit_bzero((void *)(uintptr_t)r->session.p, r->session.n);
}

static void request_free(struct request *r)
{
	wipe_secrets(r);
	if (r->file_fd >= 0)
		close(r->file_fd);
	if (r->out_fd >= 0)
		close(r->out_fd);
	buf_fini(&r->body);
	buf_fini(&r->out);
	arena_free(&r->arena);
	free(r);
}

void request_over(struct request *r, bool sent)
{
	struct httpd *h = r->httpd;
	if (r->session.n && !sent)
		give_back_session(h, r->session);
	list_remove(&r->link);
	r->gone = true;
	if (h->web)
		web_phase(h->web, r->fd, WEB_HEAD);
	if (!r->pending)
		request_free(r);
	httpd_request_gone(h);
}

void request_call_begin(struct request *r)
{
	r->pending++;
}

bool request_call_end(struct request *r)
{
	r->pending--;
	if (!r->gone)
		return true;
	if (!r->pending)
		request_free(r);
	return false;
}

void request_done(struct request *r, unsigned status)
{
	bool suspended = r->state == REQUEST_WAIT || r->state == REQUEST_HOST;
	if (r->state == REQUEST_ANSWER || r->state == REQUEST_SENT)
		return;
	r->status = status;
	r->state = REQUEST_ANSWER;
	if (status < 400)
		r->httpd->served++;
	else
		r->httpd->refused++;
	ev(EV_INFO, "httpd.request.done", KS("operation", r->op ? r->op->name : "-"),
	   KI("status", status));
	if (suspended) {
		MHD_resume_connection(r->conn);
		httpd_kick(r->httpd);
	}
}

void request_fail(struct request *r, unsigned status, const char *detail, const char *field)
{
	if (r->out_fd >= 0)
		close(r->out_fd);
	r->out_fd = -1;
	buf_clear(&r->out);
	text_use(r->language);
	api_problem(status, NULL, detail, field, &r->out);
	request_done(r, status);
}

void request_fail_revision(struct request *r, const char *what)
{
	char text[128];
	snprintf(text, sizeof(text), text_in(r->language, "%s is not for If-Match: its object has no revision"), what);
	request_fail(r, 501, text, NULL);
}

void request_fail_err(struct request *r, int err, const char *text)
{
	request_fail(r, api_status_of(err), text && *text ? text : err_text(err), NULL);
}

static void fail_check(struct request *r, int err, const struct api_error *e)
{
	buf_clear(&r->out);
	api_problem_error(api_status_of(err), e, &r->out);
	request_done(r, api_status_of(err));
}

/* For browsers: nothing here is a page, a frame, or another site's. */
static void secure(const struct request *r, struct MHD_Response *response)
{
	const char *const headers[][2] = {
		{ "Strict-Transport-Security", "max-age=31536000" },
		{ "Content-Security-Policy", r->page ? page_policy : "default-src 'none'; frame-ancestors 'none'" },
		{ "X-Frame-Options", "DENY" },
		{ "Referrer-Policy", "no-referrer" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
	};
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		MHD_add_response_header(response, headers[i][0], headers[i][1]);
}

/* The root: what paths meant to the panel before says nothing here. */
static void add_location(const struct request *r, struct MHD_Response *response)
{
	struct buf url = BUF_INIT(2048);
	buf_printf(&url, "https://" SLICE_FMT "/", SLICE_ARG(web_name(r->httpd->web)));
	MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, buf_cstr(&url));
	buf_fini(&url);
}

/* What a page refuses in its own words is a page, too. */
static bool is_page(const struct request *r)
{
	return r->page && (!r->out.n || r->out.p[0] != '{');
}

static enum MHD_Result send_answer(struct request *r)
{
	struct MHD_Response *response;
	if (r->out_fd >= 0) {
		response = MHD_create_response_from_fd64(r->out_size, r->out_fd);
		r->out_fd = -1; /* the response closes it */
	} else {
		response =
			MHD_create_response_from_buffer(r->out.n, r->out.p, MHD_RESPMEM_MUST_COPY);
	}
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
				is_page(r) ? page_type(r)
				: r->status < 400 ? "application/json" : "application/problem+json");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, r->moved ? WEB_MOVED_CACHE : "no-store");
	if (r->moved)
		add_location(r, response);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	if (r->httpd->web)
		secure(r, response);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_LANGUAGE, r->language);
	MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT_LANGUAGE);
	if (r->etag[0] && r->status < 300)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, r->etag);
	if (r->status == 401)
		MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	if (r->allow[0])
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, r->allow);
	enum MHD_Result result = MHD_queue_response(r->conn, r->status, response);
	MHD_destroy_response(response);
	r->state = REQUEST_SENT;
	return result;
}

static const char *header(struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND, name);
}

/* The type without its parameters (RFC 9110 8.3.1). */
static struct slice media_type(struct request *r)
{
	struct slice type = slice_str(header(r, MHD_HTTP_HEADER_CONTENT_TYPE));
	ptrdiff_t end = slice_find_byte(type, ';', 0);
	return slice_trim(slice_sub(type, 0, end < 0 ? type.n : (size_t)end));
}

static bool is_file_type(struct slice type)
{
	return slice_eq_ci(type, SLICE("text/plain")) || slice_eq_ci(type, SLICE("text/csv")) ||
	       slice_eq_ci(type, SLICE("application/octet-stream"));
}

/* What kind of body may come, before any of it has. */
static void expect_body(struct request *r, const char *method)
{
	const char *length = header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
	bool there =
		header(r, MHD_HTTP_HEADER_TRANSFER_ENCODING) || (length && strcmp(length, "0"));
	struct slice type = media_type(r);
	uint64_t bytes = 0, max = API_JSON_MAX;
	r->state = REQUEST_BODY;
	if (!there && !is_file_type(type))
		return;
	if (r->page && strcmp(method, "POST") == 0) {
		if (!slice_eq_ci(type, SLICE("application/x-www-form-urlencoded")))
			request_fail(r, 415, "expected application/x-www-form-urlencoded", NULL);
		else if (!length || slice_u64(slice_str(length), PAGE_BODY_MAX, &bytes) < 0)
			request_fail(r, 413, "expected a form of at most 8192 bytes", NULL);
		return;
	}
	if ((!r->op && !r->is_bulk) || !strcmp(method, "GET") || !strcmp(method, "DELETE")) {
		request_fail(r, 400, "expected no body with this method", NULL);
		return;
	}
	if (r->op && api_op_file(r->op) && is_file_type(type)) {
		r->is_file = true;
		r->file_max = max = conf_u64(r->httpd->room->conf, "admin.max_file");
		if (memfd_new("upload", &r->file_fd) < 0)
			request_fail(r, 500, NULL, NULL);
	} else if (!slice_eq_ci(type, SLICE("application/json"))) {
		request_fail(
			r, 415,
			r->op && api_op_file(r->op)
				? "expected text/plain, text/csv or application/octet-stream for a "
				  "file, or application/json"
				: "expected application/json",
			NULL);
	}
	if (length && (slice_u64(slice_str(length), UINT64_MAX, &bytes) < 0 || bytes > max) &&
	    r->state == REQUEST_BODY) {
		struct buf text = BUF_INIT(128);
		char size[TEXT_SIZE];
		text_use(r->language);
		buf_printf(&text, T_("expected a body of at most %s"), text_size(max, size));
		request_fail(r, 413, buf_cstr(&text), NULL);
		buf_fini(&text);
	}
}

struct header_scan {
	unsigned hosts, tokens;
	struct slice host;
	bool forwarded;
};

static enum MHD_Result scan_header(void *ctx, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct header_scan *scan = ctx;
	if (!strcasecmp(key, MHD_HTTP_HEADER_HOST)) {
		scan->hosts++;
		scan->host = slice_str(value);
	}
	scan->tokens += !strcasecmp(key, MHD_HTTP_HEADER_AUTHORIZATION);
	scan->forwarded |= web_is_forwarded(slice_str(key));
	return MHD_YES;
}

static void request_move(struct request *r)
{
	r->moved = true;
	request_done(r, 308);
}

/* The daemon calls again with the same headers. */
static void on_host(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct request *r = ctx;
	if (fd >= 0)
		close(fd);
	if (!request_call_end(r) || r->state != REQUEST_HOST)
		return;
	if (err < 0) {
		request_fail_err(r, err, NULL);
		return;
	}
	r->host = ((const Postern__HostReply *)reply)->served ? HOST_SERVED : HOST_FOREIGN;
	r->state = REQUEST_HEADERS;
	MHD_resume_connection(r->conn);
	httpd_kick(r->httpd);
}

/* Domains have alternate names that lead here: directory knows which just now. */
static void ask_host(struct request *r)
{
	Postern__HostRequest m = POSTERN__HOST_REQUEST__INIT;
	struct slice name = { 0 };
	IGNORE(web_host_name(slice_str(header(r, MHD_HTTP_HEADER_HOST)), &name), "is_for_us read it");
	m.name.data = (uint8_t *)(uintptr_t)name.p;
	m.name.len = name.n;
	MHD_suspend_connection(r->conn);
	request_call_begin(r);
	room_call(r->httpd->room, ROLE_DIRECTORY, 0, POSTERN__DIRECTORY_OP__DIRECTORY_HOST, &m.base, NULL, 0, HTTPD_CALL_MS,
		  on_host, r);
}

/* From outside: one Host, and it is ours; no header that wants to be believed about where the request went; a path and
 * nothing else as target. Which Host it was is forgotten then: links and redirects name the configured one. An old name is
 * sent on with 308, as requests in clear are: a method is never made another. */
static bool is_for_us(struct request *r, const char *method)
{
	struct header_scan scan = { 0 };
	MHD_get_connection_values(r->conn, MHD_HEADER_KIND, scan_header, &scan);
	int err = scan.hosts == 1 ? web_host_check(scan.host, web_name(r->httpd->web)) : ERR_SYNTAX;
	if (!r->target.n || r->target.p[0] != '/' || (r->target.n > 1 && r->target.p[1] == '/'))
		request_fail(r, 400, "expected a path as the request's target", NULL);
	else if (scan.forwarded)
		request_fail(r, 400, "expected no header about another host or a proxy", NULL);
	else if (scan.tokens > 1)
		request_fail(r, 400, "expected one Authorization header", NULL);
	else if (err == ERR_NOT_FOUND && !scan.tokens && web_may_move(slice_str(method), r->target) &&
		 web_is_old(scan.host, web_name(r->httpd->web), web_old_names(r->httpd->web)))
		request_move(r);
	else if (err == ERR_NOT_FOUND && r->host == HOST_NOT_ASKED)
		r->state = REQUEST_HOST;
	else if (err == ERR_NOT_FOUND && r->host == HOST_FOREIGN)
		request_fail(r, 421, "this host is not served here", NULL);
	else if (err < 0 && err != ERR_NOT_FOUND)
		request_fail(r, 400, "expected one Host header with a name and perhaps a port", NULL);
	return r->state == REQUEST_HEADERS;
}

/* RFC 6750 2.1: "Bearer TOKEN", once. */
static int take_token(struct request *r)
{
	struct slice all = slice_str(header(r, MHD_HTTP_HEADER_AUTHORIZATION));
	if (!all.p)
		return 0;
	if (!slice_starts_ci(all, SLICE("Bearer ")))
		return ERR_SYNTAX;
	r->token = slice_trim(slice_sub(all, 7, all.n));
	return r->token.n && r->token.n <= HTTPD_TOKEN_MAX ? 0 : ERR_SYNTAX;
}

/* Before anything is refused. */
static void take_language(struct request *r)
{
	const char *asked = text_choose(slice_str(header(r, MHD_HTTP_HEADER_ACCEPT_LANGUAGE)));
	r->language_asked = asked != NULL;
	r->language = asked ? asked : "en";
	text_use(r->language);
}

/* Which operation; its fields of path and query. */
static void route(struct request *r, const char *method)
{
	ptrdiff_t q = slice_find_byte(r->target, '?', 0);
	struct slice path = slice_sub(r->target, 0, q < 0 ? r->target.n : (size_t)q);
	struct slice query = slice_sub(r->target, q < 0 ? r->target.n : (size_t)q + 1, r->target.n);
	struct api_match m = { 0 };
	struct api_error e;
	r->if_match = slice_str(header(r, MHD_HTTP_HEADER_IF_MATCH));
	if (take_token(r) < 0) {
		request_fail(r, 401, "expected Authorization: Bearer TOKEN", NULL);
		return;
	}
	if (r->httpd->web && page_route(r, path, method))
		return;
	if (slice_eq(path, SLICE("/api/v1/openapi.json")) && !strcmp(method, "GET"))
		return;
	if (slice_eq(path, SLICE(API_BULK_PATH)) && !strcmp(method, "POST")) {
		r->is_bulk = true;
		return;
	}
	int err = api_match(slice_str(method), path, r->arena, &m);
	if (err == ERR_UNSUPPORTED) {
		memcpy(r->allow, m.allow, sizeof(r->allow));
		request_fail(r, 405, "this path has other methods", NULL);
		return;
	}
	if (err < 0) {
		request_fail(r, err == ERR_TOO_BIG ? 414 : api_status_of(err),
			     err == ERR_NOT_FOUND ? "no such path"
						  : "expected a path with UTF-8 escapes",
			     NULL);
		return;
	}
	r->op = m.op;
	for (size_t i = 0; i < m.n_fields && err == 0; i++)
		err = api_fields_add(&r->fields, m.fields[i].name, m.fields[i].value);
	if (err == 0)
		err = api_fields_from_query(&r->fields, r->op, query, &e);
	if (err == 0 && api_op_file(r->op) && header(r, API_SECRET_HEADER))
		err = api_fields_from_secret(&r->fields, r->op, slice_str(header(r, API_SECRET_HEADER)), &e);
	if (err < 0)
		fail_check(r, err, &e);
}

static void take_body(struct request *r, struct slice data)
{
	if (r->over)
		return;
	if (r->is_file) {
		r->over = data.n > r->file_max - r->file_size;
		if (!r->over && memfd_write(r->file_fd, data) < 0)
			request_fail(r, 507, "the uploaded file does not fit into memory", NULL);
		r->file_size += data.n;
	} else {
		buf_slice(&r->body, data);
		r->over = !buf_ok(&r->body);
	}
}

/* All is there: the fields of the body, the check against the table, and on to the owner. */
static void complete(struct request *r)
{
	struct api_error e;
	int err = 0;
	text_use(r->language);
	if (r->over) {
		request_fail(r, 413, "the body is too large", NULL);
		return;
	}
	if (r->page) {
		page_run(r);
		return;
	}
	if (r->is_bulk) {
		bulk_begin(r);
		return;
	}
	if (!r->op) {
		api_openapi(POSTERN_VERSION, &r->out);
		request_done(r, 200);
		return;
	}
	if (r->body.n)
		err = api_fields_from_json(&r->fields, buf_view(&r->body), &e);
	if (err == 0)
		err = api_check(r->op, r->fields.v, r->fields.n, r->is_file, &e);
	if (err < 0)
		fail_check(r, err, &e);
	else if (r->is_file && memfd_seal(r->file_fd) < 0)
		request_fail(r, 500, NULL, NULL);
	else
		dispatch(r);
}

/* A client that is still writing when the connection closes may never read the answer: a body that
 * is short is let in (and dropped) first. A long one is not, nor one of unknown length. */
static bool small_body_comes(struct request *r)
{
	const char *length = MHD_lookup_connection_value(r->conn, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t n;
	return length && slice_u64(slice_str(length), SMALL_BODY, &n) == 0 && n > 0;
}

enum MHD_Result request_step(struct request *r, const char *method, const char *data,
			     size_t *data_size)
{
	if (r->state == REQUEST_HEADERS) {
		if (r->httpd->web)
			web_phase(r->httpd->web, r->fd, WEB_BODY);
		take_language(r);
		if (!r->httpd->web || is_for_us(r, method))
			route(r, method);
		if (r->state == REQUEST_HEADERS)
			expect_body(r, method);
		if (r->state == REQUEST_HOST) {
			ask_host(r);
			return MHD_YES;
		}
		return r->state == REQUEST_ANSWER && !small_body_comes(r) ? send_answer(r)
									  : MHD_YES;
	}
	if (*data_size) {
		if (r->state == REQUEST_BODY)
			take_body(r, slice_of(data, *data_size));
		*data_size = 0;
		return MHD_YES;
	}
	if (r->httpd->web)
		web_phase(r->httpd->web, r->fd, WEB_ANSWER);
	if (r->state == REQUEST_BODY)
		complete(r);
	if (r->state == REQUEST_ANSWER)
		return send_answer(r);
	if (r->state == REQUEST_BODY) {
		r->state = REQUEST_WAIT;
		MHD_suspend_connection(r->conn);
	}
	return MHD_YES;
}
