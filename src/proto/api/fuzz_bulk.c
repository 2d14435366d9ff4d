/* SPDX-License-Identifier: Apache-2.0 */
/* A bulk body of any bytes: every item that comes out is JSON that api_fields_from_json reads or refuses. */
#include "proto/api/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new();
	struct api_bulk_item *items;
	struct api_error e;
	size_t count = 0;
	if (api_bulk(slice_of(data, n), a, &items, &count, &e) == 0) {
		bug_if(!count || count > API_BULK_MAX);
		for (size_t i = 0; i < count; i++) {
			struct api_fields fields = { .arena = a };
			if (api_fields_from_json(&fields, items[i].fields, &e) == 0 && items[i].op)
				IGNORE(api_check(items[i].op, fields.v, fields.n, false, &e), "any answer will do");
		}
	}
	arena_free(&a);
	return 0;
}
