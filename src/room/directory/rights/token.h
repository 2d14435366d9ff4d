/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens: what somebody shows instead of a password. A session is made by a login on the web, lives as long as it is
 * used (TOKEN_IDLE_MS, at most TOKEN_SESSION_MS) and ends with the password that made it. A key is made for a script,
 * has a name, an end and a scope. Both are 256 bits from the kernel, told once; here is only their SHA-256.
 */
#ifndef ROOM_DIRECTORY_TOKEN_H
#define ROOM_DIRECTORY_TOKEN_H

#include "room/directory/db/engine.h"

enum {
	TOKEN_BYTES = 32,
	TOKEN_IDLE_MS = 30 * 60 * 1000,
	TOKEN_SESSION_MS = 12 * 3600 * 1000,
	TOKEN_TOUCH_MS = 60 * 1000,	/* its last use is noted so often */
	TOKEN_DAYS_MAX = 3650,
	TOKEN_SCOPES_MAX = 64,
	TOKENS_PER_HOLDER = 1000,
};

/* "pst-" and 64 hexadecimal digits. */
#define TOKEN_PREFIX "pst-"

enum token_kind { TOKEN_SESSION = 0, TOKEN_KEY = 1 };

struct token {
	uint64_t id;
	int64_t holder;		/* staff.h */
	enum token_kind kind;
	struct slice name;	/* of a key */
	struct slice scopes;	/* operations ("mailbox.list") and nouns ("mailbox"), a blank between; empty: all */
	bool read_only;
	uint64_t version;	/* of the credential that made a session */
	struct slice remote;	/* who asked for it */
	int64_t created_ms, expires_ms, used_ms;
};

/* The text of a new token, in a: what token_add gives. */
struct slice token_draw(struct arena *a);
/* Puts a row; ret_text (in a) is the token itself, to be shown once. */
NODISCARD int token_add(struct engine *e, struct arena *a, struct token *t, struct slice *ret_text, struct problem *why);
/* ERR_NOT_FOUND: no such token, or it is over. */
NODISCARD int token_find(struct engine *e, struct arena *a, struct slice text, int64_t now_ms, struct token *ret);
NODISCARD int token_by_id(struct engine *e, struct arena *a, uint64_t id, struct token *ret);
/* Keys of a holder (0: of all that page->viewer may see), by number; page->after is one. */
NODISCARD int token_list(struct engine *e, struct arena *a, int64_t holder, int64_t now_ms, const struct page *page,
			 struct token **ret, size_t *ret_n);
NODISCARD int token_remove(struct engine *e, uint64_t id);
/* Inside a transaction: all sessions of a holder on the web but this one (0: none); those of ManageSieve that this version
 * of a credential has made. */
NODISCARD int token_end_web(struct engine *e, int64_t holder, uint64_t but);
NODISCARD int token_end_mail(struct engine *e, int64_t holder, uint64_t version);
/* It was used: where that was not noted for a while, in a transaction of its own. */
void token_touch(struct engine *e, const struct token *t, int64_t now_ms);
void token_expire(struct engine *e, int64_t now_ms);	/* forgets those that are over */

/* May this key do it? Operation and noun of its scopes, and no change where it is read_only. */
bool token_covers(const struct token *t, struct slice operation, bool changes);

#endif
