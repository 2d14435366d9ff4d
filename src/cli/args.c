/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Words to fields, by the operation's parameters: "--dry-run" is dry_run, positional ones in the
 * order of the table, options before, between and behind them, "--name=value" as well as "--name
 * value", "--" ends options. Secrets never stand among the words (others can read those): they come
 * from stdin or from a prompt without echo.
 */
#include "cli/cli.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <termios.h>

enum { SECRET_MAX = 1024, TEXT_FILE_MAX = 256 * 1024 };

/* "dry-run" is "dry_run". */
static const struct api_param *option_param(const struct api_op *op, struct slice name)
{
	char key[64];
	if (name.n >= sizeof(key))
		return NULL;
	for (size_t i = 0; i < name.n; i++)
		key[i] = name.p[i] == '-' ? '_' : (char)name.p[i];
	return api_param_find(op, slice_of(key, name.n));
}

/* "--password-stdin": the secret "password". */
static const struct api_param *stdin_param(const struct api_op *op, struct slice word)
{
	static const struct slice tail = { (const uint8_t *)"-stdin", 6 };
	if (word.n < 2 + tail.n || !slice_eq(slice_sub(word, word.n - tail.n, word.n), tail))
		return NULL;
	const struct api_param *p = option_param(op, slice_sub(word, 2, word.n - tail.n));
	return p && p->type == API_SECRET ? p : NULL;
}

static bool is_given(const struct cli_args *args, const struct api_param *p)
{
	if (p->type == API_FILE)
		return args->file != NULL;
	return api_get(args->fields.v, args->fields.n, p->name).p != NULL;
}

static int put(struct cli_args *args, const struct api_param *p, const char *value)
{
	if (p->type == API_FILE) {
		if (args->file)
			return cli_usage("%s may be named once only", p->name);
		args->file = value;
		return CLI_DONE;
	}
	if (api_fields_add(&args->fields, slice_str(p->name), slice_str(value)) < 0)
		return cli_usage("too many values for %s", p->name);
	return CLI_DONE;
}

static bool take_extra(const struct cli_noun *noun, const char *word, struct cli_args *args)
{
	for (size_t i = 0; noun->extra && noun->extra[2 * i]; i++) {
		if (!strcmp(noun->extra[2 * i], word))
			return args->extra[i] = true;
	}
	return false;
}

struct parse {
	struct cli *c;
	const struct api_op *op;
	struct cli_args *args;
	const struct api_param *secret; /* "--NAME-stdin" named it */
	int at;
};

/* "--text-file FILE" for a text of lines; "-" is stdin. */
static int text_file(struct parse *p, const struct api_param *param, const char *path)
{
	struct buf text = BUF_INIT(TEXT_FILE_MAX);
	if (!path && p->at + 1 < p->c->n)
		path = p->c->words[++p->at];
	if (!path)
		return cli_usage("--%s-file needs a value", param->name);
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
	ssize_t n = fd < 0 ? -1 : 1;
	while (n > 0 && buf_ok(&text)) {
		uint8_t *to = buf_reserve(&text, 4096);
		n = to ? read(fd, to, 4096) : 0;
		if (n > 0)
			buf_added(&text, (size_t)n);
	}
	int code = n < 0 ? cli_refuse("%s: %s", path, err_said(-errno)) : CLI_DONE;
	if (fd > STDIN_FILENO)
		close(fd);
	if (!code && !buf_ok(&text))
		code = cli_usage("%s: the file is too large", path);
	if (!code && api_fields_add(&p->args->fields, slice_str(param->name), buf_view(&text)) < 0)
		code = cli_usage("too many values for %s", param->name);
	buf_fini(&text);
	return code;
}

static int parse_option(struct parse *p, const char *word)
{
	size_t n = strcspn(word, "=");
	const char *value = word[n] ? word + n + 1 : NULL;
	const struct api_param *param = stdin_param(p->op, slice_str(word));
	if (param && p->secret && p->secret != param)
		return cli_usage("only one password comes from stdin");
	if (param) {
		p->secret = param;
		return CLI_DONE;
	}
	param = option_param(p->op, slice_of(word + 2, n - 2));
	if (!param && n > 7 && !strncmp(word + n - 5, "-file", 5)) {
		param = option_param(p->op, slice_of(word + 2, n - 7));
		if (param && param->type == API_TEXT)
			return text_file(p, param, value);
		param = NULL;
	}
	if (!param)
		return cli_usage("there is no option %.*s here; try --help", (int)n, word);
	if (param->type == API_SECRET)
		return cli_usage("a password does not belong among the words, where others can "
				 "read it: use %.*s-stdin", (int)n, word);
	if (!value && param->type == API_BOOL)
		value = "true";
	if (!value && p->at + 1 < p->c->n)
		value = p->c->words[++p->at];
	if (!value)
		return cli_usage("%s needs a value", word);
	return put(p->args, param, value);
}

