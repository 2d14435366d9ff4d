/* SPDX-License-Identifier: Apache-2.0 */
/* All readers of import files, and the address parser on every line: nothing may crash, errors stay bounded. */
#include "room/directory/import/import.h"
#include "room/directory/db/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_and_back(struct arena *a, struct slice in)
{
	struct name n, again;
	if (name_parse(a, in, &n) < 0)
		return;
	bug_if(name_parse(a, name_text(a, n.local, n.domain), &again) < 0);
	bug_if(!slice_eq(n.local, again.local) || !slice_eq(n.domain, again.domain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct slice text = slice_of(data, size);
	struct import_errors errors = { 0 };
	struct import_account *accounts;
	struct import_alias *aliases;
	struct import_login *logins;
	struct import_setting *settings;
	size_t n = 0;
	if (import_read_accounts(a, text, &accounts, &n, &errors) == 0)
		for (size_t i = 0; i < n; i++)
			parse_and_back(a, accounts[i].name);
	if (import_read_aliases(a, text, &aliases, &n, &errors) == 0)
		for (size_t i = 0; i < n; i++)
			parse_and_back(a, aliases[i].name);
	IGNORE(import_read_logins(a, text, &logins, &n, &errors), "any answer will do");
	IGNORE(import_read_settings(a, text, &settings, &n, &errors), "any answer will do");
	bug_if(errors.n > IMPORT_ERRORS_MAX);
	parse_and_back(a, text);
	arena_free(&a);
	return 0;
}
