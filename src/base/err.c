/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include "base/compiler.h"

#include <string.h>

static const struct {
	int err;
	const char *name, *text;
} table[] = {
	{ ERR_OK, "ok", "no error" },
	{ ERR_SYNTAX, "syntax", "malformed input" },
	{ ERR_TOO_BIG, "too-big", "too big" },
	{ ERR_NOT_FOUND, "not-found", "not found" },
	{ ERR_EXISTS, "exists", "exists already" },
	{ ERR_DENIED, "denied", "not permitted" },
	{ ERR_QUOTA, "quota", "quota exceeded" },
	{ ERR_CLOSED, "closed", "connection closed" },
	{ ERR_TIMEOUT, "timeout", "timed out" },
	{ ERR_CORRUPT, "corrupt", "stored data is damaged" },
	{ ERR_FULL, "full", "out of space" },
	{ ERR_UNAVAILABLE, "unavailable", "temporarily unavailable" },
	{ ERR_CONFLICT, "conflict", "conflicting change" },
	{ ERR_INVALID, "invalid", "invalid value" },
	{ ERR_UNSUPPORTED, "unsupported", "not supported" },
	{ ERR_INTERNAL, "internal", "internal error" },
};

const char *err_text(int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].err == err)
			return table[i].text;
	const char *text = err < 0 && err > -1000 ? strerrordesc_np(-err) : NULL;
	return text ? text : "unknown error";
}

const char *err_name(int err)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].err == err)
			return table[i].name;
	const char *name = err < 0 && err > -1000 ? strerrorname_np(-err) : NULL;
	return name ? name : "unknown";
}
