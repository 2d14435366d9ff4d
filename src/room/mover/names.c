/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a server's folder names to ours. Levels are split at its delimiter, each is decoded from modified UTF-7
 * (or taken as UTF-8 where it is that), cleaned, bounded, and joined by '/'. What had to be changed so that it is
 * not unique any more gets "~" and a number made of the raw name behind it: the same in every run.
 *
 * Threats: I10 (traversal, control characters, endless names and depths, names that normalise alike).
 */
#include "room/mover/names.h"

#include "base/codec.h"
#include "base/map.h"
#include "proto/imap/client.h"
#include "proto/imap/mutf7.h"
#include "proto/imap/name.h"

static const struct {
	const char *name;
	unsigned use;
} well_known[] = {
	{ "Sent", IMAPC_SENT },
	{ "Sent Items", IMAPC_SENT },
	{ "Sent Messages", IMAPC_SENT },
	{ "Sent Mail", IMAPC_SENT },
	{ "Gesendet", IMAPC_SENT },
	{ "Gesendete Elemente", IMAPC_SENT },
	{ "Gesendete Objekte", IMAPC_SENT },
	{ "Gesendete Nachrichten", IMAPC_SENT },
	{ "Drafts", IMAPC_DRAFTS },
	{ "Entw\xc3\xbcrfe", IMAPC_DRAFTS },
	{ "Trash", IMAPC_TRASH },
	{ "Deleted Items", IMAPC_TRASH },
	{ "Deleted Messages", IMAPC_TRASH },
	{ "Papierkorb", IMAPC_TRASH },
	{ "Gel\xc3\xb6schte Elemente", IMAPC_TRASH },
	{ "Gel\xc3\xb6schte Objekte", IMAPC_TRASH },
	{ "Junk", IMAPC_JUNK },
	{ "Junk E-mail", IMAPC_JUNK },
	{ "Junk Email", IMAPC_JUNK },
	{ "Junk-E-Mail", IMAPC_JUNK },
	{ "Spam", IMAPC_JUNK },
	{ "Spamverdacht", IMAPC_JUNK },
	{ "Unerw\xc3\xbcnscht", IMAPC_JUNK },
	{ "Archive", IMAPC_ARCHIVE },
	{ "Archives", IMAPC_ARCHIVE },
	{ "Archiv", IMAPC_ARCHIVE },
};

static const struct {
	unsigned use;
	const char *name;
} specials[] = {
	{ IMAPC_ARCHIVE, "Archive" }, { IMAPC_DRAFTS, "Drafts" }, { IMAPC_JUNK, "Junk" },
	{ IMAPC_SENT, "Sent" },	      { IMAPC_TRASH, "Trash" },
};

unsigned names_well_known(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(well_known); i++)
		if (slice_eq_ci(name, slice_str(well_known[i].name)))
			return well_known[i].use;
	return 0;
}

const char *names_special(unsigned use)
{
	for (size_t i = 0; i < ARRAY_SIZE(specials); i++)
		if (specials[i].use == use)
			return specials[i].name;
	return NULL;
}

static void put_tag(struct buf *out, struct slice raw)
{
	static const uint8_t key[16] = "postern folders";
	uint64_t h = siphash24(key, raw);

	buf_printf(out, "~%08x", (unsigned)(h ^ h >> 32));
}

/* Decoded to UTF-8; bytes that are neither modified UTF-7 nor UTF-8 become '_'. */
static void decode(struct buf *out, struct slice part)
{
	if (ascii_only(part) && mutf7_decode(out, part) == 0)
		return;
	buf_clear(out);
	for (size_t at = 0; at < part.n;) {
		uint32_t cp;
		size_t n = utf8_decode(slice_sub(part, at, part.n), &cp);
		if (n)
			buf_slice(out, slice_sub(part, at, at + n));
		else
			buf_byte(out, '_');
		at += n ? n : 1;
	}
}

static bool is_clean(uint32_t cp)
{
	return cp >= 0x20 && cp != 0x7f && !(cp >= 0x80 && cp < 0xa0) && cp != '/' && cp != '*' && cp != '%' &&
	       cp != 0x2028 && cp != 0x2029;
}

/* One level, in UTF-8, made harmless and at most max bytes. */
static void put_part(struct buf *out, struct slice raw, bool first, size_t max)
{
	struct buf text = BUF_INIT(4 * FOLDER_RAW_MAX);
	size_t start = out->n;

	decode(&text, raw);
	if (first && text.n && (text.p[0] == '~' || text.p[0] == '#'))
		buf_byte(out, '_');
	for (size_t at = 0; at < text.n;) {
		uint32_t cp = 0;
		size_t n = utf8_decode(slice_sub(buf_view(&text), at, text.n), &cp);
		if (out->n - start + 4 > max - 9) {
			put_tag(out, raw);
			break;
		}
		if (n && is_clean(cp))
			buf_append(out, text.p + at, n);
		else
			buf_byte(out, '_');
		at += n ? n : 1;
	}
	struct slice made = slice_sub(buf_view(out), start, out->n);
	if (made.n == 0 || slice_eq(made, SLICE(".")) || slice_eq(made, SLICE("..")))
		buf_byte(out, '_');
	buf_fini(&text);
}

