/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 3501 6.4.5 and 9 (fetch, fetch-att, section). Limits: depth of a section's path, header fields of a
 * section, sections of a command; past one the command is a syntax error.
 */
#include "proto/imap/fetch_args.h"

#include "base/buf.h"
#include "base/err.h"
#include "proto/imap/write.h"

static const struct {
	const char *name;
	unsigned items;
} plain_items[] = {
	{ "UID", IMAP_FETCH_UID },
	{ "FLAGS", IMAP_FETCH_FLAGS },
	{ "INTERNALDATE", IMAP_FETCH_INTERNALDATE },
	{ "RFC822.SIZE", IMAP_FETCH_SIZE },
	{ "ENVELOPE", IMAP_FETCH_ENVELOPE },
	{ "BODYSTRUCTURE", IMAP_FETCH_BODYSTRUCTURE },
	{ "MODSEQ", IMAP_FETCH_MODSEQ },
};

static const struct {
	const char *name;
	unsigned items;
} macros[] = {
	{ "FAST", IMAP_FETCH_FLAGS | IMAP_FETCH_INTERNALDATE | IMAP_FETCH_SIZE },
	{ "ALL", IMAP_FETCH_FLAGS | IMAP_FETCH_INTERNALDATE | IMAP_FETCH_SIZE | IMAP_FETCH_ENVELOPE },
	{ "FULL", IMAP_FETCH_FLAGS | IMAP_FETCH_INTERNALDATE | IMAP_FETCH_SIZE | IMAP_FETCH_ENVELOPE |
			  IMAP_FETCH_BODY },
};

static int add_section(struct imap_fetch_args *a, const struct imap_section *sec, bool peek)
{
	if (a->n_sections == IMAP_SECTIONS_MAX)
		return ERR_SYNTAX;
	a->sections[a->n_sections++] = *sec;
	a->sets_seen |= !peek;
	return 0;
}

/* "(" header-fld-name *(SP header-fld-name) ")" */
static int scan_fields(struct imap_scan *s, struct imap_section *sec)
{
	if (imap_scan_sp(s) < 0 || imap_scan_char(s, '(') < 0)
		return ERR_SYNTAX;
	sec->fields = ARENA_ARRAY(s->arena, struct slice, IMAP_FIELDS_MAX);
	do {
		struct slice name;
		if (sec->n_fields == IMAP_FIELDS_MAX || imap_scan_astring(s, &name) < 0)
			return ERR_SYNTAX;
		sec->fields[sec->n_fields++] = name;
	} while (imap_scan_sp(s) == 0);
	return imap_scan_char(s, ')');
}

static int scan_section_text(struct imap_scan *s, struct imap_section *sec)
{
	struct slice word;

	if (imap_scan_word(s, &word) < 0)
		return ERR_SYNTAX;
	if (slice_eq_ci(word, SLICE("HEADER"))) {
		sec->kind = IMAP_SECTION_HEADER;
	} else if (slice_eq_ci(word, SLICE("TEXT"))) {
		sec->kind = IMAP_SECTION_TEXT;
	} else if (slice_eq_ci(word, SLICE("MIME")) && sec->n_path) {
		sec->kind = IMAP_SECTION_MIME;
	} else if (slice_eq_ci(word, SLICE("HEADER.FIELDS"))) {
		sec->kind = IMAP_SECTION_FIELDS;
		return scan_fields(s, sec);
	} else if (slice_eq_ci(word, SLICE("HEADER.FIELDS.NOT"))) {
		sec->kind = IMAP_SECTION_FIELDS_NOT;
		return scan_fields(s, sec);
	} else {
		return ERR_SYNTAX;
	}
	return 0;
}

/* Part numbers with dots, then perhaps a word. */
static int scan_section_spec(struct imap_scan *s, struct imap_section *sec)
{
	while (!imap_scan_is(s, ']')) {
		uint64_t part;
		if (s->at < s->in.n && !ascii_is_digit(s->in.p[s->at]))
			return scan_section_text(s, sec);
		if (sec->n_path == IMAP_SECTION_PARTS ||
		    imap_scan_number(s, UINT32_MAX, &part) < 0 || part == 0)
			return ERR_SYNTAX;
		sec->path[sec->n_path++] = (uint32_t)part;
		if (imap_scan_is(s, ']'))
			break;
		if (imap_scan_char(s, '.') < 0 || imap_scan_is(s, ']'))
			return ERR_SYNTAX;
	}
	return 0;
}

static int scan_partial(struct imap_scan *s, struct imap_section *sec)
{
	if (imap_scan_char(s, '<') < 0)
		return 0;
	sec->partial = true;
	if (imap_scan_number(s, UINT32_MAX, &sec->from) < 0 || imap_scan_char(s, '.') < 0 ||
	    imap_scan_number(s, UINT32_MAX, &sec->count) < 0 || !sec->count)
		return ERR_SYNTAX;
	return imap_scan_char(s, '>');
}

/* Behind BODY or BODY.PEEK, at '['. */
static int scan_body_section(struct imap_scan *s, struct imap_fetch_args *a, bool peek)
{
	struct imap_section sec = { 0 };

	if (imap_scan_char(s, '[') < 0 || scan_section_spec(s, &sec) < 0 ||
	    imap_scan_char(s, ']') < 0 || scan_partial(s, &sec) < 0)
		return ERR_SYNTAX;
	return add_section(a, &sec, peek);
}

