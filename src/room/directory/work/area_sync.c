/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture of an area: all its folders are listed page by page, then the rows follow in one transaction (none where
 * nothing differs). Whoever shows or changes candidates waits for it; a route into an area has it done a moment later, and
 * again for as long as its mail may take.
 */
#include "room/directory/work/area.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "ipc/store.pb-c.h"
#include "room/directory/db/engine_priv.h"

struct looking {
	struct directory *d;
	struct arena *a;
	uint64_t domain;
	struct account area;
	struct candidate *rows;
	size_t n;
	struct slice last; /* folder name of the page before */
	area_done_fn *fn;
	void *ctx;
};

static void end(struct looking *l, int err)
{
	area_done_fn *fn = l->fn;
	void *ctx = l->ctx;
	directory_check_disk(l->d);
	arena_free(&l->a);
	free(l);
	if (fn)
		fn(ctx, err);
}

static void ask_page(struct looking *l);

static void take_page(struct looking *l, const Postern__FoldersReply *reply)
{
	for (size_t i = 0; i < reply->n_folders; i++) {
		const Postern__Folder *f = reply->folders[i];
		struct candidate c = {
			.domain = l->domain,
			.messages = f->messages,
			.bytes = f->bytes,
			.first_ms = f->first_ms,
			.last_ms = f->last_ms,
		};
		struct slice name = bytes_of(&f->name);
		if (i + 1 == reply->n_folders)
			l->last = arena_dup(l->a, name);
		if (!f->closed && f->messages &&
		    candidate_of_folder(l->a, name, &c.generation, &c.local) == 0)
			*ROWS_MORE(l->a, &l->rows, &l->n) = c;
	}
}

static int apply(struct looking *l)
{
	struct engine *e = l->d->e;
	bool changed = false;
	size_t settled = 0;
	int r = engine_begin(e);
	if (r < 0)
		return r;
	r = candidate_refresh(e, l->a, l->domain, l->rows, l->n, &changed);
	if (r == 0)
		r = transfer_settle(e, l->a, l->domain, (struct slice){ 0 }, clock_wall_ms(), &settled);
	if (r < 0 || (!changed && !settled)) {
		engine_rollback(e);
		return r;
	}
	r = engine_commit(e);
	if (r == 0 && settled)
		transfers_run(l->d);
	return r;
}

/* The shard lost sight of an area only where it was restored from before its making. */
static void area_missing(struct looking *l)
{
	ev(EV_WARN, "directory.area.missing", KSL("area", l->area.address));
	if (account_set_state(l->d->e, l->area.id, ACCOUNT_MADE) == 0)
		finish_accounts(l->d);
}

static void on_page(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct looking *l = ctx;
	const Postern__FoldersReply *reply = (const Postern__FoldersReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err == ERR_NOT_FOUND && l->area.state == ACCOUNT_LIVE)
		area_missing(l);
	if (err < 0) {
		end(l, err == ERR_NOT_FOUND ? 0 : err);
		return;
	}
	take_page(l, reply);
	if (reply->more && reply->n_folders)
		ask_page(l);
	else
		end(l, apply(l));
}

static void ask_page(struct looking *l)
{
	Postern__FoldersRequest req = POSTERN__FOLDERS_REQUEST__INIT;
	req.account_id = l->area.id;
	req.after = data_of(l->last);
	room_call(l->d->room, ROLE_STORE, l->area.shard, POSTERN__STORE_OP__STORE_FOLDERS, &req.base,
		  NULL, 0, STORE_MS, on_page, l);
}

void area_sync(struct directory *d, uint64_t domain, area_done_fn *fn, void *ctx)
{
	struct addressing x;
	struct looking *l = calloc(1, sizeof(*l));
	bug_if(!l);
	*l = (struct looking){ .d = d, .a = arena_new(), .domain = domain, .fn = fn, .ctx = ctx };
	int r = addressing_get(d->e, l->a, domain, &x);
	if (r == 0 && x.area)
		r = account_by_id(d->e, l->a, x.area, &l->area);
	if (r < 0 || !x.area)
		end(l, r);
	else
		ask_page(l);
}

/* --- when --------------------------------------------------------------------------------------------- */

struct look {
	int64_t at_ms;		/* by the steady clock */
	int64_t pause_ms;	/* from the one before; twice as long the next time */
};

static void look_at(struct directory *d, uint64_t area)
{
	struct arena *a = arena_new();
	struct addressing x;
	if (addressing_of_area(d->e, a, area, &x) == 0)
		area_sync(d, x.domain, NULL, NULL);
	arena_free(&a);
}

static void on_due(uv_timer_t *t)
{
	struct directory *d = t->data;
	int64_t now = clock_mono_ms(), next = INT64_MAX;
	size_t at = 0;
	void *value;
	struct slice key;
	while (map_next(d->areas, &at, &key, &value)) {
		struct look *l = value;
		uint64_t id;
		memcpy(&id, key.p, sizeof(id));
		if (l->at_ms <= now) {
			look_at(d, id);
			l->pause_ms *= 2;
			l->at_ms = now + l->pause_ms;
		}
		if (l->pause_ms > AREA_LOOK_LAST_MS)
			free(map_remove(d->areas, key));
		else
			next = l->at_ms < next ? l->at_ms : next;
	}
	if (next != INT64_MAX)
		bug_if(uv_timer_start(t, on_due, (uint64_t)(next - now), 0) < 0);
}