static int parse_positional(struct parse *p, const char *word)
{
	for (size_t i = 0; i < p->op->n_params; i++) {
		const struct api_param *param = &p->op->params[i];
		if (param->positional && (param->many || !is_given(p->args, param)))
			return put(p->args, param, word);
	}
	return cli_usage("\"%s\" is one word too many; try --help", word);
}

static int parse_words(struct parse *p, const struct cli_noun *noun)
{
	bool options = true;
	for (p->at = 0; p->at < p->c->n; p->at++) {
		const char *word = p->c->words[p->at];
		int code = CLI_DONE;
		if (options && !strcmp(word, "--"))
			options = false;
		else if (options && take_extra(noun, word, p->args))
			continue;
		else if (options && !strncmp(word, "--", 2))
			code = parse_option(p, word);
		else if (options && word[0] == '-' && word[1])
			code = cli_usage("there is no option %s; try --help", word);
		else
			code = parse_positional(p, word);
		if (code)
			return code;
	}
	return CLI_DONE;
}

/* One line without its end. */
static int read_line(int fd, struct buf *out)
{
	for (;;) {
		char ch;
		ssize_t n = read(fd, &ch, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0 || ch == '\n')
			break;
		buf_byte(out, (uint8_t)ch);
	}
	if (out->n && out->p[out->n - 1] == '\r')
		out->n--;
	return buf_ok(out) ? 0 : ERR_TOO_BIG;
}

static int prompt(const char *text, struct buf *out)
{
	struct termios before, quiet;
	if (tcgetattr(STDIN_FILENO, &before) < 0)
		return -errno;
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)ECHO;
	/* Before the prompt: what is typed at its sight must be neither shown nor dropped. */
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
	struct buf said = BUF_INIT(256);
	show_capital(text, &said);
	fprintf(stderr, "%s: ", buf_cstr(&said));
	buf_fini(&said);
	int err = read_line(STDIN_FILENO, out);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	fputc('\n', stderr);
	return err;
}

/* "new password", as a prompt says it. */
static const char *secret_said(const struct api_param *param)
{
	static char name[64];
	snprintf(name, sizeof(name), "%s", param->name);
	for (char *p = name; *p; p++)
		*p = *p == '_' ? ' ' : *p;
	return T_(name);
}

/* A new password is asked for twice, one that is there once. */
static int ask_secret(const struct api_param *param, bool is_new, struct buf *secret)
{
	struct buf again = BUF_INIT(SECRET_MAX);
	int code = CLI_DONE;
	if (prompt(secret_said(param), secret) < 0)
		code = cli_refuse("the password could not be read");
	if (!code && is_new &&
	    (prompt(T_("Once more"), &again) < 0 || !slice_eq(buf_view(secret), buf_view(&again))))
		code = cli_refuse("the two passwords differ");
	if (again.p)
		explicit_bzero(again.p, again.cap);
	buf_fini(&again);
	return code;
}

/* Several secrets: a line of stdin each, in the order of the table, or a prompt each; an optional one where it is named. */
static int take_secrets(struct parse *p)
{
	struct buf secret = BUF_INIT(SECRET_MAX);
	int code = CLI_DONE;
	for (size_t i = 0; i < p->op->n_params && !code; i++) {
		const struct api_param *param = &p->op->params[i];
		if (param->type != API_SECRET || !(param->required || param == p->secret))
			continue;
		buf_clear(&secret);
		int err = p->secret ? read_line(STDIN_FILENO, &secret) : prompt(secret_said(param), &secret);
		if (err < 0 || !secret.n)
			code = cli_usage("expected %s: a line on stdin for each secret, in the order of --help", secret_said(param));
		else if (api_fields_add(&p->args->fields, slice_str(param->name), buf_view(&secret)) < 0)
			code = CLI_USAGE;
	}
	if (secret.p)
		explicit_bzero(secret.p, secret.cap);
	buf_fini(&secret);
	return code;
}

