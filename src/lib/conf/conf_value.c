/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The types of options: what a value may look like, and how to say so. A value that is not of its
 * type or outside its bounds is refused, never bent into them.
 */
#include "lib/conf/conf_priv.h"

#include "base/codec.h"
#include "base/err.h"
#include "base/text.h"
#include "proto/api/web.h"

#include <arpa/inet.h>
#include <sys/socket.h>

static const struct unit {
	const char *name;
	uint64_t factor;
} size_units[] = { { "P", 1ull << 50 }, { "T", 1ull << 40 }, { "G", 1ull << 30 },
		   { "M", 1ull << 20 }, { "K", 1ull << 10 }, { "", 1 },
		   { NULL, 0 } },
  duration_units[] = { { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
		       { "s", 1000 },     { "ms", 1 },      { NULL, 0 } };

static int with_unit(const struct unit *units, struct slice text, uint64_t *ret)
{
	size_t digits = 0;
	uint64_t v;
	while (digits < text.n && ascii_is_digit(text.p[digits]))
		digits++;
	int err = slice_u64(slice_sub(text, 0, digits), INT64_MAX, &v);
	if (err < 0)
		return err;
	struct slice unit = slice_sub(text, digits, text.n);
	for (; units->name; units++) {
		if (!slice_eq(unit, slice_str(units->name)))
			continue;
		if (v > INT64_MAX / units->factor)
			return ERR_TOO_BIG;
		*ret = v * units->factor;
		return 0;
	}
	if (v == 0 && unit.n == 0) {
		*ret = 0;
		return 0;
	}
	return ERR_SYNTAX;
}

static void print_with_unit(const struct unit *units, uint64_t v, struct buf *out)
{
	for (; units->name; units++) {
		if (v >= units->factor && v % units->factor == 0) {
			buf_printf(out, "%ju%s", (uintmax_t)(v / units->factor), units->name);
			return;
		}
	}
	buf_str(out, "0");
}

void conf_option_rule(const struct conf_option *o, struct buf *out)
{
	const struct unit *units = o->type == CONF_SIZE ? size_units : duration_units;
	switch (o->type) {
	case CONF_U64:
		buf_printf(out, T_("a number from %ju to %ju"), (uintmax_t)o->min, (uintmax_t)o->max);
		break;
	case CONF_SIZE:
	case CONF_DURATION:
		buf_str(out, o->type == CONF_SIZE ? T_("a size from ") : T_("a duration (ms, s, m, h, d) from "));
		print_with_unit(units, o->min, out);
		buf_str(out, T_(" to "));
		print_with_unit(units, o->max, out);
		break;
	case CONF_BOOL:
		buf_str(out, T_("true or false"));
		break;
	case CONF_STR:
		buf_printf(out, T_("a text of %ju to %ju bytes"), (uintmax_t)o->min, (uintmax_t)o->max);
		break;
	case CONF_ADDRESS:
		buf_str(out, T_("addresses with ports such as 127.0.0.1:2025 or [::1]:25, or nothing"));
		break;
	case CONF_CHOICE:
		for (size_t i = 0; o->choices[i]; i++)
			buf_printf(out, "%s%s",
				   !i                  ? ""
				   : o->choices[i + 1] ? ", "
						       : T_(" or "),
				   o->choices[i]);
		break;
	case CONF_NETWORKS:
		buf_str(out, T_("networks such as 127.0.0.0/8 or ::1/128, or nothing"));
		break;
	case CONF_HOSTS:
		buf_printf(out, T_("at most %d names of hosts such as panel.example.org, without ports, or nothing"),
			   CONF_ADDRESSES_MAX);
		break;
	case CONF_HOST:
		buf_str(out, T_("a name of a host such as mail.example.org"));
		buf_str(out, o->min ? "" : T_(", or nothing"));
		break;
	case CONF_URL:
		buf_str(out, T_("an address such as https://mail.example.org or https://mail.example.org:8443, or nothing"));
		break;
	case CONF_SERVERS:
		buf_str(out,
			T_("addresses such as 192.0.2.53, 127.0.0.1:5353 or [::1]:53, or nothing"));
		break;
	}
}

/* The next word of a list with blanks between; an empty one at the end. */
static struct slice next_word(struct slice *rest)
{
	*rest = slice_trim(*rest);
	size_t n = 0;
	while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
		n++;
	struct slice word = slice_sub(*rest, 0, n);
	*rest = slice_sub(*rest, n, rest->n);
	return word;
}

/* ip without brackets, port in host order */
static int to_sockaddr(struct slice ip, uint16_t port, struct sockaddr_storage *ret)
{
	char text[INET6_ADDRSTRLEN];
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	if (ip.n >= sizeof(text))
		return ERR_SYNTAX;
	memcpy(text, ip.p, ip.n);
	text[ip.n] = 0;
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		memcpy(ret, &v4, sizeof(v4));
	else if (inet_pton(AF_INET6, text, &v6.sin6_addr) == 1)
		memcpy(ret, &v6, sizeof(v6));
	else
		return ERR_SYNTAX;
	return 0;
}

/* IPV4, IPV4:PORT, [IPV6]:PORT, IPV6; fallback 0: the port must be there. */
static int parse_address(struct slice word, uint16_t fallback, struct sockaddr_storage *ret)
{
	bool bracketed = word.n && word.p[0] == '[';
	struct slice ip = word, rest = { 0 };
	uint64_t port = fallback;
	ptrdiff_t end = slice_find_byte(word, bracketed ? ']' : ':', 0);
	bool bare_v6 = !bracketed && end >= 0 && slice_find_byte(word, ':', (size_t)end + 1) >= 0;
	if (bracketed && end < 0)
		return ERR_SYNTAX;
	if (end >= 0 && !bare_v6) {
		ip = slice_sub(word, bracketed, (size_t)end);
		rest = slice_sub(word, (size_t)end + bracketed, word.n);
	}
	if (rest.n && (rest.p[0] != ':' || slice_u64(slice_sub(rest, 1, rest.n), 65535, &port) < 0))
		return ERR_SYNTAX;
	if (port == 0)
		return ERR_SYNTAX;
	struct sockaddr_storage sa;
	int err = to_sockaddr(ip, (uint16_t)port, &sa);
	if (err < 0)
		return err;
	if ((sa.ss_family == AF_INET6) != (bracketed || bare_v6) || (bare_v6 && !fallback))
		return ERR_SYNTAX;
	*ret = sa;
	return 0;
}

static int parse_network(struct slice word, uint16_t unused, struct sockaddr_storage *ret)
{
	ptrdiff_t slash = slice_find_byte(word, '/', 0);
	uint64_t bits = 0;
	int err = to_sockaddr(slice_sub(word, 0, slash < 0 ? word.n : (size_t)slash), 1, ret);
	if (err == 0 && slash >= 0)
		err = slice_u64(slice_sub(word, (size_t)slash + 1, word.n),
				ret->ss_family == AF_INET ? 32 : 128, &bits);
	return err;
}

/* A name without port or wildcard; ret stays as it is. */
static int parse_host(struct slice word, uint16_t unused, struct sockaddr_storage *ret)
{
	uint8_t before = '.';
	for (size_t i = 0; i < word.n; before = word.p[i++]) {
		uint8_t c = word.p[i];
		bool inner = c == '-' || c == '.';
		if (!ascii_is_alpha(c) && !ascii_is_digit(c) && (!inner || before == '.'))
			return ERR_SYNTAX;
	}
	return word.n <= CONF_HOST_MAX && before != '.' && before != '-' ? 0 : ERR_SYNTAX;
}

/* The root of a web site: what a link begins with, to which a path is added. */
static int parse_url(struct slice text)
{
	struct slice name;
	int err = web_authority(text, &name);
	if (err < 0)
		return err;
	struct slice rest = slice_sub(text, (size_t)(name.p - text.p) + name.n, text.n);
	return !rest.n || slice_eq(rest, SLICE("/")) ? 0 : ERR_SYNTAX;
}

static int every_word(struct slice text, uint16_t fallback,
		      int (*parse)(struct slice, uint16_t, struct sockaddr_storage *))
{
	struct sockaddr_storage sa;
	size_t count = 0;
	for (struct slice word; (word = next_word(&text)).n;) {
		if (++count > CONF_ADDRESSES_MAX)
			return ERR_TOO_BIG;
		int err = parse(word, fallback, &sa);
		if (err < 0)
			return err;
	}
	return 0;
}

int conf_address_next(const char **at, struct sockaddr_storage *ret)
{
	struct slice rest = slice_str(*at);
	struct slice word = next_word(&rest);
	*at = (const char *)rest.p;
	return word.n && parse_address(word, 0, ret) == 0;
}

static bool printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	}
	return utf8_valid(s);
}