static int add_rfc822(struct imap_fetch_args *a, struct slice word)
{
	struct imap_section sec = { 0 };

	if (slice_eq_ci(word, SLICE("RFC822"))) {
		sec.as = "RFC822";
	} else if (slice_eq_ci(word, SLICE("RFC822.HEADER"))) {
		sec.as = "RFC822.HEADER";
		sec.kind = IMAP_SECTION_HEADER;
	} else if (slice_eq_ci(word, SLICE("RFC822.TEXT"))) {
		sec.as = "RFC822.TEXT";
		sec.kind = IMAP_SECTION_TEXT;
	} else {
		return ERR_SYNTAX;
	}
	return add_section(a, &sec, sec.kind == IMAP_SECTION_HEADER);
}

static int scan_attribute(struct imap_scan *s, struct imap_fetch_args *a)
{
	struct slice word;

	if (imap_scan_word(s, &word) < 0)
		return ERR_SYNTAX;
	for (size_t i = 0; i < ARRAY_SIZE(plain_items); i++) {
		if (slice_eq_ci(word, slice_str(plain_items[i].name))) {
			a->items |= plain_items[i].items;
			return 0;
		}
	}
	bool peek = slice_eq_ci(word, SLICE("BODY.PEEK"));
	if (peek || slice_eq_ci(word, SLICE("BODY"))) {
		if (peek || imap_scan_is(s, '['))
			return scan_body_section(s, a, peek);
		a->items |= IMAP_FETCH_BODY;
		return 0;
	}
	return add_rfc822(a, word);
}

static int scan_attributes(struct imap_scan *s, struct imap_fetch_args *a)
{
	size_t was = s->at;
	struct slice word;

	if (imap_scan_char(s, '(') == 0) {
		do {
			if (scan_attribute(s, a) < 0)
				return ERR_SYNTAX;
		} while (imap_scan_sp(s) == 0);
		return imap_scan_char(s, ')');
	}
	if (imap_scan_word(s, &word) < 0)
		return ERR_SYNTAX;
	for (size_t i = 0; i < ARRAY_SIZE(macros); i++) {
		if (slice_eq_ci(word, slice_str(macros[i].name))) {
			a->items |= macros[i].items;
			return 0;
		}
	}
	s->at = was;
	return scan_attribute(s, a);
}

/* SP "(CHANGEDSINCE n)" */
static int scan_modifiers(struct imap_scan *s, struct imap_fetch_args *a)
{
	if (imap_scan_end(s))
		return 0;
	if (imap_scan_sp(s) < 0 || imap_scan_char(s, '(') < 0 ||
	    imap_scan_keyword(s, "CHANGEDSINCE") < 0 || imap_scan_sp(s) < 0 ||
	    imap_scan_number(s, INT64_MAX, &a->changed_since) < 0 || imap_scan_char(s, ')') < 0)
		return ERR_SYNTAX;
	a->has_changed_since = true;
	a->items |= IMAP_FETCH_MODSEQ;
	return 0;
}

int imap_fetch_args_scan(struct imap_scan *s, struct imap_fetch_args *ret)
{
	struct imap_fetch_args a = { 0 };

	a.sections = ARENA_ARRAY(s->arena, struct imap_section, IMAP_SECTIONS_MAX);
	if (scan_attributes(s, &a) < 0 || scan_modifiers(s, &a) < 0 || !imap_scan_end(s))
		return ERR_SYNTAX;
	*ret = a;
	return 0;
}

static const char *section_word(enum imap_section_kind kind)
{
	switch (kind) {
	case IMAP_SECTION_HEADER:
		return "HEADER";
	case IMAP_SECTION_FIELDS:
		return "HEADER.FIELDS";
	case IMAP_SECTION_FIELDS_NOT:
		return "HEADER.FIELDS.NOT";
	case IMAP_SECTION_TEXT:
		return "TEXT";
	case IMAP_SECTION_MIME:
		return "MIME";
	case IMAP_SECTION_ALL:
		break;
	}
	return "";
}

static void write_field_name(struct buf *out, struct slice name)
{
	for (size_t i = 0; i < name.n; i++) {
		if (!imap_is_astring_char(name.p[i])) {
			imap_put_string(out, name, false);
			return;
		}
	}
	if (name.n)
		buf_slice(out, name);
	else
		buf_str(out, "\"\"");
}

void imap_section_write(struct buf *out, const struct imap_section *s)
{
	if (s->as) {
		buf_str(out, s->as);
		return;
	}
	buf_str(out, "BODY[");
	for (unsigned i = 0; i < s->n_path; i++)
		buf_printf(out, i ? ".%u" : "%u", s->path[i]);
	if (s->n_path && s->kind != IMAP_SECTION_ALL)
		buf_byte(out, '.');
	buf_str(out, section_word(s->kind));
	for (size_t i = 0; i < s->n_fields; i++) {
		buf_str(out, i ? " " : " (");
		write_field_name(out, s->fields[i]);
	}
	buf_str(out, s->n_fields ? ")]" : "]");
	if (s->partial)
		buf_printf(out, "<%llu>", (unsigned long long)s->from);
}
