/* SPDX-License-Identifier: Apache-2.0 */
/* The table of this room's jobs by time, and where their last runs are kept: settings "timer.NAME". */
#include "room/directory/timer.h"

#include "base/err.h"
#include "base/event.h"
#include "base/text.h"
#include "room/directory/work/area.h"
#include "room/directory/db/engine_priv.h"
#include "room/directory/login/guard.h"
#include "room/directory/notice/candidates.h"
#include "room/directory/notice/send.h"
#include "room/directory/login/link.h"
#include "room/directory/login/old_login.h"
#include "room/directory/route/srs_secret.h"
#include "room/directory/rights/token.h"

#define MINUTE_MS (60 * 1000LL)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

enum { TRIM_ROWS = 5000 };

static void finish(void *ctx, int64_t now_ms)
{
	finish_accounts(ctx);
}

static void finish_limits(void *ctx, int64_t now_ms)
{
	limits_finish(ctx);
}

static void expire(void *ctx, int64_t now_ms)
{
	move_expire(ctx, now_ms);
}

static void checkpoint(void *ctx, int64_t now_ms)
{
	struct directory *d = ctx;
	IGNORE(sql_checkpoint(engine_sql(d->e)), "tried again at the next tick");
}

static void trim(void *ctx, int64_t now_ms)
{
	struct directory *d = ctx;
	int64_t before = now_ms - (int64_t)conf_u64(d->room->conf, "audit.keep");
	uint64_t n = 0, some;
	int r;
	do {
		r = audit_trim(d->e, before, TRIM_ROWS, &some);
		n += r < 0 ? 0 : some;
	} while (r == 0 && some == TRIM_ROWS);
	if (r < 0)
		ev(EV_WARN, "directory.audit.untrimmed", KS("error", err_name(r)));
	else if (n)
		ev(EV_INFO, "directory.audit.trimmed", KI("rows", n));
}

static void end_old_logins(void *ctx, int64_t now_ms)
{
	struct directory *d = ctx;
	int n = old_login_expire(d->e, now_ms);
	if (n < 0)
		ev(EV_WARN, "directory.old-logins.untouched", KS("error", err_name(n)));
	else if (n)
		ev(EV_INFO, "directory.old-logins.ended", KI("names", n));
}

static void end_tokens(void *ctx, int64_t now_ms)
{
	struct directory *d = ctx;
	token_expire(d->e, now_ms);
}

static void transfer(void *ctx, int64_t now_ms)
{
	transfers_run(ctx);
}

static void look(void *ctx, int64_t now_ms)
{
	area_look_all(ctx);
}

static void prune(void *ctx, int64_t now_ms)
{
	area_prune_all(ctx, now_ms);
}

static void tell_candidates(void *ctx, int64_t now_ms)
{
	struct directory *d = ctx;
	candidates_tell(d->e, now_ms);
}

static void end_links(void *ctx, int64_t now_ms)
{
	struct directory *d = ctx;
	int n = link_expire(d->e, now_ms);
	if (n < 0)
		ev(EV_WARN, "directory.links.unexpired", KS("error", err_name(n)));
}

static void write_homes(void *ctx, int64_t now_ms)
{
	struct directory *d = ctx;
	int r = guard_flush(d->guard, d->e, now_ms);
	if (r < 0)
		ev(EV_WARN, "directory.homes.unwritten", KS("error", err_name(r)));
}

static void turn_secrets(void *ctx, int64_t now_ms)
{
	struct directory *d = ctx;
	int r = srs_secrets_turn(d->e, now_ms);
	if (r < 0)
		ev(EV_WARN, "directory.srs.unturned", KS("error", err_name(r)));
}

static const struct timer_job jobs[] = {
	{ "accounts.finish", N_("completes what a crash left of new and removed mailboxes"), 0, finish },
	{ "limits.finish", N_("tells the shards what they missed of changed pools and retentions"), 0, finish_limits },
	{ "moves.expire", N_("forgets passwords of copies that nobody goes on with"), 0, expire },
	{ "logins.expire", N_("ends old user names whose grace is over"), MINUTE_MS, end_old_logins },
	{ "tokens.expire", N_("forgets tokens that are over"), HOUR_MS, end_tokens },
	{ "links.expire", N_("forgets links that are over"), MINUTE_MS, end_links },
	{ "homes.write", N_("writes from where mailboxes are used, and forgets what is old"), 0, write_homes },
	{ "database.checkpoint", N_("brings the log of changes into the database"), 0, checkpoint },
	{ "transfers.run", N_("goes on with mail that moves to another mailbox"), 0, transfer },
	{ "candidates.look", N_("counts the mail of candidates anew"), HOUR_MS, look },
	{ "candidates.prune", N_("removes mail of candidates that is older than its domain keeps it"), HOUR_MS, prune },
	{ "candidates.tell", N_("tells a domain's admins of new candidates"), DAY_MS, tell_candidates },
	{ "notices.send", N_("sends what the queue did not take before"), 0, notices_job_send },
	{ "notices.trim", N_("removes sent notices older than notices.keep"), HOUR_MS, notices_job_trim },
	{ "srs.turn", N_("makes a new secret for rewritten senders every 30 days"), HOUR_MS, turn_secrets },
	{ "audit.trim", N_("removes audit rows older than audit.keep"), HOUR_MS, trim },
};

static void keep(void *ctx, const struct timer_job *job, int64_t ran_ms)
{
	struct directory *d = ctx;
	char name[64];
	if (job->period_ms < HOUR_MS)
		return;	/* not worth a write: it runs at every start */
	snprintf(name, sizeof(name), "timer.%s", job->name);
	IGNORE(setting_put(d->e, name, ran_ms), "runs again after a restart");
}

void timer_init(struct directory *d)
{
	d->timers = timers_new(jobs, ARRAY_SIZE(jobs), keep, d);
	for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
		char name[64];
		snprintf(name, sizeof(name), "timer.%s", jobs[i].name);
		timers_restore(d->timers, slice_str(jobs[i].name), setting_get(d->e, name, 0));
	}
}

void timer_tick(struct directory *d, int64_t now_ms)
{
	timers_tick(d->timers, now_ms);
	directory_check_disk(d);
}
