/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One space of error numbers. A fallible function returns int: < 0 an error of
 * this list or a negated errno (-1..-999), >= 0 success. Streaming calls return
 * 1 item, 0 more input needed, < 0 error. bool is for questions only.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err {
	ERR_OK = 0,
	ERR_SYNTAX = -1001,	/* the input breaks its grammar */
	ERR_TOO_BIG = -1002,	/* a named limit is passed */
	ERR_NOT_FOUND = -1003,	/* no such object */
	ERR_EXISTS = -1004,	/* an object of that name is there already */
	ERR_DENIED = -1005,	/* the caller may not */
	ERR_QUOTA = -1006,	/* the account's storage is used up */
	ERR_CLOSED = -1007,	/* the peer is gone */
	ERR_TIMEOUT = -1008,	/* the deadline passed */
	ERR_CORRUPT = -1009,	/* stored bytes fail their check */
	ERR_FULL = -1010,	/* the disk, or a bounded queue of ours, is full: try later */
	ERR_UNAVAILABLE = -1011, /* a room or service that is needed does not answer: try later */
	ERR_CONFLICT = -1012,	/* the object changed meanwhile, or is in a state that forbids it */
	ERR_INVALID = -1013,	/* well-formed, but a value that a rule refuses */
	ERR_UNSUPPORTED = -1014, /* understood, but not offered */
	ERR_INTERNAL = -1015,	/* ours, and logged where it happened */
};

/* A short English text without secrets or paths; static storage; never NULL. */
const char *err_text(int err);

/* The same in the language of what is done just now (base/text.h). */
const char *err_said(int err);

/* The word for logs and --json: "not-found", "EACCES"; static storage; never NULL. */
const char *err_name(int err);

#endif
