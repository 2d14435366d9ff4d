/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A request: first line "METHOD /path?query", then a JSON body. It is refused, or its fields fit
 * the table; then they go out again as a client sends them and come back the same.
 */
#include "base/err.h"
#include "proto/api/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void there_and_back(const struct api_op *op, const struct api_fields *f, struct arena *a)
{
	struct buf target = BUF_INIT(1 << 20);
	struct api_match m;
	api_request_target(op, f->v, f->n, false, &target);
	ptrdiff_t q = slice_find_byte(buf_view(&target), '?', 0);
	struct slice path = slice_sub(buf_view(&target), 0, q < 0 ? target.n : (size_t)q);
	int err = api_match(slice_str(op->method), path, a, &m);
	bug_if(err != ERR_TOO_BIG && (err < 0 || m.op != op));
	for (size_t i = 0; err == 0 && i < m.n_fields; i++) {
		char key[64];
		snprintf(key, sizeof(key), SLICE_FMT, SLICE_ARG(m.fields[i].name));
		bug_if(!slice_eq(m.fields[i].value, api_get(f->v, f->n, key)));
	}
	buf_fini(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct arena *a = arena_new();
	struct api_fields f = { .arena = a };
	struct api_error e = { 0 };
	struct api_match m;
	ptrdiff_t nl = slice_find_byte(in, '\n', 0);
	struct slice line = slice_sub(in, 0, nl < 0 ? in.n : (size_t)nl);
	struct slice body = slice_sub(in, nl < 0 ? in.n : (size_t)nl + 1, in.n);
	ptrdiff_t sp = slice_find_byte(line, ' ', 0);
	struct slice target = slice_sub(line, sp < 0 ? line.n : (size_t)sp + 1, line.n);
	ptrdiff_t q = slice_find_byte(target, '?', 0);
	struct slice query = slice_sub(target, q < 0 ? target.n : (size_t)q + 1, target.n);
	int err = api_match(slice_sub(line, 0, sp < 0 ? line.n : (size_t)sp),
			    slice_sub(target, 0, q < 0 ? target.n : (size_t)q), a, &m);
	if (err < 0)
		goto out;
	for (size_t i = 0; i < m.n_fields; i++)
		bug_if(api_fields_add(&f, m.fields[i].name, m.fields[i].value) < 0);
	if (api_fields_from_query(&f, m.op, query, &e) < 0)
		goto out;
	if (body.n && api_fields_from_json(&f, body, &e) < 0)
		goto out;
	if (api_check(m.op, f.v, f.n, api_op_file(m.op) != NULL, &e) == 0)
		there_and_back(m.op, &f, a);
out:
	arena_free(&a);
	return 0;
}