static struct slice next_part(struct slice *rest, char delimiter)
{
	ptrdiff_t end = delimiter ? slice_find_byte(*rest, (uint8_t)delimiter, 0) : -1;
	struct slice part = slice_sub(*rest, 0, end < 0 ? rest->n : (size_t)end);

	*rest = slice_sub(*rest, end < 0 ? rest->n : (size_t)end + 1, rest->n);
	return part;
}

static struct slice own_name(struct arena *a, const struct folder *f, struct slice prefix)
{
	struct buf out = BUF_INIT(64 * 1024);
	struct slice left = f->raw, made;

	if (slice_eq_ci(left, SLICE("INBOX")))
		return SLICE("INBOX");
	if (prefix.n && left.n > prefix.n && slice_starts(left, prefix))
		left = slice_sub(left, prefix.n, left.n);
	for (size_t level = 0; left.n || level == 0; level++) {
		bool last = level + 1 == FOLDER_LEVELS_MAX;
		struct slice part = last ? left : next_part(&left, f->delimiter);
		if (last)
			left.n = 0;
		if (level)
			buf_byte(&out, '/');
		put_part(&out, part, level == 0, FOLDER_PART_MAX);
	}
	if (out.n > FOLDER_NAME_MAX - 10) {	/* the first level says most */
		out.n = (size_t)(slice_find_byte(buf_view(&out), '/', 0));
		put_tag(&out, f->raw);
	}
	if (imap_name_normalise(a, arena_dup(a, buf_view(&out)), &made) < 0 || !imap_name_creatable(made)) {
		buf_clear(&out);
		buf_str(&out, "Folder");
		put_tag(&out, f->raw);
		made = arena_dup(a, buf_view(&out));
	}
	buf_fini(&out);
	return made;
}

static int by_raw(const void *a, const void *b)
{
	return slice_cmp(((const struct folder *)a)->raw, ((const struct folder *)b)->raw);
}

static struct slice special_name(const struct here *here, size_t n, unsigned use)
{
	for (size_t i = 0; i < n; i++)
		if (here[i].special_use & use)
			return here[i].name;
	return slice_str(names_special(use));
}

/* The folder that stands for a special use: by attribute, else by a name that it is known for. */
static struct folder *find_special(struct folder *folders, size_t n, unsigned use)
{
	for (size_t i = 0; i < n; i++)
		if (!folders[i].skip && !(folders[i].attributes & IMAPC_NOSELECT) && (folders[i].attributes & use))
			return &folders[i];
	for (size_t i = 0; i < n; i++)
		if (!folders[i].skip && !(folders[i].attributes & (IMAPC_NOSELECT | IMAPC_SPECIAL_USE)) &&
		    names_well_known(folders[i].name) == use)
			return &folders[i];
	return NULL;
}

/* "Papierkorb/Alt" goes to "Trash/Alt" where "Papierkorb" went to "Trash". */
static void follow_parent(struct arena *a, struct folder *folders, size_t n, struct slice was, struct slice is)
{
	if (slice_eq(was, is))
		return;
	for (size_t i = 0; i < n; i++) {
		struct slice name = folders[i].name;
		if (name.n > was.n + 1 && slice_starts(name, was) && name.p[was.n] == '/')
			folders[i].name = slice_str(arena_printf(a, SLICE_FMT SLICE_FMT, SLICE_ARG(is),
								 SLICE_ARG(slice_sub(name, was.n, name.n))));
	}
}

static void make_unique(struct arena *a, struct map *taken, struct folder *f)
{
	struct buf out = BUF_INIT(FOLDER_NAME_MAX * 2);

	while (map_get(taken, f->name)) {
		buf_clear(&out);
		buf_slice(&out, f->name);
		put_tag(&out, f->raw);
		f->name = arena_dup(a, buf_view(&out));
	}
	IGNORE(map_put(taken, f->name, f) != NULL, "it was free");
	buf_fini(&out);
}

static void map_specials(struct arena *a, struct folder *folders, size_t n, const struct here *here, size_t n_here,
			 struct map *taken)
{
	for (size_t i = 0; i < ARRAY_SIZE(specials); i++) {
		struct folder *f = find_special(folders, n, specials[i].use);
		if (!f || slice_eq(f->name, SLICE("INBOX")))
			continue;
		struct slice was = f->name;
		f->name = special_name(here, n_here, specials[i].use);
		f->special = specials[i].use;
		make_unique(a, taken, f);
		follow_parent(a, folders, n, was, f->name);
	}
}

void names_map(struct arena *a, struct folder *folders, size_t n, struct slice prefix, const struct here *here,
	       size_t n_here)
{
	struct map *taken = map_new();

	qsort(folders, n, sizeof(*folders), by_raw);
	for (size_t i = 0; i < n; i++) {
		if (i && slice_eq(folders[i].raw, folders[i - 1].raw))
			folders[i].skip = "listed twice";
		else if (folders[i].attributes & IMAPC_FLAGGED)
			folders[i].skip = "shows messages of other folders";
		folders[i].name = own_name(a, &folders[i], prefix);
		folders[i].special = 0;
	}
	map_specials(a, folders, n, here, n_here, taken);
	for (size_t i = 0; i < n; i++)
		if (!folders[i].special && !folders[i].skip && !(folders[i].attributes & IMAPC_NOSELECT))
			make_unique(a, taken, &folders[i]);
	map_free(&taken);
}
