/* SPDX-License-Identifier: Apache-2.0 */
#include "base/compiler.h"

int main(void)
{
	puts("postern " POSTERN_VERSION);
	return 0;
}
