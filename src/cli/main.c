/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `postern`: which command it is. Options that every command has (-d, --json, --lang, --help) may stand
 * anywhere. `postern room` comes first and touches nothing else: that is how the supervisor starts
 * each room.
 */
#include "cli/cli.h"

#include "base/err.h"
#include "base/text.h"
#include "lib/room/room.h"

#include <locale.h>

const struct cli_command cli_commands[] = {
	{ "init", N_("DIR [--port-base N] [--host NAME]"), N_("makes a new instance in DIR"), cli_init },
	{ "run", N_("DIR"), N_("runs the instance in the foreground until SIGTERM"), cli_run },
	{ "stop", "", N_("stops a running instance"), cli_stop },
	{ "status", "[--trials]",
	  N_("shows rooms, memory, restarts, queue and accounts; --trials: what each may do"), cli_status },
	{ "reload", "", N_("has a running instance read configuration and certificate again"), cli_reload },
	{ "doctor", "", N_("checks the machine: ports, DNS, clock, disk, limits, sandbox, certificate"), cli_doctor },
	{ "check", N_("[DIR] [--rebuild]"),
	  N_("checks the mail of a stopped instance; --rebuild: makes its index anew"), cli_check },
	{ "bulk", N_("FILE"), N_("does the operations of a file, a JSON object a line; - is standard input"), cli_bulk },
	{ "conf", N_("dump|check|man [FILE]"), N_("shows or checks postern.conf"), cli_conf },
	{ "help", N_("[man | words [NOUN [VERB]]]"),
	  N_("shows all commands; man: postern(1); words: what may come next"), cli_help },
};
const size_t cli_n_commands = ARRAY_SIZE(cli_commands);

const struct cli_noun *const cli_nouns[] = {
	&noun_customer,
	&noun_domain,
	&noun_policy,
	&noun_template,
	&noun_notice,
	&noun_mailbox,
	&noun_address,
	&noun_candidate,
	&noun_forward,
	&noun_autoreply,
	&noun_sieve,
	&noun_globalscript,
	&noun_password,
	&noun_apppassword,
	&noun_totp,
	&noun_login,
	&noun_lockout,
	&noun_admin,
	&noun_token,
	&noun_audit,
	&noun_import,
	&noun_plan,
	&noun_export,
	&noun_move,
	&noun_queue,
	&noun_store,
	&noun_timer,
};
const size_t cli_n_nouns = ARRAY_SIZE(cli_nouns);

static int say(int code, const char *fmt, va_list args)
{
	char text[4096];
	struct buf safe = BUF_INIT(16384);
	vsnprintf(text, sizeof(text), text_in(text_current(), fmt), args);
	show_safe(slice_str(text), &safe);
	fprintf(stderr, "postern: %s\n", buf_cstr(&safe));
	buf_fini(&safe);
	return code;
}

int cli_refuse(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int code = say(CLI_REFUSED, fmt, args);
	va_end(args);
	return code;
}

int cli_usage(const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int code = say(CLI_USAGE, fmt, args);
	va_end(args);
	return code;
}

const char *cli_dir(struct cli *c)
{
	if (!c->dir || !*c->dir)
		cli_usage("which instance? Name its folder with -d DIR or in the environment "
			  "variable POSTERN_DIR");
	return c->dir && *c->dir ? c->dir : NULL;
}

/* Of the environment, as gettext looks for it. */
static const char *language_of_environment(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);
		if (value && *value)
			return text_language(slice_str(value));
	}
	return NULL;
}

/* The value of "-d X", "-dX", "--dir X" or "--dir=X"; NULL where words[*at] is none of them. */
static const char *dir_option(char **words, int n, int *at)
{
	const char *w = words[*at];
	if (!strcmp(w, "-d") || !strcmp(w, "--dir"))
		return *at + 1 < n ? words[++*at] : "";
	if (!strncmp(w, "--dir=", 6))
		return w + 6;
	return !strncmp(w, "-d", 2) ? w + 2 : NULL;
}

/* Takes the options of every command out of words. */
static void take_common(struct cli *c)
{
	int kept = 0;
	bool options = true;
	for (int i = 0; i < c->n; i++) {
		char *w = c->words[i];
		const char *dir = options ? dir_option(c->words, c->n, &i) : NULL;
		options = options && strcmp(w, "--") != 0;
		if (dir)
			c->dir = dir;
		else if (options && !strncmp(w, "--lang=", 7))
			text_use(text_language(slice_str(w + 7)));
		else if (options && !strcmp(w, "--lang") && i + 1 < c->n)
			text_use(text_language(slice_str(c->words[++i])));
		else if (options && !strcmp(w, "--json"))
			c->json = true;
		else if (options && (!strcmp(w, "--help") || !strcmp(w, "-h")))
			c->help = true;
		else
			c->words[kept++] = w;
	}
	c->n = kept;
}

static int dispatch(struct cli *c)
{
	if (c->n == 0) {
		help_all();
		return c->help ? CLI_DONE : CLI_USAGE;
	}
	const char *name = c->words[0];
	c->words++;
	c->n--;
	if (!strcmp(name, "--version")) {
		puts("postern " POSTERN_VERSION);
		return CLI_DONE;
	}
	for (size_t i = 0; i < cli_n_commands; i++) {
		if (strcmp(cli_commands[i].name, name))
			continue;
		if (!c->help)
			return cli_commands[i].run(c);
		help_command(&cli_commands[i]);
		return CLI_DONE;
	}
	for (size_t i = 0; i < cli_n_nouns; i++) {
		if (!strcmp(cli_nouns[i]->name, name))
			return cli_noun_main(c, cli_nouns[i]);
	}
	return cli_usage("there is no command \"%s\"; `postern help` shows all", name);
}

static int room(const char *name, const char *number)
{
	enum role role;
	uint64_t index;
	if (role_by_name(slice_str(name), &role) < 0 ||
	    slice_u64(slice_str(number), 1000, &index) < 0)
		return CLI_USAGE;
	return room_main(role, (unsigned)index);
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "room") == 0)
		return room(argv[2], argv[3]);
	setlocale(LC_CTYPE, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	struct cli c = {
		.dir = getenv("POSTERN_DIR"), .n = argc - 1, .words = argv + 1, .arena = arena_new()
	};
	text_use(language_of_environment());
	take_common(&c);
	int code = dispatch(&c);
	arena_free(&c.arena);
	if (fflush(stdout) && code == CLI_DONE)
		code = CLI_REFUSED;
	return code;
}
