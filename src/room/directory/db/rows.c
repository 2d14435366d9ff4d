/* SPDX-License-Identifier: Apache-2.0 */
/* Arrays of rows in an arena: doubled as they grow; the old halves go with the arena. */
#include "room/directory/db/engine_priv.h"

void *rows_more(struct arena *a, void **rows, size_t *n, size_t size)
{
	size_t used = *n;
	if (used == 0 || (used >= 8 && (used & (used - 1)) == 0)) {
		size_t cap = used ? used * 2 : 8;
		char *bigger = arena_calloc(a, cap, size);
		if (used)
			memcpy(bigger, *rows, used * size);
		*rows = bigger;
	}
	*n = used + 1;
	return (char *)*rows + used * size;
}
