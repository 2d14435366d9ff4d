/* SPDX-License-Identifier: Apache-2.0 */
#include "room/queue/space.h"

#include "base/err.h"
#include "base/event.h"

enum { COPIES = 200 };

struct live {
	uint64_t id;
	struct blob_addr addr;
};

/* What of a segment is alive: how many of it are in to, how many bytes all of it are. */
static int live_of(struct sql *db, uint32_t segment, struct live to[COPIES], size_t *ret_n, uint64_t *ret_bytes)
{
	struct sql_stmt *s = sql_prepare(db, "SELECT id, offset, length FROM message WHERE segment = ?");
	uint64_t bytes = 0;
	size_t n = 0;
	int err;

	sql_bind_int(s, 1, segment);
	while ((err = sql_step(s)) == 1) {
		bytes += (uint64_t)sql_int(s, 2);
		if (n < COPIES)
			to[n++] = (struct live){ (uint64_t)sql_int(s, 0),
						 { segment, (uint64_t)sql_int(s, 1), (uint32_t)sql_int(s, 2) } };
	}
	sql_done(s);
	*ret_n = n;
	*ret_bytes = bytes;
	return err;
}

/* How many went; what cannot be read stays where it is, its segment with it. */
static int copy_out(struct sql *db, struct blob_log *log, const struct live *live, size_t n)
{
	int copied = 0;

	for (size_t i = 0; i < n; i++) {
		struct blob_addr to;
		int err = blob_copy(log, &live[i].addr, &to);
		if (err == ERR_CORRUPT)
			continue;
		if (!err)
			err = sql_run(db, "UPDATE message SET segment = ?, offset = ?, length = ? WHERE id = ?", "iiii",
				      (int64_t)to.segment, (int64_t)to.offset, (int64_t)to.length, (int64_t)live[i].id);
		if (err < 0)
			return err;
		copied++;
	}
	return copied;
}

int space_find(struct sql *db, struct blob_log *log, bool look_only, struct arena *a, struct space *ret)
{
	size_t n = blob_segments(log, NULL, 0);
	uint32_t *ids = ARENA_ARRAY(a, uint32_t, n), active = blob_end_of(log).segment;
	struct live *live = ARENA_ARRAY(a, struct live, COPIES);

	blob_segments(log, ids, n);
	*ret = (struct space){ .dead = ARENA_ARRAY(a, uint32_t, n) };
	for (size_t i = 0; i < n && ids[i] != active; i++) {
		uint64_t bytes;
		size_t records;
		int err = live_of(db, ids[i], live, &records, &bytes);
		if (err)
			return err;
		if (!records) {
			ret->dead[ret->n_dead++] = ids[i];
			continue;
		}
		if (look_only || bytes > blob_segment_size(log, ids[i]) / 4)
			continue;
		err = copy_out(db, log, live, records);
		if (err < 0)
			return err;
		look_only = ret->more = err > 0;	/* one segment a turn */
	}
	return 0;
}

void space_free(struct blob_log *log, const struct space *s)
{
	for (size_t i = 0; i < s->n_dead; i++) {
		int err = blob_segment_remove(log, s->dead[i]);
		if (err < 0)
			ev(EV_WARN, "queue.segment.stays", KI("segment", s->dead[i]), KS("error", err_name(err)));
	}
}
