/* SPDX-License-Identifier: Apache-2.0 */
#include "base/compiler.h"

NORETURN void bug_at(const char *file, int line, const char *what)
{
	fprintf(stderr, "bug: %s:%d: %s\n", file, line, what);
	abort();
}
