/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a folder of an old server is called here. Names from outside are not believed: whatever comes, the result is
 * a name that the store takes, two folders never get the same one, and the same folder gets the same name again.
 * The report keeps both names, so nothing of the old structure is lost.
 */
#ifndef ROOM_MOVER_NAMES_H
#define ROOM_MOVER_NAMES_H

#include "base/arena.h"

enum {
	FOLDERS_MAX = 10000,
	FOLDER_RAW_MAX = 1000,		/* a longer one is not copied, and said so; the store keeps no longer one */
	FOLDER_PART_MAX = 200,		/* bytes of one level here */
	FOLDER_LEVELS_MAX = 20,		/* deeper ones are folded into the last */
	FOLDER_NAME_MAX = 900,
};

struct folder {
	struct slice raw;		/* as the server names it: opens it, and is the key of what was copied */
	char delimiter;			/* 0: none */
	unsigned attributes;		/* IMAPC_* */
	bool subscribed;
	const char *skip;		/* why it is not copied; NULL: it is */
	struct slice name;		/* here: UTF-8, '/' between levels */
	unsigned special;		/* the special use that it has here, 0 for none */
	bool known;			/* its messages were counted */
	uint64_t messages;		/* as its STATUS said */
	uint64_t done, failed, missing, different;
};

/* A mailbox that is here already. */
struct here {
	struct slice name;
	unsigned special_use;
	bool subscribed;
};

/* Sorts the folders by their raw names and fills name, special and skip. prefix: of the personal namespace
 * ("INBOX."), taken off. What is made lives in a. */
void names_map(struct arena *a, struct folder *folders, size_t n, struct slice prefix, const struct here *here,
	       size_t n_here);

/* The special use that a name is known for in English or German ("Sent Items", "Papierkorb"), 0 for none. */
unsigned names_well_known(struct slice name);

/* "Sent" for IMAPC_SENT. */
const char *names_special(unsigned use);

#endif
