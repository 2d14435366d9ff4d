/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postern.conf: lines "name = value". A '#' begins a comment only as a line's first character, so
 * that a value may hold one. Every option is known, stands once, and is of its type, or the file is
 * refused as a whole: half a configuration is never in force. Values are kept as text and, where
 * they have one, as a number.
 */
#include "lib/conf/conf_priv.h"

#include "base/codec.h"
#include "base/err.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

struct conf {
	struct value {
		char *text;
		uint64_t number;
		size_t line; /* where it was set; 0: it was not */
	} * values;          /* one an option, in the table's order */
};

static const struct conf_option *option_find(struct slice name)
{
	for (size_t i = 0; i < conf_n_options; i++) {
		if (slice_eq(slice_str(conf_options[i].name), name))
			return &conf_options[i];
	}
	return NULL;
}

static int value_set(struct conf *c, const struct conf_option *o, struct slice text)
{
	struct value *v = &c->values[o - conf_options];
	uint64_t number = 0;
	int err = conf_value(o, text, &number);
	if (err < 0)
		return err;
	char *copy = slice_dup_str(text.n ? text : SLICE(""));
	bug_if(!copy);
	free(v->text);
	v->text = copy;
	v->number = number;
	return 0;
}

struct conf *conf_defaults(void)
{
	struct conf *c = calloc(1, sizeof(*c));
	bug_if(!c);
	c->values = calloc(conf_n_options, sizeof(*c->values));
	bug_if(!c->values);
	for (size_t i = 0; i < conf_n_options; i++)
		bug_if(value_set(c, &conf_options[i], slice_str(conf_options[i].fallback)) < 0);
	return c;
}

void conf_free(struct conf **c)
{
	if (!*c)
		return;
	for (size_t i = 0; i < conf_n_options; i++)
		free((*c)->values[i].text);
	free((*c)->values);
	free(*c);
	*c = NULL;
}

/* Bytes of a file for a person: control bytes and broken UTF-8 as '?', at most 60. */
static void quote(struct slice s, struct buf *out)
{
	bool cut = s.n > 60;
	s = slice_sub(s, 0, 60);
	bool whole = utf8_valid(s);
	buf_byte(out, '"');
	for (size_t i = 0; i < s.n; i++)
		buf_byte(out, s.p[i] < 0x20 || s.p[i] == 0x7f || (s.p[i] >= 0x80 && !whole)
				      ? '?'
				      : s.p[i]);
	buf_str(out, cut ? "...\"" : "\"");
}

static size_t common_prefix(struct slice a, const char *b)
{
	size_t n = 0;
	while (n < a.n && b[n] && ascii_lower(a.p[n]) == (uint8_t)b[n])
		n++;
	return n;
}

/* The option whose name begins most like this one; needs its group to be right. */
static const struct conf_option *nearest(struct slice name)
{
	const struct conf_option *best = NULL;
	size_t most = 0;
	for (size_t i = 0; i < conf_n_options; i++) {
		size_t n = common_prefix(name, conf_options[i].name);
		if (n > most && n > strcspn(conf_options[i].name, ".")) {
			most = n;
			best = &conf_options[i];
		}
	}
	return best;
}

static int unknown_option(struct slice name, struct buf *error)
{
	const struct conf_option *like = nearest(name);
	quote(name, error);
	buf_str(error, T_(": expected the name of an option"));
	if (like)
		buf_printf(error, T_("; did you mean %s?"), like->name);
	return ERR_NOT_FOUND;
}

static int bad_value(const struct conf_option *o, struct slice value, struct buf *error)
{
	buf_printf(error, T_("%s: expected "), o->name);
	conf_option_rule(o, error);
	buf_str(error, T_(", got "));
	quote(value, error);
	return ERR_INVALID;
}

static int parse_line(struct conf *c, struct slice line, size_t number, struct buf *error)
{
	line = slice_trim(line);
	if (line.n == 0 || line.p[0] == '#')
		return 0;
	ptrdiff_t eq = slice_find_byte(line, '=', 0);
	if (eq < 0) {
		buf_str(error, T_("expected \"name = value\", got "));
		quote(line, error);
		return ERR_SYNTAX;
	}
	struct slice name = slice_trim(slice_sub(line, 0, (size_t)eq));
	struct slice value = slice_trim(slice_sub(line, (size_t)eq + 1, line.n));
	const struct conf_option *o = option_find(name);
	if (!o)
		return unknown_option(name, error);
	struct value *v = &c->values[o - conf_options];
	if (v->line) {
		buf_printf(error, T_("%s: expected this option once, but line %zu has it already"),
			   o->name, v->line);
		return ERR_EXISTS;
	}
	v->line = number;
	return value_set(c, o, value) < 0 ? bad_value(o, value, error) : 0;
}

