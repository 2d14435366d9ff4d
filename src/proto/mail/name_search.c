/* SPDX-License-Identifier: Apache-2.0 */
/* A list may run this over a hundred thousand rows: plain ASCII, which is nearly all of them, is compared as it lies. */
#include "proto/mail/name_search.h"

#include "base/codec.h"

#include <idn2.h>
#include <utf8proc.h>

enum { NAME_MAX_BYTES = 4096 };

/* To be freed; NULL where it is no UTF-8. */
static char *fold(struct slice s)
{
	utf8proc_uint8_t *out = NULL;
	utf8proc_ssize_t n = -1;
	if (utf8_valid(s))
		n = utf8proc_map(s.p, (utf8proc_ssize_t)s.n, &out, UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD);
	if (n >= 0)
		return (char *)out;
	free(out);
	return NULL;
}

struct slice name_search_fold(struct arena *a, struct slice text)
{
	char *folded = text.n ? fold(text) : NULL;
	struct slice s = arena_dup(a, folded ? slice_str(folded) : text);
	free(folded);
	return s;
}

/* Is the folded text in these bytes, whose ASCII letters may have any case? */
static bool lies_in(struct slice in, struct slice folded)
{
	for (size_t i = 0; folded.n <= in.n && i <= in.n - folded.n; i++) {
		size_t k = 0;
		while (k < folded.n && ascii_lower(in.p[i + k]) == folded.p[k])
			k++;
		if (k == folded.n)
			return true;
	}
	return false;
}

/* The name with its domain in Unicode; false where that cannot be. To be freed. */
static bool to_unicode(struct slice name, char **ret)
{
	char text[NAME_MAX_BYTES], *domain = NULL, *folded = NULL;
	size_t at = name.n;
	while (at && name.p[at - 1] != '@')
		at--;
	if (name.n >= sizeof(text) || memchr(name.p, 0, name.n))
		return false;
	memcpy(text, name.p, name.n);
	text[name.n] = 0;
	if (idn2_to_unicode_8z8z(text + at, &domain, 0) == IDN2_OK) {
		size_t n = strlen(domain);
		char *whole = malloc(at + n + 1);
		bug_if(!whole);
		memcpy(whole, text, at);
		memcpy(whole + at, domain, n + 1);
		folded = fold(slice_of(whole, at + n));
		free(whole);
	}
	idn2_free(domain);
	if (folded)
		*ret = folded;
	return folded != NULL;
}

bool name_search_holds(struct slice name, struct slice folded)
{
	char *text = NULL;
	bool found = lies_in(name, folded);
	if (!found && !ascii_only(name) && (text = fold(name)))
		found = lies_in(slice_str(text), folded);
	free(text);
	text = NULL;
	if (!found && lies_in(name, SLICE("xn--")) && to_unicode(name, &text))
		found = lies_in(slice_str(text), folded);
	free(text);
	return found;
}
