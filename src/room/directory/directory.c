/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The room that knows who is who and where mail goes. It hears only other rooms, and its disk is one SQLite
 * database and the key that seals passwords of old servers. Every answer comes from the database: what a call has
 * acknowledged is what the next RCPT and the next login see (M2).
 */
#include "room/directory/directory_priv.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/event.h"
#include "lib/sql/sql.h"
#include "lib/zone/zones.h"
#include "room/directory/route/srs_secret.h"
#include "room/directory/noun/staff.h"
#include "room/directory/work/area.h"
#include "room/directory/login/guard.h"
#include "room/directory/notice/language.h"
#include "room/directory/notice/send.h"
#include "room/directory/noun/other_name.h"
#include "room/directory/op/forgot.h"
#include "room/directory/timer.h"

void directory_check_disk(struct directory *d)
{
	if (!engine_fatal(d->e))
		return;
	ev(EV_ERROR, "directory.disk.failed");
	room_exit(d->room, 1);
}

const char *web_link(struct directory *d, struct arena *a, const char *path)
{
	struct slice url = slice_str(conf_str(d->room->conf, "web.url"));
	while (url.n && url.p[url.n - 1] == '/')
		url.n--;
	if (!url.n)
		return arena_printf(a, "https://%s%s", conf_str(d->room->conf, "host.name"), path);
	return arena_printf(a, SLICE_FMT "%s", SLICE_ARG(url), path);
}

static void on_tick(uv_timer_t *t)
{
	struct directory *d = t->data;
	timer_tick(d, clock_wall_ms());
}

static int init(struct room *room)
{
	zones_load();	/* files, before the sandbox */
	struct directory *d = calloc(1, sizeof(*d));
	bug_if(!d);
	room->state = d;
	d->room = room;
	d->silent = map_new();
	list_init(&d->movers);
	list_init(&d->proofs);
	int r = engine_open("directory.db", &d->e);
	if (r == 0)
		r = staff_take_first(d->e, "first-login", clock_wall_ms());
	if (r == 0)
		r = srs_secrets_turn(d->e, clock_wall_ms());
	if (r == 0)
		r = seal_open("seal.key", &d->seal);
	if (r < 0)
		return r;
	d->guard = guard_new(conf_str(room->conf, "limits.exempt_networks"));
	engine_set_alternate_base(d->e, slice_str(conf_str(room->conf, "domain.alternate_base")));
	engine_set_language(d->e, slice_str(conf_str(room->conf, "host.language")));
	timer_init(d);
	area_init(d);
	notices_start(d);
	forgot_start(d);
	bug_if(uv_timer_init(room->loop, &d->due) < 0);
	bug_if(uv_timer_init(room->loop, &d->tick) < 0);
	d->due.data = d->tick.data = d;
	/* The first one comes as soon as the channels are there: what a crash left half done is completed. */
	return uv_timer_start(&d->tick, on_tick, 0, TICK_MS);
}

static void on_caller_gone(struct room *room, struct ipc_chan *chan)
{
	struct directory *d = room->state;
	if (ipc_chan_peer(chan) == ROLE_MOVER)
		move_caller_gone(d, chan, ipc_chan_peer_index(chan));
}

/* The engine stays open: requests of this turn of the loop may still come. Every commit is durable already. */
static void on_stop(struct room *room)
{
	struct directory *d = room->state;
	IGNORE(guard_flush(d->guard, d->e, clock_wall_ms()), "only costs who is known");
	IGNORE(sql_checkpoint(engine_sql(d->e)), "the next start does it");
	room_exit(room, 0);
}

static void on_reload(struct room *room)
{
	struct directory *d = room->state;
	limiter_exempt(guard_limiter(d->guard), conf_str(room->conf, "limits.exempt_networks"));
	engine_set_alternate_base(d->e, slice_str(conf_str(room->conf, "domain.alternate_base")));
	engine_set_language(d->e, slice_str(conf_str(room->conf, "host.language")));
}

static void on_stats(struct room *room, struct stats *stats)
{
	struct directory *d = room->state;
	struct counts_of_all all = { 0 };
	if (engine_counts(d->e, &all) == 0) {
		stats_add(stats, "customers", (int64_t)all.customers);
		stats_add(stats, "domains", (int64_t)all.domains);
		stats_add(stats, "mailboxes", (int64_t)all.mailboxes);
	}
	stats_add(stats, "routes", d->routes);
	stats_add(stats, "routes_refused", d->refused);
	stats_add(stats, "grants", d->grants);
	stats_add(stats, "version", (int64_t)engine_version(d->e));
}

static ipc_handler_fn *const handlers[POSTERN__DIRECTORY_OP__DIRECTORY_QUOTA + 1] = {
	[POSTERN__DIRECTORY_OP__DIRECTORY_ROUTE] = serve_route,
	[POSTERN__DIRECTORY_OP__DIRECTORY_SENDER] = serve_sender,
	[POSTERN__DIRECTORY_OP__DIRECTORY_CREDENTIAL] = serve_credential,
	[POSTERN__DIRECTORY_OP__DIRECTORY_GRANT] = serve_grant,
	[POSTERN__DIRECTORY_OP__DIRECTORY_REHASH] = serve_rehash,
	[POSTERN__DIRECTORY_OP__DIRECTORY_LOGIN_RESULT] = serve_login_result,
	[POSTERN__DIRECTORY_OP__DIRECTORY_ADMIN] = serve_admin,
	[POSTERN__DIRECTORY_OP__DIRECTORY_SESSION] = serve_session,
	[POSTERN__DIRECTORY_OP__DIRECTORY_MOVE_NEXT] = serve_move_next,
	[POSTERN__DIRECTORY_OP__DIRECTORY_MOVE_PROGRESS] = serve_move_progress,
	[POSTERN__DIRECTORY_OP__DIRECTORY_RULES] = serve_rules,
	[POSTERN__DIRECTORY_OP__DIRECTORY_RULES_FAILED] = serve_rules_failed,
	[POSTERN__DIRECTORY_OP__DIRECTORY_QUOTA] = serve_quota,
	[POSTERN__DIRECTORY_OP__DIRECTORY_HOST] = serve_host,
};

static const struct sandbox_policy sandbox = { .allow = SANDBOX_DISK, .nofile = 4096 };

const struct room_ops directory_ops = {
	.sandbox = &sandbox,
	.serves = &directory_contract,
	.handlers = handlers,
	.init = init,
	.on_caller_gone = on_caller_gone,
	.on_stop = on_stop,
	.on_reload = on_reload,
	.on_stats = on_stats,
};
