/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directory says that a domain's routes changed: all of its mail that waits is asked about again, at once,
 * whatever its destination's backoff. Rows that are decided for a mailbox stay decided: their delivery may have
 * happened already, and would happen twice. Kicks are remembered for a while, because callers may hold routes
 * from before.
 */
#include "room/queue/queue.h"

#include "base/clock.h"
#include "base/event.h"

struct kick {
	struct work work;
	struct slice domain;
	int64_t at_ms;
	int changed;
};

enum { KICK_MEMORY_MS = 3600 * 1000 };

bool kicked_recently(struct queue *q, struct slice domain, int64_t now)
{
	const int64_t *at = map_get(q->kicked, domain);
	return at && now - *at < KICK_MEMORY_MS;
}

static void forget_old(struct queue *q, int64_t now)
{
	size_t at = 0;
	struct slice domain;
	void *value;
	bool full = map_count(q->kicked) >= QUEUE_KICKS_MAX;
	while (map_next(q->kicked, &at, &domain, &value)) {
		if (!full && now - *(int64_t *)value < KICK_MEMORY_MS)
			continue;
		map_remove(q->kicked, domain);
		free(value);
		full = false;
	}
}

static void remember(struct queue *q, struct slice domain, int64_t now)
{
	int64_t *at = malloc(sizeof(*at));
	bug_if(!at);
	*at = now;
	forget_old(q, now);
	free(map_put(q->kicked, domain, at));
}

static int apply(struct queue *q, struct work *w)
{
	struct kick *k = container_of(w, struct kick, work);
	char key[QUEUE_KEY_MAX];
	size_t n = route_key(key, k->domain);
	dest_wake(q, slice_of(key, n), k->at_ms);
	k->changed = sql_run(
		q->db,
		"UPDATE recipient SET destination = ?, due_ms = ? WHERE domain = ? AND destination"
		" <> 'parked' AND route <> 0",
		"bib", slice_of(key, n), k->at_ms, k->domain);
	return k->changed < 0 ? k->changed : 0;
}

static void done(struct queue *q, struct work *w, int err)
{
	struct kick *k = container_of(w, struct kick, work);
	dests_drop_windows(q);
	ev(EV_INFO, "queue.domain.kicked", KSL("domain", k->domain),
	   KI("recipients", err < 0 ? err : k->changed));
	free((void *)k->domain.p);
	free(k);
}

void kick_domain(struct queue *q, struct slice domain)
{
	char text[512];
	if (!domain.n || domain.n > sizeof(text))
		return;
	struct kick *k = calloc(1, sizeof(*k));
	uint8_t *copy = malloc(domain.n);
	bug_if(!k || !copy);
	for (size_t i = 0; i < domain.n; i++)
		copy[i] = ascii_lower(domain.p[i]);
	k->domain = slice_of(copy, domain.n);
	k->at_ms = clock_wall_ms();
	k->work.apply = apply;
	k->work.done = done;
	remember(q, k->domain, k->at_ms);
	batch_add(q, &k->work);
}
