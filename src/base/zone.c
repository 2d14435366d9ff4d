/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 8536 3: the second of the two blocks (64 bits), then the rule of POSIX TZ for the years behind the table. */
#include "base/zone.h"

#include "base/err.h"

enum { HEADER = 44, TYPE = 6, TIME = 8, DAY = 86400, OFFSET_MAX = 26 * 3600 };

static uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

struct counts {
	uint64_t isut, isstd, leap, times, types, chars;
};

static bool read_header(struct slice in, struct counts *ret)
{
	if (in.n < HEADER || memcmp(in.p, "TZif", 4) != 0)
		return false;
	*ret = (struct counts){ be32(in.p + 20), be32(in.p + 24), be32(in.p + 28),
				be32(in.p + 32), be32(in.p + 36), be32(in.p + 40) };
	return true;
}

static uint64_t block_size(const struct counts *c, unsigned time_size)
{
	return c->times * time_size + c->times + c->types * TYPE + c->chars + c->leap * (time_size + 4) + c->isstd +
	       c->isut;
}

int zone_parse(struct slice tzif, struct zone *ret)
{
	struct counts c;
	if (!read_header(tzif, &c) || tzif.p[4] < '2' || block_size(&c, 4) > tzif.n - HEADER)
		return ERR_SYNTAX;
	struct slice in = slice_sub(tzif, HEADER + block_size(&c, 4), tzif.n);
	if (!read_header(in, &c) || block_size(&c, 8) > in.n - HEADER || c.types == 0)
		return ERR_SYNTAX;
	in = slice_sub(in, HEADER, in.n);
	struct slice rule = slice_trim(slice_sub(in, block_size(&c, 8), in.n));
	size_t at = c.times * TIME;
	struct slice kinds = slice_sub(in, at, at + c.times);
	for (size_t i = 0; i < kinds.n; i++) {
		if (kinds.p[i] >= c.types)
			return ERR_SYNTAX;
	}
	*ret = (struct zone){ slice_sub(in, 0, at), kinds, slice_sub(in, at + c.times, at + c.times + c.types * TYPE), rule };
	return 0;
}

static int64_t time_at(const struct zone *z, size_t i)
{
	const uint8_t *p = z->times.p + i * TIME;
	return (int64_t)((uint64_t)be32(p) << 32 | be32(p + 4));
}

static int type_seconds(const struct zone *z, size_t type)
{
	int32_t v = (int32_t)be32(z->types.p + type * TYPE);
	return v > OFFSET_MAX ? OFFSET_MAX : v < -OFFSET_MAX ? -OFFSET_MAX : v;
}

/* ---- POSIX TZ: "CET-1CEST,M3.5.0,M10.5.0/3", "<+03>-3" ---- */

struct cursor {
	struct slice in;
	size_t at;
};

static int peek(const struct cursor *c)
{
	return c->at < c->in.n ? c->in.p[c->at] : -1;
}

static bool take(struct cursor *c, char want)
{
	if (peek(c) != want)
		return false;
	c->at++;
	return true;
}

static int number(struct cursor *c)
{
	int v = 0;
	for (int b; (b = peek(c)) >= '0' && b <= '9' && v < 1000; c->at++)
		v = v * 10 + b - '0';
	return v;
}

static void skip_name(struct cursor *c)
{
	bool quoted = take(c, '<');
	for (int b; (b = peek(c)) >= 0; c->at++) {
		if (quoted ? b == '>' : !ascii_is_alpha((uint8_t)b))
			break;
	}
	if (quoted)
		take(c, '>');
}

/* [+-]hh[:mm[:ss]] in seconds, up to 167 hours. */
static int clock_time(struct cursor *c)
{
	int sign = take(c, '-') ? -1 : 1;
	take(c, '+');
	int s = number(c) % 168 * 3600;
	if (take(c, ':'))
		s += number(c) % 60 * 60;
	if (take(c, ':'))
		s += number(c) % 60;
	return sign * s;
}

