/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threats: THREATS I11 (traversal: names never become paths here, and odd ones are not made all the same),
 * I12 (one mailbox under every spelling). The limits hold for the bytes of the normalised name.
 */
#include "proto/imap/name.h"

#include "base/codec.h"
#include "base/err.h"
#include "proto/imap/mutf7.h"
#include "proto/imap/write.h"

#include <utf8proc.h>

static int levels_ok(struct slice name)
{
	size_t levels = 1;

	if (!name.n || name.n > IMAP_NAME_MAX || name.p[0] == '/' || name.p[name.n - 1] == '/')
		return ERR_INVALID;
	for (size_t i = 0; i < name.n; i++) {
		if (name.p[i] < 0x20 || name.p[i] == 0x7f)
			return ERR_INVALID;
		if (name.p[i] == '/') {
			levels++;
			if (name.p[i + 1] == '/')
				return ERR_INVALID;
		}
	}
	return levels > IMAP_NAME_LEVELS ? ERR_INVALID : 0;
}

/* INBOX is case-insensitive, as a whole name and as the first level. */
static struct slice fold_inbox(struct arena *a, struct slice name)
{
	if (!slice_starts_ci(name, SLICE("INBOX")) || (name.n > 5 && name.p[5] != '/'))
		return name;
	struct slice copy = arena_dup(a, name);
	memcpy((uint8_t *)copy.p, "INBOX", 5);
	return copy;
}

static struct slice to_nfc(struct arena *a, struct slice name)
{
	utf8proc_uint8_t *out = NULL;

	if (ascii_only(name))
		return name;
	utf8proc_ssize_t n = utf8proc_map(name.p, (utf8proc_ssize_t)name.n, &out,
					  UTF8PROC_STABLE | UTF8PROC_COMPOSE);
	struct slice ret = n > 0 ? arena_dup(a, slice_of(out, (size_t)n)) : name;
	free(out);
	return ret;
}

/* C1 controls, line and paragraph separators have no place in a name (RFC 5198 2). */
static bool has_controls(struct slice name)
{
	for (size_t at = 0; at < name.n;) {
		uint32_t cp;
		size_t n = utf8_decode(slice_sub(name, at, name.n), &cp);
		if (!n || (cp >= 0x80 && cp < 0xa0) || cp == 0x2028 || cp == 0x2029)
			return true;
		at += n;
	}
	return false;
}

int imap_name_normalise(struct arena *a, struct slice utf8, struct slice *ret)
{
	if (utf8.n > IMAP_NAME_MAX || !utf8_valid(utf8))
		return ERR_INVALID;
	struct slice name = to_nfc(a, utf8);
	if (levels_ok(name) < 0 || has_controls(name))
		return ERR_INVALID;
	*ret = fold_inbox(a, name);
	return 0;
}

static int decode_wire(struct arena *a, struct slice wire, size_t max, struct slice *ret)
{
	struct buf b = BUF_INIT(max);
	int err = mutf7_decode(&b, wire) < 0 ? ERR_INVALID : 0;

	if (err == 0)
		*ret = arena_dup(a, buf_view(&b));
	buf_fini(&b);
	return err;
}

int imap_name_read(struct arena *a, struct slice wire, bool utf8, struct slice *ret)
{
	struct slice name = wire;

	if (!utf8 && decode_wire(a, wire, IMAP_NAME_MAX, &name) < 0)
		return ERR_INVALID;
	return imap_name_normalise(a, name, ret);
}

int imap_name_pattern(struct arena *a, struct slice wire, bool utf8, struct slice *ret)
{
	struct slice pattern = wire;

	if (utf8 ? !utf8_valid(wire) : decode_wire(a, wire, 2 * IMAP_NAME_MAX, &pattern) < 0)
		return ERR_INVALID;
	*ret = to_nfc(a, pattern);
	return 0;
}

bool imap_name_creatable(struct slice name)
{
	size_t from = 0;

	if (!name.n || name.p[0] == '~' || name.p[0] == '#')
		return false;
	for (size_t i = 0; i <= name.n; i++) {
		if (i < name.n && (name.p[i] == '*' || name.p[i] == '%'))
			return false;
		if (i < name.n && name.p[i] != '/')
			continue;
		struct slice level = slice_sub(name, from, i);
		if (slice_eq(level, SLICE(".")) || slice_eq(level, SLICE("..")))
			return false;
		from = i + 1;
	}
	return true;
}

void imap_name_write(struct buf *out, struct slice name, bool utf8)
{
	struct buf wire = BUF_INIT(IMAP_NAME_MAX * 8);

	if (!utf8 && mutf7_encode(&wire, name) == 0)
		imap_put_string(out, buf_view(&wire), false);
	else
		imap_put_string(out, name, utf8);
	buf_fini(&wire);
}
