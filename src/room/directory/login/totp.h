/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One-time codes by the clock (TOTP, RFC 6238: SHA-1, six digits, 30 seconds), and the recovery codes beside them. liboath
 * does the arithmetic. The secret is sealed; of recovery codes only hashes are kept: they are 100 bits from the kernel.
 *
 * A code is good in its time step and the one on each side, once: the step that was used last is kept, and neither it nor
 * one before it is taken again. Past TOTP_WRONG_MAX wrong ones in a row, from wherever, none is good any more until a
 * recovery code is used or a new password is set: only who knows the password can get there. Triggers (schema.c) let rows
 * go with their holder.
 */
#ifndef ROOM_DIRECTORY_TOTP_H
#define ROOM_DIRECTORY_TOTP_H

#include "room/directory/db/engine.h"
#include "room/directory/login/seal.h"

enum {
	TOTP_SECRET_BYTES = 20,			/* RFC 4226 4, R6: 160 bits */
	TOTP_STEP_S = 30,
	TOTP_DIGITS = 6,
	TOTP_AROUND = 1,			/* steps on each side */
	TOTP_RECOVERY_CODES = 10,
	TOTP_WAITS_MS = 30 * 60 * 1000,		/* how long a new secret may be confirmed */
	TOTP_WRONG_MAX = 100,			/* in a row */
};

struct totp {
	int64_t holder;		/* staff.h; 0: there is no row */
	struct slice sealed;
	int64_t made_ms;
	int64_t since_ms;	/* in force; 0: it waits to be confirmed */
	int64_t step;		/* that was used last */
	unsigned wrong;		/* in a row */
};

static inline bool totp_is_on(const struct totp *t)
{
	return t->since_ms != 0;
}

/* The step that this code of six digits is of, at that time and later than after; 0: none. */
int64_t totp_step(struct slice secret, struct slice code, int64_t now_ms, int64_t after);
/* Six digits, perhaps with blanks between them; else it can only be a recovery code. *ret: in a. */
bool totp_is_code(struct arena *a, struct slice text, struct slice *ret);

/* No row: all zero. */
NODISCARD int totp_get(struct engine *e, struct arena *a, int64_t holder, struct totp *ret);
NODISCARD int totp_codes_left(struct engine *e, int64_t holder, unsigned *ret);

/* What follows runs inside a transaction.
 *
 * A secret that waits to be confirmed; one that waited before is forgotten. ERR_EXISTS: it is on. */
NODISCARD int totp_start(struct engine *e, const struct seal *seal, struct arena *a, int64_t holder, struct slice secret,
			 int64_t now_ms);
/* ERR_DENIED: not the code, or it was used. ERR_NOT_FOUND: nothing waits (any more). */
NODISCARD int totp_confirm(struct engine *e, const struct seal *seal, struct arena *a, const struct totp *t, struct slice code,
			   int64_t now_ms);
/* A code or a recovery code, which is spent. ERR_DENIED. */
NODISCARD int totp_spend(struct engine *e, const struct seal *seal, struct arena *a, const struct totp *t, struct slice code,
			 int64_t now_ms, bool *ret_recovery);
NODISCARD int totp_note_wrong(struct engine *e, int64_t holder, unsigned *ret);	/* how many in a row */
NODISCARD int totp_remove(struct engine *e, int64_t holder);	/* ERR_NOT_FOUND */
/* New recovery codes in place of all there were, as text in a. */
NODISCARD int totp_make_codes(struct engine *e, struct arena *a, int64_t holder, struct slice ret[TOTP_RECOVERY_CODES]);

/* For the apps that make the codes: base32, and otpauth://totp/ISSUER:ACCOUNT?... */
struct slice totp_base32(struct arena *a, struct slice secret);
struct slice totp_uri(struct arena *a, struct slice base32, struct slice issuer, struct slice account);

#endif
