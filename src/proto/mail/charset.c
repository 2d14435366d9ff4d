/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names are compared without case. ISO-8859-1 is read as Windows-1252, its
 * superset in printable characters, because that is what senders mean (WHATWG Encoding does the
 * same). iconv works on small steps, so that its output is bounded; a byte that it refuses becomes
 * U+FFFD and the next one is tried.
 */
#include "proto/mail/charset.h"

#include "base/codec.h"

#include <errno.h>
#include <iconv.h>

enum { STEP = 512 };

enum kind { KIND_UNKNOWN, KIND_UTF8, KIND_1252, KIND_ICONV };

/* clang-format off */
static struct {
	const char *name;	/* as iconv knows it */
	bool open;
	iconv_t cd;
} table[] = {
	{ "UTF-7" }, { "UTF-16" }, { "UTF-16LE" }, { "UTF-16BE" }, { "UTF-32" },
	{ "ISO-8859-2" }, { "ISO-8859-3" }, { "ISO-8859-4" }, { "ISO-8859-5" }, { "ISO-8859-6" },
	{ "ISO-8859-7" }, { "ISO-8859-8" }, { "ISO-8859-9" }, { "ISO-8859-10" },
	{ "ISO-8859-11" }, { "ISO-8859-13" }, { "ISO-8859-14" }, { "ISO-8859-15" },
	{ "ISO-8859-16" }, { "WINDOWS-1250" }, { "WINDOWS-1251" }, { "WINDOWS-1253" },
	{ "WINDOWS-1254" }, { "WINDOWS-1255" }, { "WINDOWS-1256" }, { "WINDOWS-1257" },
	{ "WINDOWS-1258" }, { "KOI8-R" }, { "KOI8-U" }, { "IBM866" }, { "IBM850" }, { "IBM437" },
	{ "TIS-620" }, { "MACINTOSH" }, { "GB18030" }, { "BIG5-HKSCS" }, { "EUC-JP" },
	{ "CP932" }, { "ISO-2022-JP" }, { "EUC-KR" }, { "CP949" }, { "ISO-2022-KR" },
	{ "VISCII" },
};

static const struct {
	const char *alias, *name;
} aliases[] = {
	{ "ISO-8859-8-I", "ISO-8859-8" }, { "ISO-8859-8-E", "ISO-8859-8" },
	{ "LATIN2", "ISO-8859-2" }, { "LATIN9", "ISO-8859-15" }, { "WINDOWS-874", "TIS-620" },
	{ "GB2312", "GB18030" }, { "GBK", "GB18030" }, { "X-GBK", "GB18030" },
	{ "CP936", "GB18030" }, { "BIG5", "BIG5-HKSCS" }, { "CN-BIG5", "BIG5-HKSCS" },
	{ "SHIFT-JIS", "CP932" }, { "SHIFT_JIS", "CP932" }, { "SJIS", "CP932" },
	{ "X-SJIS", "CP932" }, { "WINDOWS-31J", "CP932" }, { "KS-C-5601-1987", "CP949" },
	{ "KS_C_5601-1987", "CP949" }, { "UHC", "CP949" }, { "KOI8", "KOI8-R" },
	{ "CP1251", "WINDOWS-1251" }, { "CP1250", "WINDOWS-1250" }, { "CP1254", "WINDOWS-1254" },
	{ "CP1257", "WINDOWS-1257" }, { "CP866", "IBM866" }, { "CP850", "IBM850" },
	{ "CP437", "IBM437" }, { "X-MAC-ROMAN", "MACINTOSH" }, { "UCS-2", "UTF-16" },
	{ "UNICODE-1-1-UTF-7", "UTF-7" },
};

static const char *const utf8_names[] = {
	"UTF-8", "UTF8", "US-ASCII", "ASCII", "ANSI-X3.4-1968", "ANSI_X3.4-1968", "646",
};
static const char *const latin1_names[] = {
	"ISO-8859-1", "ISO8859-1", "LATIN1", "L1", "WINDOWS-1252", "CP1252", "X-ANSI",
};
/* clang-format on */

