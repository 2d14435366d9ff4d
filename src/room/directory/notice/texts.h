/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in notices: a table made from lang/notices.* by tools/notices2c. */
#ifndef ROOM_DIRECTORY_NOTICE_TEXTS_H
#define ROOM_DIRECTORY_NOTICE_TEXTS_H

#include <stddef.h>

struct notice_text {
	const char *language, *kind, *subject, *text;
};
extern const struct notice_text notice_texts[];
extern const size_t notice_n_texts;

struct notice_language {
	const char *code;	/* "de" */
	const char *date;	/* "%d.%m.%Y %H:%M", of UTC */
	const char *decimal;
};
extern const struct notice_language notice_languages[];
extern const size_t notice_n_languages;

#endif
