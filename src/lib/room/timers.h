/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a room does by the wall clock: a table of jobs, each with its period. The room ticks (a minute apart is
 * fine grained enough); a job is due when its period has passed since it last ran, and also when the clock went
 * back behind that. Jobs must be harmless to repeat: one that ran just before a crash runs again.
 */
#ifndef LIB_ROOM_TIMERS_H
#define LIB_ROOM_TIMERS_H

#include "base/arena.h"
#include "ipc/timer.pb-c.h"

struct timer_job {
	const char *name;	/* "audit.trim"; unique over all rooms */
	const char *help;	/* "removes audit rows older than audit.keep" */
	int64_t period_ms;	/* 0: at every tick */
	void (*run)(void *ctx, int64_t now_ms);	/* begins it; what it asks of other rooms may take longer */
};

struct timers;

/* jobs outlive it. keep, where it is not NULL, is told when a job has run, to remember it over a restart. */
typedef void timer_keep_fn(void *ctx, const struct timer_job *job, int64_t ran_ms);
struct timers *timers_new(const struct timer_job *jobs, size_t n, timer_keep_fn *keep, void *ctx);
void timers_free(struct timers **t);
/* What was kept, once at the start. A name that is no job's is passed over. */
void timers_restore(struct timers *t, struct slice name, int64_t ran_ms);

void timers_tick(struct timers *t, int64_t now_ms);

/* The answer to a TimerRequest, in a. ERR_NOT_FOUND. */
NODISCARD int timers_answer(struct timers *t, const Postern__TimerRequest *req, int64_t now_ms, struct arena *a,
			    Postern__TimerReply **ret);

#endif
