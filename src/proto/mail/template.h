/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts with variables: {name}, a-z and '_', is replaced by that variable's value; any other brace is itself. A value is
 * only ever text: it is never looked at for variables again, in HTML it is escaped, and in a header it stays in one
 * line (compose_field sees to its encoding). Templates are written by customers, values come from anywhere.
 */
#ifndef PROTO_MAIL_TEMPLATE_H
#define PROTO_MAIL_TEMPLATE_H

#include "base/buf.h"

enum template_form { TEMPLATE_LINE, TEMPLATE_TEXT, TEMPLATE_HTML };

struct template_value {
	const char *name;
	struct slice value;	/* UTF-8 */
};

/* The next variable at or after *at: its name; *at is behind it then. False where there is none. */
bool template_next(struct slice tpl, size_t *at, struct slice *ret_name);

/* Valid UTF-8 without control characters (but line ends and TAB where it is no LINE): ERR_SYNTAX else. */
NODISCARD int template_check(struct slice tpl, enum template_form form);

/* A variable that values do not have stays as it stands. */
void template_render(struct buf *out, struct slice tpl, const struct template_value *values, size_t n,
		     enum template_form form);

/* HTML that says what a finished text says: paragraphs, lines, and links for what begins with https://. */
void template_html_of_text(struct buf *out, struct slice text);

#endif
