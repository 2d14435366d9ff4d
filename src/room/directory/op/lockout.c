/* SPDX-License-Identifier: Apache-2.0 */
/* lockout list, clear: what the limiter refuses just now. */
#include "room/directory/op/admin.h"

#include "base/err.h"
#include "room/directory/login/guard.h"

static const char *const kinds[] = {
	[LIMITER_PAIR] = "login-from-network",	[LIMITER_NETWORK] = "network",	 [LIMITER_WIDE] = "wide-network",
	[LIMITER_ACCOUNT] = "login-from-strangers", [LIMITER_PASSWORD] = "password",
};

void op_lockout_list(struct admin *ad)
{
	struct limiter_entry *rows;
	size_t n = 0;
	json_t *items = json_array();
	limiter_list(guard_limiter(ad->d->guard), ad->a, ad->now_ms, &rows, &n);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(items, json_pack("{s:s, s:o, s:o, s:I, s:I}", "kind", kinds[rows[i].kind],
						       "login", json_text(rows[i].who), "network",
						       json_text(rows[i].network), "failures",
						       (json_int_t)rows[i].failures, "until_ms",
						       (json_int_t)rows[i].until_ms));
	admin_ok(ad, 200, json_pack("{s:o, s:n}", "items", items, "next"));
}

void op_lockout_clear(struct admin *ad)
{
	struct slice who = admin_get(ad, "who"), network = admin_get(ad, "network");
	uint8_t home[LIMITER_HOME_MAX];
	struct slice none = { 0 };
	if (network.n && !limiter_home(network, home)) {
		admin_refuse(ad, problem_set(&ad->why, ERR_INVALID, "network", "\"" SLICE_FMT "\" is not an IP address",
					     SLICE_ARG(network)));
		return;
	}
	int r = admin_begin(ad);
	if (r == 0)
		r = admin_commit(ad, who.n ? who : network);
	if (r < 0) {
		admin_refuse(ad, r);
		return;
	}
	size_t n = 0;
	if (who.n || !network.n)
		n += limiter_clear(guard_limiter(ad->d->guard), who, none);
	if (network.n)
		n += limiter_clear(guard_limiter(ad->d->guard), none, network);
	admin_ok(ad, 200, json_pack("{s:I}", "count", (json_int_t)n));
}
