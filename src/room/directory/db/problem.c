/* SPDX-License-Identifier: Apache-2.0 */
/* Errors for people: the first finding stays, since what follows is mostly its consequence. */
#include "room/directory/db/problem.h"

#include "base/err.h"
#include "base/text.h"

#include <stdarg.h>

int problem_set(struct problem *why, int err, const char *field, const char *fmt, ...)
{
	if (!why || why->err)
		return err;
	why->err = err;
	why->field = field;
	va_list args;
	va_start(args, fmt);
	IGNORE(vsnprintf(why->text, sizeof(why->text), text_in(why->language, fmt), args) < 0, "our own formats");
	va_end(args);
	return err;
}

const char *problem_language(const struct problem *why)
{
	return why ? why->language : NULL;
}

struct problem problem_like(const struct problem *why)
{
	return (struct problem){ .language = why ? why->language : NULL };
}

unsigned problem_status(int err)
{
	switch (err) {
	case ERR_SYNTAX:
	case ERR_INVALID:
	case ERR_TOO_BIG:
		return 422;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_EXISTS:
	case ERR_CONFLICT:
	case ERR_QUOTA:
		return 409;
	case ERR_DENIED:
		return 403;
	case ERR_UNSUPPORTED:
		return 501;
	case ERR_UNAVAILABLE:
	case ERR_TIMEOUT:
	case ERR_CLOSED:
		return 503;
	case ERR_FULL:
		return 507;
	default:
		return 500;
	}
}