/* Once in AREA_LOOK_MS, and then behind longer and longer pauses, of which the first is twice this one. */
static void touch(struct directory *d, uint64_t account, int64_t pause_ms)
{
	int64_t at_ms = clock_mono_ms() + AREA_LOOK_MS;
	struct look *l = map_get(d->areas, map_key_u64(&account));
	if (!l) {
		l = calloc(1, sizeof(*l));
		bug_if(!l);
		*l = (struct look){ at_ms, pause_ms };
		map_put(d->areas, map_key_u64(&account), l);
	}
	l->at_ms = l->at_ms < at_ms ? l->at_ms : at_ms;
	l->pause_ms = l->pause_ms < pause_ms ? l->pause_ms : pause_ms;
	if (!uv_is_active((uv_handle_t *)&d->look) || uv_timer_get_due_in(&d->look) > AREA_LOOK_MS)
		bug_if(uv_timer_start(&d->look, on_due, AREA_LOOK_MS, 0) < 0);
}

void area_touch(struct directory *d, uint64_t account)
{
	touch(d, account, AREA_LOOK_MS);
}

static void touch_all(struct directory *d, int64_t pause_ms)
{
	struct arena *a = arena_new();
	struct addressing *rows;
	size_t n = 0;
	if (addressing_areas(d->e, a, &rows, &n) < 0)
		n = 0;
	for (size_t i = 0; i < n; i++)
		touch(d, rows[i].area, pause_ms);
	arena_free(&a);
}

void area_init(struct directory *d)
{
	d->areas = map_new();
	list_init(&d->transfers);
	bug_if(uv_timer_init(d->room->loop, &d->look) < 0);
	d->look.data = d;
	/* What was routed there before a crash; those with such a route may have it for a while yet. */
	touch_all(d, AREA_LOOK_LAST_MS / 2);
}

void area_look_all(struct directory *d)
{
	touch_all(d, AREA_LOOK_LAST_MS);
}

/* --- age ---------------------------------------------------------------------------------------------- */

struct pruning {
	struct directory *d;
	uint64_t domain, area;
	uint32_t shard;
	int64_t before_ms;
	uint64_t messages;
	unsigned days;
};

static void prune(struct pruning *p);

/* Mail that nobody removed is gone: whoever looks for it finds when, and why. */
static int note_pruned(const struct pruning *p)
{
	struct arena *a = arena_new();
	struct domain d;
	int r = domain_by_id(p->d->e, a, p->domain, &d);
	if (r == 0)
		r = engine_begin(p->d->e);
	if (r == 0) {
		r = audit_add(p->d->e, &(struct audit){
			.at_ms = clock_wall_ms(), .actor = SLICE("system"), .operation = SLICE("candidate.prune"), .object = d.name,
			.detail = slice_str(arena_printf(a, "messages=%llu days=%u", (unsigned long long)p->messages, p->days)),
			.status = 200, .customer = d.customer, .domain = d.id });
		if (r == 0)
			r = engine_commit(p->d->e);
		else
			engine_rollback(p->d->e);
	}
	arena_free(&a);
	return r;
}

static void on_pruned(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	struct pruning *p = ctx;
	const Postern__DropReply *reply = (const Postern__DropReply *)msg;
	if (fd >= 0)
		close(fd);
	if (err == 0)
		p->messages += reply->messages;
	if (err == 0 && reply->more) {
		prune(p);
		return;
	}
	if (err < 0 && err != ERR_NOT_FOUND)
		ev(EV_WARN, "directory.area.unpruned", KI("area", p->area), KS("error", err_name(err)));
	if (p->messages) {
		ev(EV_INFO, "directory.area.pruned", KI("area", p->area), KI("messages", p->messages));
		if (note_pruned(p) < 0)
			ev(EV_ERROR, "directory.area.unnoted", KI("area", p->area), KI("messages", p->messages));
		area_sync(p->d, p->domain, NULL, NULL);
	}
	free(p);
}

static void prune(struct pruning *p)
{
	Postern__PruneRequest req = POSTERN__PRUNE_REQUEST__INIT;
	req.account_id = p->area;
	req.before_ms = p->before_ms;
	room_call(p->d->room, ROLE_STORE, p->shard, POSTERN__STORE_OP__STORE_PRUNE, &req.base, NULL, 0,
		  STORE_MS, on_pruned, p);
}

void area_prune_all(struct directory *d, int64_t now_ms)
{
	enum { DAY_MS = 24 * 3600 * 1000 };
	struct arena *a = arena_new();
	struct addressing *rows;
	size_t n = 0;
	if (addressing_areas(d->e, a, &rows, &n) < 0)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		struct account area;
		struct pruning *p = calloc(1, sizeof(*p));
		bug_if(!p);
		*p = (struct pruning){ .d = d, .domain = rows[i].domain, .area = rows[i].area, .days = (unsigned)rows[i].days };
		p->before_ms = now_ms - (int64_t)rows[i].days * DAY_MS;
		if (account_by_id(d->e, a, p->area, &area) < 0) {
			free(p);
			continue;
		}
		p->shard = area.shard;
		prune(p);
	}
	arena_free(&a);
}
