/* SPDX-License-Identifier: Apache-2.0 */
/* A script, a NUL, a message: compiled, and run where it compiles. There is always something to do with the message. */
#include "proto/sieve/testing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size), library[2];
	ptrdiff_t nul = slice_find_byte(in, 0, 0);
	struct slice script = slice_sub(in, 0, nul < 0 ? size : (size_t)nul);
	struct slice message = nul < 0 ? SLICE("To: joe@example.test\r\nSubject: a b c\r\n\r\nHello\r\n")
				       : slice_sub(in, (size_t)nul + 1, size);
	struct sieve_fake f;
	fake_init(&f);
	library[0] = SLICE("self");
	library[1] = script;
	f.library = library;
	f.n_library = 2;
	f.result.n_actions = 1;
	fake_run(&f, &script, 1, message);
	bug_if(f.result.n_actions == 0 || f.result.n_actions > SIEVE_ACTIONS_MAX);
	/* The step that passed the limit may be a large one, but no more than one. */
	bug_if(f.result.steps > 2ull * SIEVE_STEPS_MAX);
	fake_fini(&f);
	return 0;
}
