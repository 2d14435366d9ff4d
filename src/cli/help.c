/* SPDX-License-Identifier: Apache-2.0 */
/* Help and postern(1), made from the tables of commands, nouns and operations. */
#include "cli/cli.h"

#include "base/codec.h"

enum { HELP_WIDTH = 100, TEXT_COLUMN = 20 };

static const char common[] =
	N_("  -d DIR            folder of the instance (else: environment variable POSTERN_DIR)\n"
	   "  --json            print JSON\n"
	   "  --lang en|de      language, else that of LC_ALL, LC_MESSAGES or LANG\n"
	   "  --help            print this\n");

static const char *verb_of(const struct api_op *op)
{
	return op->name + strcspn(op->name, ".") + 1;
}

static bool is_of(const struct api_op *op, const char *noun)
{
	size_t n = strlen(noun);
	return !strncmp(op->name, noun, n) && op->name[n] == '.';
}

static void upper(const char *name, struct buf *out)
{
	for (; *name; name++)
		buf_byte(out, ascii_upper((uint8_t)*name));
}

/* The next place where a line may end: a blank, but none inside of brackets ("[--quota SIZE]"). */
static size_t word_end(const char *text)
{
	size_t n = 0;
	for (int depth = 0; text[n] && (depth > 0 || text[n] != ' '); n++)
		depth += (text[n] == '[') - (text[n] == ']');
	return n;
}

/* Text in lines as wide as the terminal: the first one goes on behind `at` columns, all others begin at indent. */
static void put_wrapped(const char *text, size_t at, size_t indent)
{
	size_t width = cli_terminal().ws_col;
	bool begun = false;
	width = width > HELP_WIDTH ? HELP_WIDTH : width;
	while (*text) {
		char *word = strndup(text, word_end(text));
		bug_if(!word);
		size_t n = text_width(word);
		if (begun && at + 1 + n > width) {
			printf("\n%*s", (int)indent, "");
			begun = false;
			at = indent;
		}
		printf("%s%s", begun ? " " : "", word);
		at += begun + n;
		begun = true;
		text += strlen(word);
		text += strspn(text, " ");
		free(word);
	}
	putchar('\n');
}

/* "  NAME              what it is"; a long name has a line of its own. */
static void put_row(const char *name, const char *text)
{
	size_t at = 2 + text_width(name);
	if (at < TEXT_COLUMN)
		printf("  %s%*s", name, (int)(TEXT_COLUMN - at), "");
	else
		printf("  %s\n%*s", name, TEXT_COLUMN, "");
	put_wrapped(text, TEXT_COLUMN, TEXT_COLUMN);
}

static void put_usage(const char *words)
{
	const char *head = T_("usage: postern [-d DIR] ");
	fputs(head, stdout);
	put_wrapped(words, text_width(head), strcspn(head, ":") + 2);
}

static void option_name(const struct api_param *p, struct buf *out)
{
	buf_str(out, "--");
	for (const char *s = p->name; *s; s++)
		buf_byte(out, *s == '_' ? '-' : (uint8_t)*s);
	if (p->type == API_SECRET)
		buf_str(out, "-stdin");
}

/* "DOMAIN"; what stands for the value is a word of the caller's language. */
static void placeholder(const struct api_param *p, struct buf *out)
{
	struct buf name = BUF_INIT(256);
	upper(p->name, &name);
	buf_str(out, T_(buf_cstr(&name)));
	buf_fini(&name);
}

