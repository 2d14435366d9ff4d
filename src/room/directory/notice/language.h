/* SPDX-License-Identifier: Apache-2.0 */
/*
 * In which language somebody reads: his own, else his customer's, else that of the instance (host.language). Where none
 * of one's own is set the column is empty, and operations and files call that "default".
 */
#ifndef ROOM_DIRECTORY_LANGUAGE_H
#define ROOM_DIRECTORY_LANGUAGE_H

#include "room/directory/db/engine.h"

/* The instance's; what is not known becomes English. */
void engine_set_language(struct engine *e, struct slice language);

/* Is there a text of every kind in this language ("de")? ERR_INVALID with the list of those. */
NODISCARD int language_check(struct slice language, struct problem *why);
/* As language_check, for one of one's own: "default" (and nothing) becomes empty. */
NODISCARD int language_take(struct slice in, struct slice *ret, struct problem *why);
/* The other way: "default" where it is empty. */
struct slice language_shown(struct slice own);

/* Own, else that of the customer (0: the provider's people), else the instance's. Never empty when 0. */
NODISCARD int language_of(struct engine *e, struct arena *a, struct slice own, uint64_t customer, struct slice *ret);

#endif
