/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which addresses a gateway domain's own server takes, as far as it was asked. What it took is kept in the
 * database (it carries the domain through an outage, M36, and tells the switch what is missing); what it refused
 * is kept in memory only, for a short while and bounded, so a guessing run costs neither writes nor space.
 */
#include "room/directory/db/engine_priv.h"

#include "base/err.h"

enum {
	REFUSED_MAX = 65536,
	MINUTE_MS = 60 * 1000,
	HOUR_MS = 60 * MINUTE_MS,
};

struct refused {
	int64_t at_ms;
};

static struct slice refused_key(uint8_t *buf, uint64_t domain, struct slice local)
{
	size_t n = local.n < NAME_TEXT_MAX ? local.n : NAME_TEXT_MAX;
	memcpy(buf, &domain, sizeof(domain));
	memcpy(buf + sizeof(domain), local.p, n);
	return slice_of(buf, sizeof(domain) + n);
}

void recipient_clear(struct engine *e)
{
	size_t at = 0;
	void *value;
	struct slice key;
	while (map_next(e->refused, &at, &key, &value))
		free(value);
	map_free(&e->refused);
	e->refused = map_new();
}

static bool refused_lately(struct engine *e, uint64_t domain, struct slice local, int64_t now_ms)
{
	uint8_t buf[sizeof(domain) + NAME_TEXT_MAX];
	struct slice key = refused_key(buf, domain, local);
	struct refused *r = map_get(e->refused, key);
	if (!r)
		return false;
	if (now_ms - r->at_ms < setting_get(e, "refused_minutes", 10) * MINUTE_MS &&
	    now_ms >= r->at_ms)
		return true;
	free(map_remove(e->refused, key));
	return false;
}

enum known recipient_known(struct engine *e, uint64_t domain, struct slice local, int64_t now_ms)
{
	int64_t at = 0;
	if (refused_lately(e, domain, local, now_ms))
		return KNOWN_NO;
	static const char find[] = "SELECT at FROM recipient WHERE domain = ?1 AND local = ?2";
	if (sql_get(e->db, &at, find, "ib", (int64_t)domain, local) < 0)
		return KNOWN_UNSURE;
	int64_t fresh = setting_get(e, "accepted_hours", 24) * HOUR_MS;
	return now_ms - at < fresh ? KNOWN_YES : KNOWN_STALE;
}

static int note_refused(struct engine *e, uint64_t domain, struct slice local, int64_t now_ms)
{
	uint8_t buf[sizeof(domain) + NAME_TEXT_MAX];
	if (map_count(e->refused) >= REFUSED_MAX)
		recipient_clear(e);
	struct refused *r = malloc(sizeof(*r));
	bug_if(!r);
	r->at_ms = now_ms;
	free(map_put(e->refused, refused_key(buf, domain, local), r));
	static const char drop[] = "DELETE FROM recipient WHERE domain = ?1 AND local = ?2";
	int n = sql_run(e->db, drop, "ib", (int64_t)domain, local);
	return n < 0 ? n : 0;
}

int recipient_note(struct engine *e, uint64_t domain, struct slice local, bool good, int64_t now_ms)
{
	uint8_t buf[sizeof(domain) + NAME_TEXT_MAX];
	if (!good)
		return note_refused(e, domain, local, now_ms);
	free(map_remove(e->refused, refused_key(buf, domain, local)));
	static const char put[] = "INSERT INTO recipient (domain, local, at) VALUES (?1, ?2, ?3)"
				  " ON CONFLICT (domain, local) DO UPDATE SET at = excluded.at";
	int r = sql_run(e->db, put, "ibi", (int64_t)domain, local, now_ms);
	return r < 0 ? r : 0;
}

void recipient_forget(struct engine *e, uint64_t domain)
{
	size_t at = 0;
	void *value;
	struct slice key;
	while (map_next(e->refused, &at, &key, &value)) {
		if (key.n >= sizeof(domain) && memcmp(key.p, &domain, sizeof(domain)) == 0)
			free(map_remove(e->refused, key));
	}
}