static int parse_lines(struct conf *c, struct slice text, const char *file, struct buf *error)
{
	struct buf what = BUF_INIT(1024);
	size_t at = 0, number = 0;
	int err = 0;
	while (at < text.n && err == 0) {
		ptrdiff_t nl = slice_find_byte(text, '\n', at);
		size_t end = nl < 0 ? text.n : (size_t)nl;
		number++;
		if (end - at > CONF_LINE_MAX) {
			buf_printf(&what, T_("expected lines of at most %d bytes"), CONF_LINE_MAX);
			err = ERR_TOO_BIG;
		} else {
			err = parse_line(c, slice_sub(text, at, end), number, &what);
		}
		at = end + 1;
	}
	if (err < 0)
		buf_printf(error, "%s:%zu: %s", file, number, buf_cstr(&what));
	buf_fini(&what);
	return err;
}

static bool listens_on(const char *addresses, const struct sockaddr_storage *wanted)
{
	struct sockaddr_storage sa;

	while (conf_address_next(&addresses, &sa)) {
		if (sa.ss_family == wanted->ss_family && memcmp(&sa, wanted, sizeof(sa)) == 0)
			return true;
	}
	return false;
}

/* Two services at one address: the second could only say that the port is in use by another program. */
static int check_listeners(const struct conf *c, const char *file, struct buf *error)
{
	for (size_t i = 0; i < conf_n_options; i++) {
		const char *at = c->values[i].text;
		struct sockaddr_storage sa;
		while (conf_options[i].type == CONF_ADDRESS && conf_address_next(&at, &sa)) {
			for (size_t k = 0; k < i; k++) {
				if (conf_options[k].type != CONF_ADDRESS || !listens_on(c->values[k].text, &sa))
					continue;
				bool second = c->values[i].line >= c->values[k].line;
				size_t line = c->values[second ? i : k].line;
				buf_printf(error, "%s:%zu: ", file, line);
				buf_printf(error, T_("%s: expected addresses of its own, but %s has one of them"),
					   conf_options[second ? i : k].name, conf_options[second ? k : i].name);
				return ERR_EXISTS;
			}
		}
	}
	return 0;
}

int conf_parse(struct slice text, const char *file, struct conf **ret, struct buf *error)
{
	if (text.n > CONF_FILE_MAX) {
		buf_printf(error, T_("%s: expected at most %d bytes"), file, CONF_FILE_MAX);
		return ERR_TOO_BIG;
	}
	struct conf *c = conf_defaults();
	int err = parse_lines(c, text, file, error);
	if (err == 0)
		err = check_listeners(c, file, error);
	if (err < 0) {
		conf_free(&c);
		return err;
	}
	*ret = c;
	return 0;
}

static int read_all(int fd, struct buf *out)
{
	for (;;) {
		uint8_t *p = buf_reserve(out, 4096);
		if (!p)
			return ERR_TOO_BIG;
		ssize_t n = read(fd, p, 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		buf_added(out, (size_t)n);
	}
}

int conf_load(const char *path, struct conf **ret, struct buf *error)
{
	struct buf text = BUF_INIT(CONF_FILE_MAX + 4096);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err = fd < 0 ? -errno : read_all(fd, &text);
	if (fd >= 0)
		close(fd);
	if (err < 0)
		buf_printf(error, "%s: %s", path, err_said(err));
	else
		err = conf_parse(buf_view(&text), path, ret, error);
	buf_fini(&text);
	return err;
}

int conf_set(struct conf *c, const char *name, const char *value, struct buf *error)
{
	const struct conf_option *o = option_find(slice_str(name));
	if (!o)
		return unknown_option(slice_str(name), error);
	return value_set(c, o, slice_str(value)) < 0 ? bad_value(o, slice_str(value), error) : 0;
}

static const struct value *value_of(const struct conf *c, const char *name)
{
	const struct conf_option *o = option_find(slice_str(name));
	bug_if(!o);
	return &c->values[o - conf_options];
}

uint64_t conf_u64(const struct conf *c, const char *name)
{
	return value_of(c, name)->number;
}

bool conf_bool(const struct conf *c, const char *name)
{
	return value_of(c, name)->number != 0;
}

const char *conf_str(const struct conf *c, const char *name)
{
	return value_of(c, name)->text;
}

static bool same_group(const char *a, const char *b)
{
	size_t n = strcspn(a, ".") + 1;
	return strncmp(a, b, n) == 0;
}

void conf_dump(const struct conf *c, struct buf *out)
{
	buf_str(out, T_("# postern.conf: what belongs to this machine; postern.conf(5) explains each "
			"option.\n"
			"# Options marked [restart] take effect at the next start, all others with "
			"`postern reload`.\n"));
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *o = &conf_options[i];
		if (i == 0 || !same_group(o->name, conf_options[i - 1].name))
			buf_str(out, "\n");
		buf_printf(out, "# %s%s: ", T_(o->help), o->reload == CONF_RESTART ? T_(" [restart]") : "");
		conf_option_rule(o, out);
		buf_printf(out, "\n%s = %s\n", o->name, c->values[i].text);
	}
}