static int64_t days_of(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400, yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool is_leap(int64_t y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* "Mm.w.d", "Jn" or "n", with "/time": seconds since 1970 on the local clock before the change. */
static int64_t change_of(struct cursor *c, int64_t year)
{
	int64_t day;
	if (take(c, 'M')) {
		int m = number(c), w = 1, d = 0;
		if (take(c, '.'))
			w = number(c);
		if (take(c, '.'))
			d = number(c) % 7;
		m = m < 1 ? 1 : m > 12 ? 12 : m;
		day = days_of(year, m, 1);
		day += (d - (int)(((day + 4) % 7 + 7) % 7) + 7) % 7;
		int64_t next = m == 12 ? days_of(year + 1, 1, 1) : days_of(year, m + 1, 1);
		for (; w > 1 && day + 7 < next; w--)
			day += 7;
	} else if (take(c, 'J')) {
		int n = number(c);
		day = days_of(year, 1, 1) + n - 1 + (n >= 60 && is_leap(year));
	} else {
		day = days_of(year, 1, 1) + number(c);
	}
	return day * DAY + (take(c, '/') ? clock_time(c) : 2 * 3600);
}

static int64_t year_of(int64_t seconds)
{
	int64_t y = 1970 + seconds / (365 * DAY + DAY / 4);
	while (days_of(y + 1, 1, 1) * DAY <= seconds)
		y++;
	while (days_of(y, 1, 1) * DAY > seconds)
		y--;
	return y;
}

static int rule_seconds(struct slice rule, int64_t seconds)
{
	struct cursor c = { rule, 0 };
	skip_name(&c);
	int standard = -clock_time(&c), summer = standard + 3600;
	if (peek(&c) < 0)
		return standard;
	skip_name(&c);
	if (peek(&c) != ',' && peek(&c) >= 0)
		summer = -clock_time(&c);
	if (!take(&c, ','))
		return standard;
	int64_t year = year_of(seconds + standard);
	int64_t begin = change_of(&c, year) - standard;
	take(&c, ',');
	int64_t end = change_of(&c, year) - summer;
	bool in_summer = begin < end ? seconds >= begin && seconds < end : seconds >= begin || seconds < end;
	return in_summer ? summer : standard;
}

int zone_minutes(const struct zone *z, int64_t ms)
{
	int64_t seconds = (ms >= 0 ? ms : ms - 999) / 1000;
	size_t lo = 0, hi = z->kinds.n;
	while (lo < hi) {	/* how many transitions are over */
		size_t mid = lo + (hi - lo) / 2;
		if (time_at(z, mid) <= seconds)
			lo = mid + 1;
		else
			hi = mid;
	}
	int64_t limit = 8000ll * 365 * DAY;
	int v = lo == z->kinds.n && z->rule.n && seconds > -limit && seconds < limit ? rule_seconds(z->rule, seconds)
		: lo									 ? type_seconds(z, z->kinds.p[lo - 1])
											 : type_seconds(z, 0);
	v = v > OFFSET_MAX ? OFFSET_MAX : v < -OFFSET_MAX ? -OFFSET_MAX : v;
	return v / 60;
}

int64_t zone_to_utc(const struct zone *z, int64_t local_ms)
{
	/* With the larger of the offsets around comes the earlier moment. */
	int before = zone_minutes(z, local_ms - DAY * 1000ll), behind = zone_minutes(z, local_ms + DAY * 1000ll);
	int64_t first = local_ms - (before > behind ? before : behind) * 60000ll;
	int64_t second = local_ms - (before > behind ? behind : before) * 60000ll;
	if (first + zone_minutes(z, first) * 60000ll == local_ms)
		return first;
	if (second + zone_minutes(z, second) * 60000ll == local_ms)
		return second;
	for (int64_t t = first; t < second; t += 60000) {	/* left out: the minute of the change */
		if (zone_minutes(z, t) == behind)
			return t;
	}
	return second;
}
