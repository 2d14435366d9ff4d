/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts for people in their language. The English text, a printf format mostly, is the key; lang/NAME.po says it in
 * another language and is compiled in (tools/po2c). What has no translation stays English. Replies of SMTP, IMAP, POP3
 * and ManageSieve are English, but for refusals to somebody whose language is known, because he is logged in: these go through
 * text_ascii (not those of ManageSieve).
 * Names of fields, operations and events are never translated.
 *
 * A language is one of our own literals ("de"), from text_language or text_choose; NULL is English.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/buf.h"
#include "base/slice.h"

/* Marks a text that is translated later, for tools/check-texts. */
#define N_(text) text

const char *text_in(const char *language, const char *text) __attribute__((format_arg(2)));

/* "de", "de-AT", "de_DE.UTF-8": the literal "de"; "en" for English, "C" and "POSIX"; NULL where it is not known. */
const char *text_language(struct slice name);

/* The best one of an Accept-Language field (RFC 9110 12.5.4); NULL where none fits. */
const char *text_choose(struct slice accept);

/* "1 message", "2 messages" in the language of now, of marked words: for one count after the other. A sentence around a
 * count has two texts, "... %d message ..." and "... %d messages ...", and n == 1 chooses; so has its German. */
void text_count(uint64_t n, const char *one, const char *many, struct buf *out);

/* A size that was set, or could be, as it is typed and not rounded: "10G", "1465M", "10485761 bytes". Returns ret. */
enum { TEXT_SIZE = 40 };
const char *text_size(uint64_t bytes, char ret[TEXT_SIZE]);

/* For where bytes above 0x7f may not go (RFC 5321 4.2, RFC 9051 9 resp-text): umlauts in two letters, quotation marks and
 * dashes plain, other characters as '?'. */
void text_ascii(const char *text, struct buf *out);

/* The language of what is done just now, for checks that are called deep down and end before anything else begins:
 * set it, then call them. NULL is English. */
void text_use(const char *language);
const char *text_current(void);

/* In that language. */
#define T_(text) text_in(text_current(), text)

struct text_entry {
	const char *text, *translation;
};

struct text_catalog {
	const char *language;
	const struct text_entry *entries;	/* sorted by text */
	size_t n;
};
extern const struct text_catalog text_catalogs[];
extern const size_t text_n_catalogs;

#endif
