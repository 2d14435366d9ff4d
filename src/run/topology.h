/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The picture of docs/ARCHITECTURE.md as tables: which rooms there are, which has a channel to which,
 * who is handed which listening socket, in which order they stop.
 */
#ifndef RUN_TOPOLOGY_H
#define RUN_TOPOLOGY_H

#include "lib/ipc/role.h"

struct topology_room {
	enum role role;
	const char *count_option;	/* how many; NULL: one */
	const char *data;		/* folder under data/, "store" becomes store.INDEX; NULL: no disk */
	unsigned stop_phase;		/* 0 first */
};

struct topology_edge {
	enum role caller, server;
};

struct topology_listener {
	const char *name;
	const char *option;	/* host:port, or a path */
	enum role role;
	bool is_unix;
};

enum { TOPOLOGY_STOP_PHASES = 3 };

extern const struct topology_room topology_rooms[];
extern const size_t topology_n_rooms;
extern const struct topology_edge topology_edges[];
extern const size_t topology_n_edges;
extern const struct topology_listener topology_listeners[];
extern const size_t topology_n_listeners;

#endif
