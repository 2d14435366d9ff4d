/* SPDX-License-Identifier: Apache-2.0 */
/* postern.conf(5) in man(7) form, from the table of options. */
#include "lib/conf/conf.h"

#include "base/text.h"

/* A leading '.' or '\'' would be a request, '\\' an escape, '-' a hyphen. */
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

static void man_option(const struct conf_option *o, struct buf *out)
{
	struct buf rule = BUF_INIT(1024);
	conf_option_rule(o, &rule);
	buf_str(out, ".TP\n.B ");
	roff(out, o->name);
	buf_str(out, "\n");
	roff(out, o->help);
	buf_str(out, ".\nTakes ");
	roff(out, buf_cstr(&rule));
	buf_str(out, o->fallback[0] ? "; default " : "; default: nothing");
	roff(out, o->fallback);
	buf_str(out, ".\n");
	if (o->reload == CONF_RESTART)
		buf_str(out, "A change takes effect at the next start.\n");
	buf_fini(&rule);
}

/* In English for everybody: it is installed with the program. */
void conf_man(struct buf *out)
{
	const char *language = text_current();
	text_use(NULL);
	buf_str(out,
		".\\\" Made by `postern conf man` from the table of options; do not edit.\n"
		".TH POSTERN.CONF 5 \"\" \"Postern\" \"File formats\"\n"
		".SH NAME\npostern.conf \\- what belongs to the machine of a Postern instance\n"
		".SH DESCRIPTION\n"
		"The file\n.I DIR/postern.conf\nholds lines\n.RS\n.PP\n.I name\n=\n.I "
		"value\n.RE\n.PP\n"
		"Blank lines, and lines that begin with #, are ignored.\n"
		"A name that is not in the list below, a name that stands twice, or a value that "
		"is not of its type makes\n"
		"the whole file invalid; the error names the line and what was expected, and "
		"nothing changes.\n"
		".B postern conf check\nlooks at a file without using it,\n.B postern conf dump\n"
		"shows all options with the values that are in force, and\n.B postern reload\n"
		"has a running instance read the file again.\n.PP\n"
		"Sizes have K, M, G, T or P behind the number (powers of 1024), durations ms, s, "
		"m, h or d.\n"
		"Customers, domains and mailboxes are not configured here; see\n.BR postern (1).\n"
		".SH OPTIONS\n");
	for (size_t i = 0; i < conf_n_options; i++)
		man_option(&conf_options[i], out);
	buf_str(out, ".SH SEE ALSO\n.BR postern (1)\n");
	text_use(language);
}
