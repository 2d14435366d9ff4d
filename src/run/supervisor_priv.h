/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's parts: files.c reads, listen.c binds, child.c runs one room, supervisor.c all of them. */
#ifndef RUN_SUPERVISOR_PRIV_H
#define RUN_SUPERVISOR_PRIV_H

#include "ipc/control.pb-c.h"
#include "lib/conf/conf.h"
#include "lib/ipc/ipc.h"
#include "run/topology.h"

enum { CHILDREN_MAX = 64, LISTENERS_MAX = 32 };

struct supervisor;

enum child_state { CHILD_DOWN, CHILD_STARTING, CHILD_READY, CHILD_STOPPING, CHILD_GONE };

struct child {
	struct supervisor *sup;
	const struct topology_room *room;
	unsigned index;
	enum child_state state;
	uv_process_t *process;	/* freed when libuv has closed it */
	struct ipc_chan *control;
	uv_timer_t restart;	/* to the next start; while it starts, to the next word that it still does */
	unsigned restarts, quick_deaths;
	int64_t started_ms, started_mono;
};

struct bound {
	const struct topology_listener *what;
	char address[128];
	int fd;
};

struct supervisor {
	uv_loop_t *loop;
	char *dir;		/* absolute */
	struct conf *conf;
	struct conf *started;	/* what the rooms and their number were made from; the same, up to the first reload */
	int conf_fd, tls_fd;	/* sealed memfds */
	int lock_fd;		/* held by every room too: nobody starts while one of ours lives */
	struct child children[CHILDREN_MAX];
	size_t n_children;
	struct bound bound[LISTENERS_MAX];
	size_t n_bound;
	int64_t started_ms;
	uint64_t epoch;
	bool up;		/* all rooms were ready once */
	bool stopping;
	unsigned stop_phase;
	uv_timer_t stop_timer;
	int exit_code;
};

/* files.c: each says on stderr what is wrong. *ret_fd is a sealed memfd, the caller's. */
NODISCARD int files_conf(const char *dir, struct conf **ret, int *ret_fd, struct buf *error);
NODISCARD int files_tls(const char *dir, const struct conf *conf, int *ret_fd, struct buf *error);
NODISCARD int files_lock(const char *dir, int *ret_fd, struct buf *error);
NODISCARD int files_data(const char *dir, const char *name, const char *user, struct buf *error);	/* makes data/NAME, the user's */
uint64_t files_next_epoch(const char *dir);
void files_remove_pid(const char *dir);

/* listen.c: binds all; on an error none stays bound. */
NODISCARD int listen_all(struct supervisor *sup, struct buf *error);

/* child.c */
void child_init(struct child *c, struct supervisor *sup, const struct topology_room *room, unsigned index);
void child_start(struct child *c);
void child_send_tls(struct child *c);
void child_stop(struct child *c);
void child_kill(struct child *c);
const char *child_state_name(enum child_state state);

/* supervisor.c: a child tells it */
void supervisor_child_ready(struct supervisor *sup, struct child *c);
void supervisor_child_failed(struct supervisor *sup, struct child *c, const char *why);
void supervisor_child_exited(struct supervisor *sup, struct child *c);

/* status.c */
void status_answer(struct supervisor *sup, struct ipc_call *call);
/* supervisor.c */
/* call: answered once every room has it, with what waits for the next start; still the caller's on an error. NULL: a signal's. */
NODISCARD int supervisor_reload(struct supervisor *sup, struct ipc_call *call, struct buf *error);

#endif