/* "DOMAIN", "--mode gateway|hosted", "--to ADDRESS" */
static void spell(const struct api_param *p, struct buf *out)
{
	static const char *const kinds[] = {
		[API_STR] = N_("TEXT"),
		[API_TEXT] = N_("TEXT"),
		[API_NAME] = N_("NAME"),
		[API_DOMAIN] = N_("DOMAIN"),
		[API_ADDRESS] = N_("ADDRESS"),
		[API_TARGET] = N_("ADDRESS"),
		[API_HOSTPORT] = "HOST:PORT",
		[API_SOURCE] = "imap://HOST:PORT",
		[API_SIZE] = N_("SIZE"),
		[API_U64] = "N",
		[API_DAY] = N_("DAY"),
		[API_FILE] = N_("FILE"),
	};
	if (!p->positional) {
		option_name(p, out);
		if (p->type == API_BOOL || p->type == API_SECRET)
			return;
		buf_byte(out, ' ');
	}
	if (p->type == API_CHOICE) {
		for (size_t i = 0; p->choices[i]; i++)
			buf_printf(out, "%s%s", i ? "|" : "", p->choices[i]);
	} else if (p->positional) {
		placeholder(p, out);
	} else {
		buf_str(out, T_(kinds[p->type]));
	}
}

static void usage_line(const struct cli_noun *noun, const struct api_op *op, struct buf *out)
{
	buf_printf(out, "%s %s", noun->name, verb_of(op));
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < op->n_params; i++) {
			const struct api_param *p = &op->params[i];
			if (p->positional == (round == 1) ||
			    (op->list && !p->positional &&
			     (!strcmp(p->name, "limit") || !strcmp(p->name, "after"))))
				continue;
			bool optional = !p->required || p->type == API_SECRET;
			buf_str(out, optional ? " [" : " ");
			spell(p, out);
			buf_str(out, p->many ? " ..." : "");
			buf_str(out, optional ? "]" : "");
		}
	}
	for (size_t i = 0; noun->extra && noun->extra[2 * i] && !strcmp(verb_of(op), "status"); i++)
		buf_printf(out, " [%s]", noun->extra[2 * i]);
}

void help_all(void)
{
	put_usage(T_("COMMAND ..."));
	puts("");
	for (size_t i = 0; i < cli_n_commands; i++)
		put_row(cli_commands[i].name, T_(cli_commands[i].help));
	puts("");
	for (size_t i = 0; i < cli_n_nouns; i++)
		put_row(cli_nouns[i]->name, T_(cli_nouns[i]->help));
	printf(T_("\nOptions of every command:\n%s\nMore: postern COMMAND --help, postern(1).\n"), T_(common));
}

void help_noun(const struct cli_noun *noun)
{
	struct buf line = BUF_INIT(4096);
	buf_printf(&line, "%s VERB ...", noun->name);
	put_usage(buf_cstr(&line));
	puts("");
	for (size_t i = 0; api_op_at(i); i++) {
		if (!is_of(api_op_at(i), noun->name))
			continue;
		buf_clear(&line);
		usage_line(noun, api_op_at(i), &line);
		fputs("  ", stdout);
		put_wrapped(buf_cstr(&line), 2, 10);
		fputs("      ", stdout);
		put_wrapped(T_(api_op_at(i)->help), 6, 6);
	}
	buf_fini(&line);
}

/* What it does, in the language of whoever asks, with a capital letter and a full stop. */
static void put_sentence(const char *help)
{
	struct buf line = BUF_INIT(4096);
	show_capital(T_(help), &line);
	buf_byte(&line, '.');
	puts("");
	put_wrapped(buf_cstr(&line), 0, 0);
	puts("");
	buf_fini(&line);
}

static void param_help(const struct api_param *p)
{
	struct buf name = BUF_INIT(4096), text = BUF_INIT(4096);
	spell(p, &name);
	buf_printf(&text, "%s%s", T_(p->help), p->many ? T_(" (may come several times)") : "");
	if (p->type != API_CHOICE && p->type != API_BOOL && p->type != API_FILE && p->type != API_SECRET) {
		buf_str(&text, "; ");
		api_param_rule(p, &text);
	}
	put_row(buf_cstr(&name), buf_cstr(&text));
	buf_fini(&name);
	buf_fini(&text);
}

static const char from_file[] = N_("the same from a file; - is standard input");

