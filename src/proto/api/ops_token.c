/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: keys for scripts. Sessions: what a login on the web gives. */
#include "proto/api/ops.h"

/* clang-format off */
#define P_TOKEN_ID { "id", API_U64, .required = true, .positional = true, .min = 1, .max = INT64_MAX, .help = "number of the token" }

static const struct api_param token_add[] = {
	{ "name", API_STR, .required = true, .positional = true, .min = 1, .max = 100, .help = "what it is for" },
	{ "login", API_STR, .min = 1, .max = 320, .help = "whose rights it has (one's own)" },
	{ "scope", API_STR, .many = true, .min = 1, .max = 64, .help = "only this operation (mailbox.list) or noun (mailbox); all where none is named" },
	{ "read_only", API_BOOL, .help = "it changes nothing" },
	{ "days", API_U64, .min = 1, .max = 3650, .help = "how long it is good for (90)" },
};
static const struct api_param token_list[] = { { "login", API_STR, .min = 1, .max = 320, .help = "whose tokens (one's own; at the admin socket: all)" }, P_Q("name"), P_LIMIT, P_AFTER };
static const struct api_param token_remove[] = { P_TOKEN_ID };
#define TOKEN_IS \
	{ "id", API_U64, "number of the token" }, \
	{ "name", API_STR, "what it is for" }, \
	{ "login", API_STR, "whose rights it has" }, \
	{ "scopes", API_LIST, "operations and nouns it is for; none: all" }, \
	{ "read_only", API_BOOL, "it changes nothing" }, \
	{ "created_ms", API_TIME, "when it was made" }, \
	{ "expires_ms", API_TIME, "its end" }, \
	{ "used_ms", API_TIME, "about when it was used last; 0: never" }
static const struct api_result token_is[] = { TOKEN_IS, REVISION_IS };
static const struct api_result token_new[] = { { "token", API_STR, "the token itself; it is shown this once" }, TOKEN_IS };

static const struct api_op ops[] = {
	{ "token.add", "POST", ROOT "/tokens", API_DIRECTORY, .help = "makes a token for a script, which is shown once", IN(token_add), OUT(token_new) },
	{ "token.list", "GET", ROOT "/tokens", API_DIRECTORY, .help = "lists tokens", IN(token_list), PAGE(token_is) },
	{ "token.remove", "DELETE", ROOT "/tokens/{id}", API_DIRECTORY, .help = "removes a token; it is refused from then on", IN(token_remove) },
};

static const struct api_param session_add[] = {
	P_LOGIN(.required = true),
	P_PASSWORD(.required = true, .help = "the login's password"),
	{ "totp", API_SECRET, .min = 1, .max = 64, .help = "a code or a recovery code, where the login has a second factor: asked for by a problem of type " API_SECOND_FACTOR },
};
static const struct api_result session_new[] = {
	{ "token", API_STR, "for Authorization: Bearer; it is told this once" },
	{ "login", API_STR, "who that is" },
	{ "expires_ms", API_TIME, "its end, unless it is used before" },
};
static const struct api_result session_is[] = {
	{ "login", API_STR, "who asks" },
	{ "expires_ms", API_TIME, "end of the session or token; none at the admin socket" },
	{ "ranks", API_OBJECTS, "each rank: rank (provider, customer, domain, user), customer, domain" },
};

static const struct api_op session_ops[] = {
	{ "session.add", "POST", ROOT "/session", API_AUTH, .help = "logs in; the session ends when it is not used, by session.remove, and with the password", .open = true, IN(session_add), OUT(session_new) },
	{ "session.show", "GET", ROOT "/session", API_DIRECTORY, .help = "says who asks, and with which ranks", OUT(session_is) },
	{ "session.remove", "DELETE", ROOT "/session", API_DIRECTORY, .help = "logs out: this session or token is over" },
};
/* clang-format on */
API_GROUP(token);
const struct api_group api_session_group = { session_ops, ARRAY_SIZE(session_ops) };
