/* SPDX-License-Identifier: Apache-2.0 */
/* How answers and refusals look: JSON, or problem+json (RFC 9457). */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "base/event.h"
#include "base/codec.h"
#include "base/text.h"
#include "lib/ipc/memfd.h"

enum { JSON_INLINE_MAX = 128 * 1024, LINES_IN_DETAIL = 20 };

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
	for (size_t i = 0; i < ad->req->n_fields && ad->fields; i++) {
		const struct api_param *p = api_param_find(ad->op, slice_str(ad->req->fields[i]->name));
		const ProtobufCBinaryData *value = &ad->req->fields[i]->value;
		if (p && p->type == API_SECRET && value->len)
			explicit_bzero(value->data, value->len);
	}
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
	if (status < 300 && strcmp(ad->op->method, "DELETE") && admin_revision(ad, &revision) == 0)
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

static json_t *problem_json(const char *language, const char *type, unsigned status, const char *field, struct slice detail)
{
	json_t *j = json_object();
	json_object_set_new(j, "type", json_string(type));
	json_object_set_new(j, "title", json_string(text_in(language, title_of(status))));
	json_object_set_new(j, "status", json_integer(status));
	json_object_set_new(j, "detail", json_text(detail));
	if (field)
		json_object_set_new(j, "field", json_string(field));
	return j;
}

/* As they stand in the file, whichever check found them; those of the whole file first. */
static int by_line(const void *pa, const void *pb)
{
	const struct import_error *a = pa, *b = pb;
	return a->line < b->line ? -1 : a->line > b->line;
}

void admin_refuse_lines(struct admin *ad, const char *field, const struct import_errors *errors)
{
	if (errors->n)
		qsort(errors->rows, errors->n, sizeof(*errors->rows), by_line);
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
	json_t *j = problem_json(ad->why.language, API_PROBLEM, 422, field, buf_view(&detail));
	json_object_set_new(j, "errors", list);
	json_object_set_new(j, "errors_total", json_number(errors->total));
	buf_fini(&detail);
	respond(ad, 422, j);
}

/* A refused value that stands in a file: by its line. */
static bool refuse_line(struct admin *ad)
{
	for (size_t i = 0; ad->lines && ad->why.field && i < ad->n_fields; i++) {
		struct import_errors errors = { .language = ad->why.language };
		if (!ad->lines[i] || !slice_eq(ad->fields[i].name, slice_str(ad->why.field)))
			continue;
		import_fault(&errors, ad->a, ad->lines[i], "%s: %s", ad->why.field, ad->why.text);
		admin_refuse_lines(ad, "file", &errors);
		return true;
	}
	return false;
}

void admin_refuse(struct admin *ad, int err)
{
	int e = ad->why.err ? ad->why.err : err;
	bool login = ad->unknown || (e == ERR_DENIED && principal_rank(&ad->who) == RANK_NOBODY);
	unsigned status = login ? 401 : ad->stale ? 412 : problem_status(e);
	struct slice detail = slice_str(ad->why.err ? ad->why.text : text_in(ad->why.language, err_text(e)));
	if (status == 422 && refuse_line(ad))
		return;
	if (status >= 500)
		ev(EV_WARN, "directory.admin.failed", KS("operation", ad->op->name),
		   KS("reason", err_name(e)));
	respond(ad, status, problem_json(ad->why.language, ad->second ? API_SECOND_FACTOR : API_PROBLEM, status,
						 ad->why.err ? ad->why.field : NULL, detail));
}

void admin_page_ok(struct admin *ad, json_t *items, struct slice last, size_t n)
{
	struct page page = admin_page(ad);
	json_t *j = json_object();
	json_object_set_new(j, "items", items);
	json_object_set_new(j, "next", n && n >= page.limit ? json_text(last) : json_null());
	admin_ok(ad, 200, j);
}
