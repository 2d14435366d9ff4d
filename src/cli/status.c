/* SPDX-License-Identifier: Apache-2.0 */
/* postern status: the instance at a glance. */
#include "cli/cli.h"

#include "base/clock.h"

#include "base/err.h"

static json_int_t number(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static const char *text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));
	return s ? s : "";
}

static void cell(struct table *t, struct buf *b, bool right)
{
	table_cell(t, buf_cstr(b), right);
	buf_clear(b);
}

/* Its share of memory; where the kernel does not tell (not root), what it has resident. */
static uint64_t memory_of(const json_t *room)
{
	json_int_t pss = number(room, "pss_bytes");
	return (uint64_t)(pss ? pss : number(room, "rss_bytes"));
}

static void room_row(struct table *t, const json_t *room)
{
	struct buf b = BUF_INIT(256);
	json_int_t started = number(room, "started_ms");
	const char *state = text(room, "state");
	buf_printf(&b, "%s.%lld", text(room, "role"), (long long)number(room, "index"));
	cell(t, &b, false);
	buf_printf(&b, "%lld", (long long)number(room, "pid"));
	cell(t, &b, true);
	table_cell(t, word_said(state), false);
	show_bytes(memory_of(room), &b);
	cell(t, &b, true);
	buf_printf(&b, "%lld", (long long)number(room, "restarts"));
	cell(t, &b, true);
	if (started > 0)
		show_duration(clock_wall_ms() - started, &b);
	cell(t, &b, true);
	buf_fini(&b);
}

static void rooms_table(const json_t *rooms)
{
	static const struct {
		const char *name;
		bool right;
	} heads[] = { { N_("ROOM"), false },  { "PID", true },		{ N_("STATE"), false },
		      { N_("MEMORY"), true }, { N_("RESTARTS"), true }, { N_("UP"), true } };
	struct table *t = table_new(ARRAY_SIZE(heads));
	size_t i;
	json_t *room;
	for (i = 0; i < ARRAY_SIZE(heads); i++)
		table_cell(t, T_(heads[i].name), heads[i].right);
	json_array_foreach(rooms, i, room)
		room_row(t, room);
	table_print(t);
	table_free(&t);
}

static void count(const json_t *status, const char *name, struct buf *out)
{
	json_t *v = json_object_get(status, name);
	char label[32];
	snprintf(label, sizeof(label), "%s:", name);
	buf_printf(out, "%s%s ", out->n ? "   " : "", T_(label));
	if (json_is_integer(v))
		buf_printf(out, "%lld", (long long)json_integer_value(v));
	else
		buf_str(out, T_("not known just now"));
}

static void show(const char *dir, const json_t *status)
{
	struct buf b = BUF_INIT(1024);
	json_t *rooms = json_object_get(status, "rooms"), *room;
	bool shares = number(json_array_get(rooms, 0), "pss_bytes") > 0;
	uint64_t memory = 0;
	size_t i;
	json_array_foreach(rooms, i, room)
		memory += memory_of(room);
	show_duration(clock_wall_ms() - number(status, "started_ms"), &b);
	printf(T_("Postern %s in %s, up %s\n"), text(status, "version"), dir, buf_cstr(&b));
	buf_clear(&b);
	count(status, "customers", &b);
	count(status, "domains", &b);
	count(status, "mailboxes", &b);
	count(status, "queued", &b);
	puts(buf_cstr(&b));
	buf_clear(&b);
	show_bytes(memory, &b);
	printf(shares ? T_("%zu rooms, %s of memory\n\n")
		      : T_("%zu rooms, %s of memory (what rooms share is counted in each)\n\n"),
	       json_array_size(rooms), buf_cstr(&b));
	buf_fini(&b);
	rooms_table(rooms);
}

/* What each room tried from inside its sandbox: "no" where it was refused, "YES" where it was let
 * through. */
static void trials_table(const json_t *rooms)
{
	json_t *first = json_object_get(json_array_get(rooms, 0), "trials"), *room, *err;
	struct table *t = table_new(1 + json_object_size(first));
	const char *what;
	size_t i;
	table_cell(t, T_("ROOM MAY"), false);
	json_object_foreach(first, what, err)
		table_cell(t, word_said(what), false);
	json_array_foreach(rooms, i, room) {
		char name[64];
		snprintf(name, sizeof(name), "%s.%lld", text(room, "role"),
			 (long long)number(room, "index"));
		table_cell(t, name, false);
		json_object_foreach(first, what, err) {
			err = json_object_get(json_object_get(room, "trials"), what);
			table_cell(t, !err ? "-" : json_integer_value(err) ? T_("no") : T_("YES"), false);
		}
	}
	puts("");
	table_print(t);
	table_free(&t);
}

int cli_status(struct cli *c)
{
	json_t *status = NULL;
	bool trials = c->n == 1 && strcmp(c->words[0], "--trials") == 0;
	if (c->n > (trials ? 1 : 0))
		return cli_usage("\"%s\" is one word too many", c->words[0]);
	struct cli_args args = { .fields = { .arena = c->arena } };
	bug_if(trials && api_fields_add(&args.fields, SLICE("trials"), SLICE("true")) < 0);
	int code = cli_request(c, api_op_find(SLICE("status")), &args, &status);
	if (code)
		return code;
	if (c->json)
		show_json(status);
	else
		show(c->dir, status);
	if (trials && !c->json)
		trials_table(json_object_get(status, "rooms"));
	json_decref(status);
	return CLI_DONE;
}

int cli_reload(struct cli *c)
{
	json_t *result = NULL, *name;
	size_t i;
	if (c->n)
		return cli_usage("\"%s\" is one word too many", c->words[0]);
	int code = cli_ask(c, "reload", &result);
	if (!code && c->json) {
		show_json(result);
	} else if (!code) {
		puts(T_("configuration and certificate are in force"));
		json_array_foreach(json_object_get(result, "waiting"), i, name)
			printf(T_("%s waits for the next start\n"), json_string_value(name));
	}
	json_decref(result);
	return code;
}
