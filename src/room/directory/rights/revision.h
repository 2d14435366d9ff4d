/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Revisions: what an object is just now, as a short text that changes with every change of its settings, by whomever and
 * whatever made it. They are ETags on the web, and what If-Match is held against, so that of two who read the same and
 * write, the second learns of the first.
 */
#ifndef ROOM_DIRECTORY_REVISION_H
#define ROOM_DIRECTORY_REVISION_H

#include "proto/api/api.h"
#include "room/directory/db/engine.h"

enum { REVISION_BYTES = 32 };

/* Of the object of this kind (api_revised) that the key names: "mailbox", { "joe@example.test" }. ERR_UNSUPPORTED: such
 * things have none; ERR_NOT_FOUND. */
NODISCARD int revision_of(struct engine *e, struct arena *a, const char *kind, const struct slice key[API_KEY_MAX],
			  struct slice *ret);

/* RFC 9110 13.1.1: a list of entity tags, or "*"; is this revision among them? */
bool revision_matches(struct slice if_match, struct slice revision);

#endif