/* A text of lines may come from a file: "--text-file FILE". */
static bool spell_file(const struct api_param *p, struct buf *out)
{
	if (p->type != API_TEXT || p->positional)
		return false;
	option_name(p, out);
	buf_printf(out, "-file %s", T_("FILE"));
	return true;
}

void help_op(const struct cli_noun *noun, const struct api_op *op)
{
	struct buf line = BUF_INIT(4096);
	usage_line(noun, op, &line);
	put_usage(buf_cstr(&line));
	put_sentence(op->help);
	for (size_t i = 0; i < op->n_params; i++) {
		param_help(&op->params[i]);
		buf_clear(&line);
		if (spell_file(&op->params[i], &line))
			put_row(buf_cstr(&line), T_(from_file));
	}
	for (size_t i = 0; noun->extra && noun->extra[2 * i] && !strcmp(verb_of(op), "status"); i++)
		put_row(noun->extra[2 * i], T_(noun->extra[2 * i + 1]));
	fputs(T_(common), stdout);
	buf_fini(&line);
}

void help_command(const struct cli_command *command)
{
	struct buf line = BUF_INIT(1024);
	buf_printf(&line, "%s %s", command->name, T_(command->args));
	put_usage(buf_cstr(&line));
	put_sentence(command->help);
	fputs(T_(common), stdout);
	buf_fini(&line);
}

/* ---- postern(1) ---- */

static void roff(struct buf *out, const char *s)
{
	if (*s == '.' || *s == '\'')
		buf_str(out, "\\&");
	for (; *s; s++) {
		if (*s == '\\' || *s == '-')
			buf_byte(out, '\\');
		buf_byte(out, (uint8_t)*s);
	}
}

static void man_entry(struct buf *out, const char *term, const char *text)
{
	buf_str(out, ".TP\n.B ");
	roff(out, term);
	buf_str(out, "\n");
	roff(out, text);
	buf_str(out, ".\n");
}

static void man_param(struct buf *out, const char *term, const char *text)
{
	buf_str(out, ".RS\n.TP\n.I ");
	roff(out, term);
	buf_str(out, "\n");
	roff(out, text);
	buf_str(out, ".\n.RE\n");
}

static void man_op(struct buf *out, const struct cli_noun *noun, const struct api_op *op)
{
	struct buf line = BUF_INIT(4096);
	usage_line(noun, op, &line);
	man_entry(out, buf_cstr(&line), op->help);
	for (size_t i = 0; i < op->n_params; i++) {
		const struct api_param *p = &op->params[i];
		buf_clear(&line);
		spell(p, &line);
		man_param(out, buf_cstr(&line), p->help);
		buf_clear(&line);
		if (spell_file(p, &line))
			man_param(out, buf_cstr(&line), from_file);
	}
	buf_fini(&line);
}

