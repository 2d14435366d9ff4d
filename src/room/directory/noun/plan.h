/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A domain's copy from its old server: one plan a domain, one task a mailbox (and one more for its proof). Tasks are
 * rows, so a copy goes on where it was after any crash: what runs is leased to a slot of a mover, and a lease that
 * ran out, or whose mover is gone, is handed out again. Passwords are sealed, and erased when the plan ends.
 *
 *   waiting -> running -> done
 *      ^          |-> failed (after TASK_ATTEMPTS_MAX)
 *      +----------+   stopped (the plan was ended)
 */
#ifndef ROOM_DIRECTORY_PLAN_H
#define ROOM_DIRECTORY_PLAN_H

#include "room/directory/db/engine.h"

enum {
	TASK_LEASE_MS = 5 * 60 * 1000,
	TASK_ATTEMPTS_MAX = 3,
	TASK_PAUSE_MS = 5 * 1000,	/* times the attempts so far */
};

enum task_state { TASK_WAITING, TASK_RUNNING, TASK_DONE, TASK_FAILED, TASK_STOPPED };
const char *task_state_name(enum task_state state);

struct plan {
	uint64_t id, domain;
	struct slice host;
	unsigned port, tls;	/* SourceTls */
	bool verify, pop3;
	struct slice master_user, sealed;	/* the master's password; empty: each task has its own */
	bool ended;
	int64_t started_ms, changed_ms;
};

struct counts {
	uint64_t folders_total, folders_done, messages_total, messages_done, messages_new, messages_failed, bytes_new;
};

struct task {
	uint64_t id, plan, account, source;
	struct slice user, sealed;
	enum task_state state;
	bool proof;
	uint64_t holder;	/* 0: nobody */
	int64_t lease_ms;	/* until then */
	unsigned attempts;
	struct slice error;
	struct counts counts;
	int64_t started_ms, changed_ms, finished_ms;	/* finished: the last time that it was done */
	struct slice report;	/* JSON */
	struct slice address;	/* of the account */
	uint32_t shard;
};

/* Makes or renews the plan of a domain; sets p->id. */
NODISCARD int plan_put(struct engine *e, struct plan *p, int64_t now_ms);
NODISCARD int plan_get(struct engine *e, struct arena *a, uint64_t domain, struct plan *ret);
NODISCARD int plan_by_id(struct engine *e, struct arena *a, uint64_t id, struct plan *ret);
/* No task runs on, and no password stays. */
NODISCARD int plan_end(struct engine *e, uint64_t id, int64_t now_ms);

/* A plan that is not ended and that nothing happened to since; ERR_NOT_FOUND. */
NODISCARD int plan_idle(struct engine *e, int64_t since_ms, int64_t *ret_id);

/* A number for (account, server, login) that is the same in every plan: the store knows by it what it has. */
NODISCARD int source_id(struct engine *e, uint64_t account, struct slice host, unsigned port, struct slice user,
			uint64_t *ret);
/* The task of this account in this plan starts (again): waiting, counts at zero. */
NODISCARD int task_put(struct engine *e, const struct task *t, int64_t now_ms, uint64_t *ret_id);
NODISCARD int task_list(struct engine *e, struct arena *a, uint64_t plan, bool proof, struct task **ret, size_t *ret_n);
NODISCARD int task_by_id(struct engine *e, struct arena *a, uint64_t id, struct task *ret);

/* Work for a slot of a mover: what it holds already, else the oldest that waits or whose lease ran out.
 * ERR_NOT_FOUND: nothing just now. holder > 0. */
NODISCARD int task_take(struct engine *e, struct arena *a, uint64_t holder, int64_t now_ms, struct task *ret);
/* ERR_CONFLICT: it is no longer this holder's (stopped, or handed on). */
NODISCARD int task_progress(struct engine *e, uint64_t id, uint64_t holder, const struct counts *counts, int64_t now_ms);
NODISCARD int task_finish(struct engine *e, uint64_t id, uint64_t holder, bool ok, struct slice error,
			  const struct counts *counts, struct slice report, int64_t now_ms);
/* The movers whose number is in holder >> 16 are gone: their tasks wait again. */
NODISCARD int task_release(struct engine *e, uint64_t mover);
/* When the next waiting task comes due, or ERR_NOT_FOUND. */
NODISCARD int task_next_due(struct engine *e, int64_t *ret_ms);

#endif
