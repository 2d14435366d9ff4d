/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include "base/codec.h"

#include <stdlib.h>

enum { RANGES_MAX = 32 };

static const char *current;

void text_use(const char *language)
{
	current = language;
}

const char *text_current(void)
{
	return current;
}

static int compare(const void *key, const void *entry)
{
	return strcmp(key, ((const struct text_entry *)entry)->text);
}

const char *text_in(const char *language, const char *text)
{
	for (size_t i = 0; language && i < text_n_catalogs; i++) {
		const struct text_catalog *c = &text_catalogs[i];
		if (strcmp(c->language, language))
			continue;
		const struct text_entry *e = bsearch(text, c->entries, c->n, sizeof(*c->entries), compare);
		return e ? e->translation : text;
	}
	return text;
}

void text_count(uint64_t n, const char *one, const char *many, struct buf *out)
{
	buf_printf(out, "%ju %s", (uintmax_t)n, T_(n == 1 ? one : many));
}

const char *text_size(uint64_t bytes, char ret[TEXT_SIZE])
{
	static const char units[] = "KMGTP";
	size_t unit = 0;
	uint64_t n = bytes;
	for (; n && n % 1024 == 0 && units[unit]; unit++)
		n /= 1024;
	if (unit)
		snprintf(ret, TEXT_SIZE, "%ju%c", (uintmax_t)n, units[unit - 1]);
	else
		snprintf(ret, TEXT_SIZE, n == 1 ? T_("%ju byte") : T_("%ju bytes"), (uintmax_t)n);
	return ret;
}

/* "de" of "de-AT", "de_DE.UTF-8", "de" */
static bool is_language(struct slice name, const char *code)
{
	size_t n = strlen(code);
	return name.n >= n && slice_eq_ci(slice_sub(name, 0, n), slice_of(code, n)) &&
	       (name.n == n || strchr("-_.@", name.p[n]));
}

const char *text_language(struct slice name)
{
	if (!name.n)
		return NULL;
	if (is_language(name, "en") || is_language(name, "C") || slice_eq(name, SLICE("POSIX")))
		return "en";
	for (size_t i = 0; i < text_n_catalogs; i++)
		if (is_language(name, text_catalogs[i].language))
			return text_catalogs[i].language;
	return NULL;
}

/* "0.8" as thousandths; 1000 where there is none, 0 where it is broken. */
static unsigned quality(struct slice params)
{
	unsigned v = 0, unit = 1000;
	params = slice_trim(params);
	if (!params.n)
		return 1000;
	if (!slice_starts_ci(params, SLICE("q=")) || params.n < 3)
		return 0;
	for (size_t i = 2; i < params.n; i++) {
		if (i == 3 && params.p[i] == '.')
			continue;
		if (!ascii_is_digit(params.p[i]) || !unit)
			return 0;
		v += (params.p[i] - (unsigned)'0') * unit;
		unit /= 10;
	}
	return v > 1000 ? 0 : v;
}

const char *text_choose(struct slice accept)
{
	const char *best = NULL;
	unsigned best_q = 0;
	size_t at = 0;
	for (unsigned i = 0; i < RANGES_MAX && at < accept.n; i++) {
		ptrdiff_t comma = slice_find_byte(accept, ',', at);
		struct slice one = slice_sub(accept, at, comma < 0 ? accept.n : (size_t)comma);
		ptrdiff_t semicolon = slice_find_byte(one, ';', 0);
		struct slice params = slice_sub(one, semicolon < 0 ? one.n : (size_t)semicolon + 1, one.n);
		struct slice range = slice_trim(slice_sub(one, 0, semicolon < 0 ? one.n : (size_t)semicolon));
		const char *language = text_language(range);
		unsigned q = quality(params);
		if (language && q > best_q) {
			best = language;
			best_q = q;
		}
		at = comma < 0 ? accept.n : (size_t)comma + 1;
	}
	return best;
}

static const struct {
	uint32_t cp;
	const char *ascii;
} plain[] = {
	{ 0xc4, "Ae" }, { 0xd6, "Oe" }, { 0xdc, "Ue" }, { 0xe4, "ae" }, { 0xf6, "oe" }, { 0xfc, "ue" }, { 0xdf, "ss" },
	{ 0xa0, " " }, { 0xb5, "u" }, { 0x2013, "-" }, { 0x2018, "'" }, { 0x2019, "'" }, { 0x201a, "'" },
	{ 0x201c, "\"" }, { 0x201d, "\"" }, { 0x201e, "\"" }, { 0x2026, "..." },
};

static const char *ascii_of(uint32_t cp)
{
	for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
		if (plain[i].cp == cp)
			return plain[i].ascii;
	return "?";
}

void text_ascii(const char *text, struct buf *out)
{
	for (struct slice rest = slice_str(text); rest.n;) {
		uint32_t cp = 0;
		size_t n = utf8_decode(rest, &cp);
		if (n && cp < 0x80)
			buf_byte(out, (uint8_t)cp);
		else
			buf_str(out, n ? ascii_of(cp) : "?");
		rest = slice_sub(rest, n ? n : 1, rest.n);
	}
}
