/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postern bulk FILE: operations, a JSON object a line ({"operation": "mailbox.set", "address": "...", "quota": "2G"}), sent
 * in requests of as many as one may hold. Each is done whole or not at all; what was refused is told with its line.
 */
#include "cli/cli.h"

#include "base/err.h"

enum { FILE_MAX = 64 << 20, ROOM = API_JSON_MAX - 4096 };

static const struct api_op bulk_op = { .name = "bulk", .method = "POST", .path = API_BULK_PATH };

struct bulk {
	struct cli *c;
	size_t *lines, n; /* of the items */
	struct buf text;
	size_t done, failed;
	json_t *all; /* answers, for --json */
};

static void tell_one(struct bulk *b, size_t line, const json_t *answer)
{
	const json_t *problem = json_object_get(answer, "problem");
	const char *detail = json_string_value(json_object_get(problem, "detail"));
	struct buf safe = BUF_INIT(8192);
	if (!problem)
		return;
	show_safe(slice_str(detail ? detail : T_("refused")), &safe);
	fputs("  ", stderr);
	fprintf(stderr, T_("line %zu: "), line);
	fprintf(stderr, "%s\n", buf_cstr(&safe));
	buf_fini(&safe);
}

static int send_items(struct bulk *b)
{
	struct cli_args args = { .fields = { .arena = b->c->arena } };
	json_t *answer = NULL, *one;
	size_t i;
	if (!b->n)
		return CLI_DONE;
	buf_str(&b->text, "]}");
	args.raw = buf_view(&b->text);
	int code = cli_request(b->c, &bulk_op, &args, &answer);
	if (code)
		return code;
	json_array_foreach(json_object_get(answer, "items"), i, one) {
		if (i < b->n)
			tell_one(b, b->lines[i], one);
		json_array_append(b->all, one);
	}
	b->done += (size_t)json_integer_value(json_object_get(answer, "done"));
	b->failed += (size_t)json_integer_value(json_object_get(answer, "failed"));
	json_decref(answer);
	buf_clear(&b->text);
	b->n = 0;
	return CLI_DONE;
}

static int add_line(struct bulk *b, struct slice line, size_t number)
{
	int code = b->n == API_BULK_MAX || b->text.n + line.n > ROOM ? send_items(b) : CLI_DONE;
	if (code)
		return code;
	buf_str(&b->text, b->n ? "," : "{\"items\":[");
	buf_slice(&b->text, line);
	b->lines[b->n++] = number;
	return CLI_DONE;
}

/* Before the first one is done: a file that cannot be read to its end changes nothing. */
static int check_line(struct bulk *b, struct slice line, size_t number)
{
	json_error_t where;
	json_t *object = json_loadb((const char *)line.p, line.n, JSON_REJECT_DUPLICATES, &where);
	bool good = json_is_object(object);
	json_decref(object);
	if (good && line.n <= ROOM / 2)
		return CLI_DONE;
	b->failed++;
	cli_refuse("line %zu: expected a JSON object with an operation and its fields", number);
	return CLI_DONE;
}

static int each_line(struct bulk *b, struct slice all, int (*fn)(struct bulk *b, struct slice line, size_t number))
{
	int code = CLI_DONE;
	size_t number = 0;
	for (size_t at = 0; at < all.n && !code;) {
		ptrdiff_t lf = slice_find_byte(all, '\n', at);
		size_t end = lf < 0 ? all.n : (size_t)lf;
		struct slice line = slice_trim(slice_sub(all, at, end));
		number++;
		if (line.n && line.p[0] != '#')
			code = fn(b, line, number);
		at = end + 1;
	}
	return code;
}

int cli_bulk(struct cli *c)
{
	struct buf file = BUF_INIT(FILE_MAX);
	struct bulk b = { .c = c, .text = BUF_INIT(API_JSON_MAX), .all = json_array() };
	if (c->n != 1)
		return cli_usage("expected a file, or - for standard input");
	int err = cli_read_file(c->words[0], &file);
	if (err < 0)
		return cli_refuse("%s: %s", c->words[0], err_said(err));
	b.lines = ARENA_ARRAY(c->arena, size_t, API_BULK_MAX);
	int code = each_line(&b, buf_view(&file), check_line);
	if (b.failed)
		code = cli_refuse("nothing was changed");
	if (!code)
		code = each_line(&b, buf_view(&file), add_line);
	if (!code)
		code = send_items(&b);
	if (c->json)
		show_json(b.all);
	else if (!code || b.done)
		printf(T_("%zu done, %zu refused\n"), b.done, b.failed);
	if (file.p)
		explicit_bzero(file.p, file.n); /* may hold passwords */
	if (b.text.p)
		explicit_bzero(b.text.p, b.text.cap);
	buf_fini(&file);
	buf_fini(&b.text);
	json_decref(b.all);
	return code ? code : b.failed ? CLI_REFUSED : CLI_DONE;
}
