/* SPDX-License-Identifier: Apache-2.0 */
#include "proto/pass/random.h"

#include "base/rng.h"
#include "base/slice.h"

enum { LETTERS = 20, GROUP = 5 };

void pass_random(char ret[PASS_RANDOM_TEXT])
{
	static const char letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
	uint8_t bytes[LETTERS];
	size_t n = 0;
	rng_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		if (i && i % GROUP == 0)
			ret[n++] = '-';
		ret[n++] = letters[bytes[i] % 32];
	}
	ret[n] = 0;
	explicit_bzero(bytes, sizeof(bytes));
}
