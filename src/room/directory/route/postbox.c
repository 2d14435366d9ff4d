/* SPDX-License-Identifier: Apache-2.0 */
#include "room/directory/route/postbox.h"

#include "base/err.h"
#include "room/directory/db/engine_priv.h"

static const char one[] = "SELECT state, shard, quota, ifnull((SELECT level FROM account_limits WHERE account = ?1), 0),"
			  " EXISTS (SELECT 1 FROM script WHERE account = ?1 AND active = 1),"
			  " EXISTS (SELECT 1 FROM responder WHERE account = ?1) FROM account WHERE id = ?1";

int postbox_get(struct engine *e, uint64_t account, struct postbox *ret)
{
	struct sql_stmt *s = sql_prepare(e->db, one);
	sql_bind_int(s, 1, (int64_t)account);
	int r = sql_step(s);
	if (r == 1)
		*ret = (struct postbox){
			.state = (enum account_state)sql_int(s, 0), .shard = (uint32_t)sql_int(s, 1),
			.quota = (uint64_t)sql_int(s, 2), .level = (unsigned)sql_int(s, 3), .script = sql_int(s, 4),
			.rules = sql_int(s, 4) || sql_int(s, 5),
		};
	sql_done(s);
	return r == 1 ? 0 : r < 0 ? r : ERR_NOT_FOUND;
}