/* In English for everybody: it is installed with the program. */
void help_man(struct buf *out)
{
	const char *language = text_current();
	text_use(NULL);
	buf_str(out,
		".\\\" Made by `postern help man` from the tables of commands and operations; do "
		"not edit.\n"
		".TH POSTERN 1 \"\" \"Postern\" \"User commands\"\n"
		".SH NAME\npostern \\- hosted mail that a provider can move its customers into\n"
		".SH SYNOPSIS\n.B postern\n[\\-d DIR] [\\-\\-json] COMMAND ...\n"
		".SH DESCRIPTION\n"
		"One program makes an instance of Postern, runs it, and administers it while it "
		"runs. Everything of an\n"
		"instance lies in one folder. Administration goes over the socket\n.I "
		"DIR/run/admin.sock\n"
		"to the running instance; whoever may open it is the provider.\n.PP\n"
		"Options may stand before and behind other words. A password is never a word of "
		"the command line: it is\n"
		"read from standard input with\n.BR \\-\\-password\\-stdin ,\nor asked for on the "
		"terminal.\n"
		".SH OPTIONS OF EVERY COMMAND\n");
	man_entry(
		out, "-d DIR",
		"folder of the instance; without it the environment variable POSTERN_DIR names it");
	man_entry(out, "--json", "print JSON; a refusal is printed as an RFC 9457 problem");
	man_entry(out, "--lang en|de",
		  "the language of refusals, headings and help; else that of LC_ALL, LC_MESSAGES or LANG; JSON stays as it is");
	man_entry(out, "--help", "print how to use the command");
	buf_str(out, ".SH COMMANDS\n");
	for (size_t i = 0; i < cli_n_commands; i++) {
		struct buf line = BUF_INIT(1024);
		buf_printf(&line, "%s %s", cli_commands[i].name, cli_commands[i].args);
		man_entry(out, buf_cstr(&line), cli_commands[i].help);
		buf_fini(&line);
	}
	for (size_t i = 0; i < cli_n_nouns; i++) {
		buf_str(out, ".SS ");
		upper(cli_nouns[i]->name, out);
		buf_str(out, "\n");
		for (size_t k = 0; api_op_at(k); k++) {
			if (is_of(api_op_at(k), cli_nouns[i]->name))
				man_op(out, cli_nouns[i], api_op_at(k));
		}
	}
	buf_str(out, ".SH EXIT STATUS\n0 done; 1 refused or failed, with the reason on standard "
		     "error; 2 wrong usage.\n"
		     ".SH ENVIRONMENT\n.TP\n.B POSTERN_DIR\nfolder of the instance.\n"
		     ".SH FILES\n.TP\n.I DIR/postern.conf\nwhat belongs to the machine, see\n.BR "
		     "postern.conf (5).\n"
		     ".TP\n.I DIR/tls\ncertificate and key.\n.TP\n.I DIR/data\nall data, one "
		     "folder for each room that keeps any.\n"
		     ".TP\n.I DIR/run\nthe running instance's socket and process number.\n"
		     ".SH SEE ALSO\n.BR postern.conf (5)\n");
	text_use(language);
}

/* ---- completion ---- */

static void word_options(const struct cli_noun *noun, const struct api_op *op)
{
	struct buf line = BUF_INIT(256);
	for (size_t i = 0; i < op->n_params; i++) {
		if (op->params[i].positional)
			continue;
		buf_clear(&line);
		option_name(&op->params[i], &line);
		puts(buf_cstr(&line));
		if (op->params[i].type == API_TEXT)
			printf("%s-file\n", buf_cstr(&line));
	}
	for (size_t i = 0; noun->extra && noun->extra[2 * i] && !strcmp(verb_of(op), "status"); i++)
		puts(noun->extra[2 * i]);
	puts("--json\n--help");
	buf_fini(&line);
}

/* What may come next, a line each: nouns and commands; verbs of a noun; options of a verb. */
static void words(int n, char **given)
{
	for (size_t i = 0; n == 0 && i < cli_n_commands; i++)
		puts(cli_commands[i].name);
	for (size_t i = 0; i < cli_n_nouns; i++) {
		const struct cli_noun *noun = cli_nouns[i];
		if (n == 0)
			puts(noun->name);
		for (size_t k = 0; n && !strcmp(given[0], noun->name) && api_op_at(k); k++) {
			if (!is_of(api_op_at(k), noun->name))
				continue;
			if (n == 1)
				puts(verb_of(api_op_at(k)));
			else if (!strcmp(given[1], verb_of(api_op_at(k))))
				word_options(noun, api_op_at(k));
		}
	}
}

int cli_help(struct cli *c)
{
	if (c->n == 0) {
		help_all();
		return CLI_DONE;
	}
	if (!strcmp(c->words[0], "words") && c->n <= 3) {
		words(c->n - 1, c->words + 1);
		return CLI_DONE;
	}
	if (c->n > 1 || strcmp(c->words[0], "man"))
		return cli_usage("expected nothing, \"man\" or \"words\" behind help");
	struct buf out = BUF_INIT(1 << 20);
	help_man(&out);
	fputs(buf_cstr(&out), stdout);
	buf_fini(&out);
	return CLI_DONE;
}
