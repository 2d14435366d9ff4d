/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a request of an administrator was refused: an error number, the field it is about, a sentence that
 * names the value and the rule. Written once, by whoever finds it; the admin API makes problem+json of it.
 */
#ifndef ROOM_DIRECTORY_PROBLEM_H
#define ROOM_DIRECTORY_PROBLEM_H

#include "base/slice.h"

enum { PROBLEM_TEXT_MAX = 1024 };

struct problem {
	int err;
	const char *field;	/* a literal; NULL: none in particular */
	const char *language;	/* base/text.h; set before, NULL: English */
	char text[PROBLEM_TEXT_MAX];
};

/* Fills in (the first one stays) and returns err. why may be NULL. The English format is looked up in lang/ for
 * why->language. */
int problem_set(struct problem *why, int err, const char *field, const char *fmt, ...) PRINTF_FMT(4, 5);

/* In which language it is told; for words that go into its text. why may be NULL. */
const char *problem_language(const struct problem *why);

/* A problem like why, with nothing in it yet. */
struct problem problem_like(const struct problem *why);

/* The HTTP status that fits. */
unsigned problem_status(int err);

#endif
