/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include "base/text.h"

#include <errno.h>
#include <string.h>

static const struct {
	int err;
	const char *name, *text;
} table[] = {
	{ ERR_OK, "ok", N_("no error") },
	{ ERR_SYNTAX, "syntax", N_("malformed input") },
	{ ERR_TOO_BIG, "too-big", N_("too big") },
	{ ERR_NOT_FOUND, "not-found", N_("not found") },
	{ ERR_EXISTS, "exists", N_("exists already") },
	{ ERR_DENIED, "denied", N_("not permitted") },
	{ ERR_QUOTA, "quota", N_("quota exceeded") },
	{ ERR_CLOSED, "closed", N_("connection closed") },
	{ ERR_TIMEOUT, "timeout", N_("timed out") },
	{ ERR_CORRUPT, "corrupt", N_("stored data is damaged") },
	{ ERR_FULL, "full", N_("out of space") },
	{ ERR_UNAVAILABLE, "unavailable", N_("temporarily unavailable") },
	{ ERR_CONFLICT, "conflict", N_("conflicting change") },
	{ ERR_INVALID, "invalid", N_("invalid value") },
	{ ERR_UNSUPPORTED, "unsupported", N_("not supported") },
	{ ERR_INTERNAL, "internal", N_("internal error") },
	/* Of the system, what people meet at the command line; the others are as the system says them. */
	{ -EACCES, "EACCES", N_("Permission denied") },
	{ -EADDRINUSE, "EADDRINUSE", N_("Address already in use") },
	{ -ECONNREFUSED, "ECONNREFUSED", N_("Connection refused") },
	{ -EEXIST, "EEXIST", N_("File exists") },
	{ -EISDIR, "EISDIR", N_("Is a directory") },
	{ -ENOENT, "ENOENT", N_("No such file or directory") },
	{ -ENOSPC, "ENOSPC", N_("No space left on device") },
	{ -ENOTDIR, "ENOTDIR", N_("Not a directory") },
	{ -EPERM, "EPERM", N_("Operation not permitted") },
	{ -EROFS, "EROFS", N_("Read-only file system") },
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

const char *err_said(int err)
{
	return T_(err_text(err));
}
