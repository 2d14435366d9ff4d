/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a request line to its operation. A path is split at '/' before its escapes are taken out
 * (RFC 3986 2.4), so that "%2F" stays inside its segment. Dot segments are never resolved: they
 * match no template. Threats: paths of any length and any bytes; nothing but literal segments and
 * decoded values comes out.
 */
#include "proto/api/api.h"

#include "base/codec.h"
#include "base/err.h"

const struct api_op *api_op_find(struct slice name)
{
	for (size_t i = 0; api_op_at(i); i++) {
		if (slice_eq(slice_str(api_op_at(i)->name), name))
			return api_op_at(i);
	}
	return NULL;
}

const struct api_param *api_param_find(const struct api_op *op, struct slice name)
{
	for (size_t i = 0; i < op->n_params; i++) {
		if (slice_eq(slice_str(op->params[i].name), name))
			return &op->params[i];
	}
	return NULL;
}

const struct api_param *api_op_file(const struct api_op *op)
{
	for (size_t i = 0; i < op->n_params; i++) {
		if (op->params[i].type == API_FILE)
			return &op->params[i];
	}
	return NULL;
}

bool api_op_has(const struct api_op *op, const char *param)
{
	return api_param_find(op, slice_str(param)) != NULL;
}

/* The segment at *at of a path that begins with '/'; false behind the last one. */
static bool next_segment(struct slice path, size_t *at, struct slice *ret)
{
	if (*at >= path.n)
		return false;
	ptrdiff_t end = slice_find_byte(path, '/', *at + 1);
	size_t to = end < 0 ? path.n : (size_t)end;
	*ret = slice_sub(path, *at + 1, to);
	*at = to;
	return true;
}

static int unhex(uint8_t c)
{
	if (ascii_is_digit(c))
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 2.1 */
static int percent_decode(struct slice in, struct arena *a, struct slice *ret)
{
	uint8_t *out = arena_alloc(a, in.n + 1);
	size_t n = 0;
	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] != '%') {
			out[n++] = in.p[i];
			continue;
		}
		int hi = in.n - i > 2 ? unhex(in.p[i + 1]) : -1;
		int lo = in.n - i > 2 ? unhex(in.p[i + 2]) : -1;
		if (hi < 0 || lo < 0)
			return ERR_SYNTAX;
		out[n++] = (uint8_t)(hi << 4 | lo);
		i += 2;
	}
	struct slice s = slice_of(out, n);
	if (n == 0 || slice_find_byte(s, 0, 0) >= 0 || !utf8_valid(s))
		return ERR_SYNTAX;
	*ret = s;
	return 0;
}

/* Fills fields with the raw segments; their escapes are taken out once the operation is known. */
static bool path_fits(const struct api_op *op, struct slice path, struct api_field *fields,
		      size_t *ret_n)
{
	struct slice template = slice_str(op->path), want, have;
	size_t t = 0, p = 0, n = 0;
	while (next_segment(template, &t, &want)) {
		if (!next_segment(path, &p, &have))
			return false;
		if (want.n && want.p[0] == '{') {
			if (n == API_IN_PATH_MAX || have.n == 0)
				return false;
			fields[n].name = slice_sub(want, 1, want.n - 1);
			fields[n++].value = have;
		} else if (!slice_eq(want, have)) {
			return false;
		}
	}
	*ret_n = n;
	return p == path.n;
}

static void add_allowed(char *allow, size_t cap, const char *method)
{
	size_t n = strlen(allow);
	snprintf(allow + n, cap - n, "%s%s", n ? ", " : "", method);
}

/* "/queue/flush" before "/queue/{id}": an operation without fields in its path is the better fit.
 */
int api_match(struct slice method, struct slice path, struct arena *a, struct api_match *ret)
{
	struct api_match m = { 0 };
	bool found = false;
	if (path.n > API_PATH_MAX)
		return ERR_TOO_BIG;
	if (path.n == 0 || path.p[0] != '/')
		return ERR_NOT_FOUND;
	for (size_t i = 0; api_op_at(i); i++) {
		struct api_field fields[API_IN_PATH_MAX];
		size_t n;
		if (!path_fits(api_op_at(i), path, fields, &n))
			continue;
		found = true;
		if (!slice_eq(slice_str(api_op_at(i)->method), method)) {
			add_allowed(m.allow, sizeof(m.allow), api_op_at(i)->method);
			continue;
		}
		if (m.op && m.n_fields <= n)
			continue;
		m.op = api_op_at(i);
		memcpy(m.fields, fields, n * sizeof(fields[0]));
		m.n_fields = n;
	}
	if (!m.op) {
		memcpy(ret->allow, m.allow, sizeof(m.allow));
		return found ? ERR_UNSUPPORTED : ERR_NOT_FOUND;
	}
	for (size_t i = 0; i < m.n_fields; i++) {
		int err = percent_decode(m.fields[i].value, a, &m.fields[i].value);
		if (err < 0)
			return err;
	}
	*ret = m;
	return 0;
}