unsigned charset_preload(void)
{
	static unsigned n;
	for (size_t i = 0; n == 0 && i < ARRAY_SIZE(table); i++) {
		table[i].cd = iconv_open("UTF-8", table[i].name);
		table[i].open = table[i].cd != (iconv_t)-1;
	}
	n = 0;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		n += table[i].open;
	return n;
}

static bool in_list(struct slice name, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (slice_eq_ci(name, slice_str(list[i])))
			return true;
	}
	return false;
}

static enum kind find(struct slice name, size_t *ret_at)
{
	name = slice_trim(name);
	if (in_list(name, utf8_names, ARRAY_SIZE(utf8_names)))
		return KIND_UTF8;
	if (in_list(name, latin1_names, ARRAY_SIZE(latin1_names)))
		return KIND_1252;
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++) {
		if (slice_eq_ci(name, slice_str(aliases[i].alias)))
			name = slice_str(aliases[i].name);
	}
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (table[i].open && slice_eq_ci(name, slice_str(table[i].name))) {
			*ret_at = i;
			return KIND_ICONV;
		}
	}
	return KIND_UNKNOWN;
}

bool charset_known(struct slice charset)
{
	size_t at = 0;
	return find(charset, &at) != KIND_UNKNOWN;
}

/* Length of the run of ASCII without NUL at the front. */
static size_t ascii_run(struct slice s)
{
	size_t n = 0;
	while (n < s.n && s.p[n] - 1u < 0x7f)
		n++;
	return n;
}

static void put_1252_byte(uint8_t c, struct buf *out)
{
	static const uint16_t high[32] = {
		0x20ac, 0x81,   0x201a, 0x192,  0x201e, 0x2026, 0x2020, 0x2021,
		0x2c6,  0x2030, 0x160,  0x2039, 0x152,  0x8d,   0x17d,  0x8f,
		0x90,   0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
		0x2dc,  0x2122, 0x161,  0x203a, 0x153,  0x9d,   0x17e,  0x178,
	};
	if (c)
		utf8_encode(out, c >= 0x80 && c < 0xa0 ? high[c - 0x80] : c);
}

static size_t put_utf8_char(struct slice s, struct buf *out)
{
	uint32_t cp = 0xfffd;
	size_t len = utf8_decode(s, &cp);
	if (len == 0)
		utf8_encode(out, 0xfffd);
	else if (cp)
		buf_append(out, s.p, len);
	return len ? len : 1;
}

static void put_ascii_superset(struct slice in, bool utf8, struct buf *out)
{
	for (size_t i = 0; i < in.n && buf_ok(out);) {
		struct slice rest = slice_of(in.p + i, in.n - i);
		size_t run = ascii_run(rest);
		buf_append(out, rest.p, run);
		i += run;
		if (run == rest.n)
			break;
		if (utf8)
			i += put_utf8_char(slice_of(in.p + i, in.n - i), out);
		else
			put_1252_byte(in.p[i++], out);
	}
}

/* What iconv gave, without NULs. */
static void put_plain(const char *p, size_t n, struct buf *out)
{
	for (const char *nul; n && (nul = memchr(p, 0, n)); n -= (size_t)(nul - p) + 1, p = nul + 1)
		buf_append(out, p, (size_t)(nul - p));
	buf_append(out, p, n);
}

static void put_iconv(iconv_t cd, struct slice in, struct buf *out)
{
	char *from = (char *)in.p;
	size_t left = in.n;
	iconv(cd, NULL, NULL, NULL, NULL);
	while (left && buf_ok(out)) {
		char step[STEP], *to = step;
		size_t room = sizeof(step);
		size_t rc = iconv(cd, &from, &left, &to, &room);
		int why = rc == (size_t)-1 ? errno : 0;
		put_plain(step, sizeof(step) - room, out);
		if (why && why != E2BIG) {
			utf8_encode(out, 0xfffd);
			if (why == EINVAL)
				break;
			from++;
			left--;
		}
	}
}

bool charset_to_utf8(struct slice charset, struct slice in, struct buf *out)
{
	size_t at = 0;
	enum kind kind = find(charset, &at);
	if (kind == KIND_ICONV)
		put_iconv(table[at].cd, in, out);
	else
		put_ascii_superset(
			in, kind == KIND_UTF8 || (kind == KIND_UNKNOWN && utf8_valid(in)), out);
	return kind != KIND_UNKNOWN;
}