static int in_bounds(const struct conf_option *o, int err, uint64_t v, uint64_t *ret)
{
	if (err < 0 || v < o->min || v > o->max)
		return ERR_INVALID;
	*ret = v;
	return 0;
}

int conf_value(const struct conf_option *o, struct slice text, uint64_t *ret)
{
	uint64_t v = 0;
	int err;
	if (!printable(text))
		return ERR_INVALID;
	switch (o->type) {
	case CONF_U64:
		err = slice_u64(text, UINT64_MAX, &v);
		return in_bounds(o, err, v, ret);
	case CONF_SIZE:
		err = with_unit(size_units, text, &v);
		return in_bounds(o, err, v, ret);
	case CONF_DURATION:
		err = with_unit(duration_units, text, &v);
		return in_bounds(o, err, v, ret);
	case CONF_BOOL:
		*ret = slice_eq(text, SLICE("true"));
		return *ret || slice_eq(text, SLICE("false")) ? 0 : ERR_INVALID;
	case CONF_STR:
		return text.n >= o->min && text.n <= o->max ? 0 : ERR_INVALID;
	case CONF_ADDRESS:
		return every_word(text, 0, parse_address) < 0 ? ERR_INVALID : 0;
	case CONF_SERVERS:
		return every_word(text, 53, parse_address) < 0 ? ERR_INVALID : 0;
	case CONF_NETWORKS:
		return every_word(text, 0, parse_network) < 0 ? ERR_INVALID : 0;
	case CONF_HOSTS:
		return text.n > o->max || every_word(text, 0, parse_host) < 0 ? ERR_INVALID : 0;
	case CONF_HOST:
		if (!text.n && !o->min)
			return 0;
		return text.n > o->max || parse_host(text, 0, NULL) < 0 ? ERR_INVALID : 0;
	case CONF_URL:
		return text.n > o->max || (text.n && parse_url(text) < 0) ? ERR_INVALID : 0;
	case CONF_CHOICE:
		for (size_t i = 0; o->choices[i]; i++) {
			if (slice_eq(text, slice_str(o->choices[i])))
				return 0;
		}
		return ERR_INVALID;
	}
	return ERR_INTERNAL;
}
