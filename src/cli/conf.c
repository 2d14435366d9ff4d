/* SPDX-License-Identifier: Apache-2.0 */
/* postern conf: postern.conf with all its options, checked, or explained as postern.conf(5). */
#include "cli/cli.h"

#include "base/err.h"
#include "lib/conf/conf.h"

enum { PATH_SPACE = 4096, DUMP_MAX = 1 << 20 };

static void put_typed(json_t *object, const struct conf_option *o, const struct conf *conf)
{
	json_t *v;
	if (o->type == CONF_BOOL)
		v = json_boolean(conf_bool(conf, o->name));
	else if (o->type == CONF_U64 || o->type == CONF_SIZE || o->type == CONF_DURATION)
		v = json_integer((json_int_t)conf_u64(conf, o->name));
	else
		v = json_string(conf_str(conf, o->name));
	json_object_set_new(object, o->name, v);
}

static void dump(struct cli *c, const struct conf *conf)
{
	if (c->json) {
		json_t *object = json_object();
		for (size_t i = 0; i < conf_n_options; i++)
			put_typed(object, &conf_options[i], conf);
		show_json(object);
		json_decref(object);
		return;
	}
	struct buf out = BUF_INIT(DUMP_MAX);
	conf_dump(conf, &out);
	fputs(buf_cstr(&out), stdout);
	buf_fini(&out);
}

static int man(void)
{
	struct buf out = BUF_INIT(DUMP_MAX);
	conf_man(&out);
	fputs(buf_cstr(&out), stdout);
	buf_fini(&out);
	return CLI_DONE;
}

int cli_conf(struct cli *c)
{
	char path[PATH_SPACE];
	struct conf *conf = NULL;
	struct buf error = BUF_INIT(4096);
	const char *verb = c->n ? c->words[0] : "";
	bool is_dump = !strcmp(verb, "dump");
	if (c->n > 2 || (!is_dump && strcmp(verb, "check") && strcmp(verb, "man")))
		return cli_usage("usage: postern [-d DIR] conf dump|check|man [FILE]");
	if (!strcmp(verb, "man"))
		return man();
	if (c->n == 1 && !cli_dir(c))
		return CLI_USAGE;
	snprintf(path, sizeof(path), "%s%s", c->n == 2 ? c->words[1] : c->dir,
		 c->n == 2 ? "" : "/postern.conf");
	int code =
		conf_load(path, &conf, &error) < 0 ? cli_refuse("%s", buf_cstr(&error)) : CLI_DONE;
	if (!code && is_dump)
		dump(c, conf);
	else if (!code)
		printf(c->json ? "{}\n" : T_("%s is valid\n"), path);
	conf_free(&conf);
	buf_fini(&error);
	return code;
}
