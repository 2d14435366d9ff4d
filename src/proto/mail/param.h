/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content-Type, Content-Disposition and their like: a value, then parameters (RFC 2045 5.1, RFC
 * 2183). Continued parameters (RFC 2231 3: name*0, name*1*) come out joined, under "name" or, where
 * charset and %XX codes are in them (4), under "name*" with the codes kept; param_text decodes
 * those. Order as the first piece has it.
 */
#ifndef PROTO_MAIL_PARAM_H
#define PROTO_MAIL_PARAM_H

#include "base/arena.h"
#include "base/buf.h"

enum {
	PARAM_PIECES_MAX = 128, /* of one field; what follows is left out */
	PARAM_NAME_MAX = 64,
	PARAM_VALUE_MAX = 2048, /* joined; the rest is cut off */
	PARAM_TOKEN_MAX = 127,  /* type, subtype, disposition; longer ones are taken as absent */
};

struct param {
	struct slice name, value; /* as they stand, unquoted; comments and folds gone */
};

struct param_list {
	struct slice type, subtype; /* "text", "plain"; subtype empty for a disposition; any case */
	struct param *params;
	size_t n;
	bool limited; /* something was left out or cut */
	bool garbled; /* between the value and its first ';' stands more */
};

/* slash: the value is type "/" subtype. False where it is not well formed; then type and subtype
 * are empty, and the parameters behind the next ';' are still there. Lives in the arena. */
bool param_parse(struct slice raw, bool slash, struct arena *arena, struct param_list *ret);

/* The parameter of that name or name*, any case; NULL where there is none. */
const struct param *param_find(const struct param_list *l, struct slice name);

/* Its value: RFC 2231 codes undone to bytes; ret_charset gets what they name, else empty. Into out.
 */
void param_bytes(const struct param *p, struct buf *out, struct slice *ret_charset);

/* Its value as UTF-8; encoded words, which do not belong there but often stand there, are decoded
 * too. */
void param_text(const struct param *p, struct buf *out);

#endif