static size_t required_secrets(const struct api_op *op)
{
	size_t n = 0;
	for (size_t i = 0; i < op->n_params; i++)
		n += op->params[i].type == API_SECRET && op->params[i].required;
	return n;
}

static int take_secret(struct parse *p)
{
	const struct api_param *param = p->secret ? p->secret : api_param_find(p->op, SLICE("password"));
	for (size_t i = 0; !param && i < p->op->n_params; i++)
		if (p->op->params[i].type == API_SECRET && p->op->params[i].required)
			param = &p->op->params[i];
	bool master = api_op_has(p->op, "master_user");
	struct buf secret = BUF_INIT(SECRET_MAX);
	int code = CLI_DONE, err;
	if (!param || param->type != API_SECRET)
		return CLI_DONE;
	if (p->secret) {
		err = read_line(STDIN_FILENO, &secret);
		if (err < 0 || secret.n == 0)
			code = cli_usage(
				err == ERR_TOO_BIG
					? "expected a password of at most 1024 bytes on stdin"
					: "expected a password on stdin, but there is none");
	} else if (isatty(STDIN_FILENO) &&
		   (!master || api_get(p->args->fields.v, p->args->fields.n, "master_user").p)) {
		code = ask_secret(param, !master && strncmp(p->op->name, "totp.", 5), &secret);
	} else if (param->required) {
		code = cli_usage("no terminal to ask for the password: use --password-stdin");
	}
	if (!code && secret.n &&
	    api_fields_add(&p->args->fields, slice_str(param->name), buf_view(&secret)) < 0)
		code = CLI_USAGE;
	if (secret.p)
		explicit_bzero(secret.p, secret.cap);
	buf_fini(&secret);
	return code;
}

void cli_spell(const struct api_op *op, const char *field, char *ret, size_t size)
{
	const struct api_param *p = api_param_find(op, slice_str(field));
	size_t n = (size_t)snprintf(ret, size, "%s%s%s", p && !p->positional ? "--" : "", field,
				    p && p->type == API_SECRET ? "-stdin" : "");
	for (size_t i = 0; i < n && i < size; i++) {
		if (p && p->positional)
			ret[i] = (char)ascii_upper((uint8_t)ret[i]);
		else if (ret[i] == '_')
			ret[i] = '-';
	}
	const char *said = p && p->positional ? T_(ret) : ret;
	if (said != ret)
		snprintf(ret, size, "%s", said);
}

static int check(const struct api_op *op, struct cli_args *args)
{
	struct api_error e;
	if (api_check(op, args->fields.v, args->fields.n, args->file != NULL, &e) == 0)
		return CLI_DONE;
	char name[80];
	cli_spell(op, e.field, name, sizeof(name));
	if (e.value[0])
		return cli_usage("%s: expected %s, got \"%s\"", name, e.rule, e.value);
	return cli_usage("%s: expected %s", name, e.rule);
}

/* What is missing is told before a password is asked for. */
static int missing(const struct api_op *op, const struct cli_args *args)
{
	struct buf rule = BUF_INIT(512);
	char name[80];
	int code = CLI_DONE;
	for (size_t i = 0; i < op->n_params && !code; i++) {
		const struct api_param *p = &op->params[i];
		if (!p->required || p->type == API_SECRET || is_given(args, p))
			continue;
		api_param_rule(p, &rule);
		cli_spell(op, p->name, name, sizeof(name));
		code = cli_usage("%s is missing: expected %s", name, buf_cstr(&rule));
	}
	buf_fini(&rule);
	return code;
}

int cli_args_parse(struct cli *c, const struct api_op *op, const struct cli_noun *noun,
		   struct cli_args *ret)
{
	*ret = (struct cli_args){ .fields = { .arena = c->arena } };
	struct parse p = { .c = c, .op = op, .args = ret };
	int code = parse_words(&p, noun);
	bool master = api_get(ret->fields.v, ret->fields.n, "master_user").p != NULL;
	if (!code && ret->file && api_op_has(op, "master_user") && (p.secret || master))
		code = cli_usage("either a file of passwords or a master user, not both");
	if (!code && p.secret && !master && api_op_has(op, "master_user"))
		code = cli_usage("--password-stdin belongs to --master-user");
	if (!code)
		code = missing(op, ret);
	if (!code)
		code = required_secrets(op) > 1 ? take_secrets(&p) : take_secret(&p);
	return code ? code : check(op, ret);
}
