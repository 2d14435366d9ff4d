/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POST /api/v1/bulk: operations one after the other, each asked of directory like a request of its own, so each is decided,
 * checked and committed by itself, and answered by itself. What failed stops nothing; a client that goes away does.
 */
#include "room/httpd/httpd_priv.h"

#include "base/err.h"
#include "base/text.h"

#include <jansson.h>

enum { PROBLEM_MAX = 4096 };

struct bulk {
	struct request *r;
	struct api_bulk_item *items;
	size_t n, at, failed;
	json_t *answers;
};

static void next(struct bulk *b);

static void finish(struct bulk *b)
{
	json_t *all = json_pack("{s:o, s:I, s:I}", "items", b->answers, "done", (json_int_t)(b->n - b->failed), "failed",
				(json_int_t)b->failed);
	char *text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	bug_if(!text);
	buf_str(&b->r->out, text);
	free(text);
	if (buf_ok(&b->r->out))
		request_done(b->r, 200);
	else
		request_fail(b->r, 507, "all was done, and the answers are too long to be told", NULL);
}

/* json is an object, a result or a problem. */
static void answer(struct bulk *b, unsigned status, struct slice json)
{
	json_t *o = json_loadb((const char *)json.p, json.n, 0, NULL);
	json_array_append_new(b->answers, json_pack("{s:i, s:o}", "status", (int)status, status < 400 ? "result" : "problem",
						    o ? o : json_object()));
	b->failed += status >= 400;
	b->at++;
}

static void refuse(struct bulk *b, unsigned status, const char *detail, const char *field)
{
	struct buf text = BUF_INIT(PROBLEM_MAX);
	api_problem(status, NULL, detail, field, &text);
	answer(b, status, buf_view(&text));
	buf_fini(&text);
}

/* As of a single request: with the value and the rule. */
static void refuse_error(struct bulk *b, unsigned status, const struct api_error *e)
{
	struct buf text = BUF_INIT(PROBLEM_MAX);
	api_problem_error(status, e, &text);
	answer(b, status, buf_view(&text));
	buf_fini(&text);
}

static void on_item(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	struct bulk *b = ctx;
	const Postern__AdminReply *m = (const Postern__AdminReply *)reply;
	json_t *answers = b->answers;
	if (fd >= 0) /* an answer this long is left out */
		close(fd);
	if (!request_call_end(b->r)) {
		json_decref(answers);
		return;
	}
	if (err < 0)
		refuse(b, api_status_of(err), text && *text ? text : err_text(err), NULL);
	else
		answer(b, m->status, m->json.len ? slice_of(m->json.data, m->json.len) : SLICE("{}"));
	next(b);
}

/* True where directory was asked. */
static bool begin(struct bulk *b)
{
	const struct api_bulk_item *item = &b->items[b->at];
	struct api_fields fields = { .arena = b->r->arena };
	struct api_error e;
	if (!item->op) {
		e = (struct api_error){ .field = "operation" };
		snprintf(e.value, sizeof(e.value), SLICE_FMT, SLICE_ARG(slice_sub(item->name, 0, sizeof(e.value) / 2)));
		snprintf(e.rule, sizeof(e.rule), "%s",
			 text_in(text_current(), "the name of an operation that changes something and takes no file"));
		refuse_error(b, 422, &e);
		return false;
	}
	int err = api_fields_from_json(&fields, item->fields, &e);
	if (err == 0)
		err = api_check(item->op, fields.v, fields.n, false, &e);
	if (err < 0) {
		refuse_error(b, api_status_of(err), &e);
		return false;
	}
	ask_item(b->r, item->op, &fields, item->if_match, on_item, b);
	return true;
}

static void next(struct bulk *b)
{
	while (b->at < b->n) {
		if (begin(b))
			return;
	}
	finish(b);
}

void bulk_begin(struct request *r)
{
	struct bulk *b = ARENA_NEW(r->arena, struct bulk);
	struct api_error e;
	b->r = r;
	if (r->if_match.n) {
		request_fail_revision(r, "bulk");
		return;
	}
	int err = api_bulk(buf_view(&r->body), r->arena, &b->items, &b->n, &e);
	if (err < 0) {
		struct buf text = BUF_INIT(PROBLEM_MAX);
		api_error_text(&e, &text);
		request_fail(r, api_status_of(err), buf_cstr(&text), e.field);
		buf_fini(&text);
		return;
	}
	b->answers = json_array();
	next(b);
}
