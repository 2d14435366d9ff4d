/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RFC 5322 3.3 and 4.3 (obsolete years and zones), RFC 3501 date-time. Reading skips comments and
 * the day's name, takes seconds and the zone as optional (a missing or unknown zone is UTC), and
 * refuses fields out of range.
 */
#include "proto/mail/date.h"

#include "base/err.h"

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char days[] = "ThuFriSatSunMonTueWed"; /* of 1970-01-01 on */

int64_t civil_days(int year, int month, int day)
{
	/* Counts from 1 March of year 0, so that the leap day is a year's last. */
	int64_t y = month > 2 ? year : year - 1;
	int64_t m = (month + 9) % 12;
	return y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
}

void civil_of_days(int64_t d, int *ret_year, int *ret_month, int *ret_day)
{
	d += 719468;
	int64_t era = (d >= 0 ? d : d - 146096) / 146097;
	int64_t doe = d - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t m = (5 * doy + 2) / 153;
	*ret_day = (int)(doy - (153 * m + 2) / 5 + 1);
	*ret_month = (int)(m < 10 ? m + 3 : m - 9);
	*ret_year = (int)(yoe + era * 400 + (*ret_month <= 2));
}

int civil_month_days(int year, int month)
{
	static const uint8_t len[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return len[month - 1] + (month == 2 && leap);
}

struct cursor {
	struct slice in;
	size_t at;
};

/* Blanks, line ends and comments; nesting is only counted. */
static void skip_cfws(struct cursor *c)
{
	for (unsigned depth = 0; c->at < c->in.n; c->at++) {
		uint8_t b = c->in.p[c->at];
		if (b == '(')
			depth++;
		else if (b == ')' && depth)
			depth--;
		else if (depth && b == '\\' && c->at + 1 < c->in.n)
			c->at++;
		else if (!depth && b != ' ' && b != '\t' && b != '\r' && b != '\n')
			return;
	}
}

/* A number of up to max digits; how many it had, 0 for none. */
static int number(struct cursor *c, int max, int *ret)
{
	int n = 0, v = 0;
	while (n < max && c->at < c->in.n && ascii_is_digit(c->in.p[c->at])) {
		v = v * 10 + (c->in.p[c->at++] - '0');
		n++;
	}
	*ret = v;
	return n;
}

static bool take(struct cursor *c, uint8_t b)
{
	if (c->at >= c->in.n || c->in.p[c->at] != b)
		return false;
	c->at++;
	return true;
}

static struct slice word(struct cursor *c)
{
	size_t from = c->at;
	while (c->at < c->in.n && ascii_is_alpha(c->in.p[c->at]))
		c->at++;
	return slice_sub(c->in, from, c->at);
}

/* 1..12, or 0. Only the first three letters count, as in "September". */
static int month_of(struct slice w)
{
	for (int m = 0; w.n >= 3 && m < 12; m++) {
		if (slice_eq_ci(slice_sub(w, 0, 3), slice_of(months + 3 * m, 3)))
			return m + 1;
	}
	return 0;
}

static int named_zone(struct slice w)
{
	static const struct {
		const char *name;
		int hours;
	} zones[] = { { "EST", -5 }, { "EDT", -4 }, { "CST", -6 }, { "CDT", -5 },
		      { "MST", -7 }, { "MDT", -6 }, { "PST", -8 }, { "PDT", -7 } };
	for (size_t i = 0; i < ARRAY_SIZE(zones); i++) {
		if (slice_eq_ci(w, slice_str(zones[i].name)))
			return zones[i].hours * 60;
	}
	/* UT, GMT, and RFC 5322 4.3: military and unknown ones mean -0000. */
	return 0;
}

static int zone(struct cursor *c, int *ret_minutes)
{
	if (c->at >= c->in.n)
		return 0;
	uint8_t sign = c->in.p[c->at];
	if (sign != '+' && sign != '-') {
		*ret_minutes = named_zone(word(c));
		return 0;
	}
	int v = 0;
	c->at++;
	int n = number(c, 4, &v);
	if (n != 4 || v % 100 > 59)
		return ERR_SYNTAX;
	v = v / 100 * 60 + v % 100;
	*ret_minutes = sign == '-' ? -v : v;
	return 0;
}

static int clock_time(struct cursor *c, bool strict, int64_t *ret_seconds)
{
	int h = 0, m = 0, s = 0;
	if (number(c, 2, &h) < (strict ? 2 : 1) || h > 23)
		return ERR_SYNTAX;
	if (!take(c, ':') || number(c, 2, &m) < (strict ? 2 : 1) || m > 59)
		return ERR_SYNTAX;
	if (take(c, ':') ? number(c, 2, &s) == 0 || s > 60 : strict)
		return ERR_SYNTAX;
	*ret_seconds = h * 3600 + m * 60 + s;
	return 0;
}

static int make(int year, int month, int day, int64_t seconds, int minutes, struct mail_date *ret)
{
	if (month == 0 || year < 1 || year > 9999 || day < 1 || day > civil_month_days(year, month))
		return ERR_SYNTAX;
	ret->ms = (civil_days(year, month, day) * 86400 + seconds - minutes * 60) * 1000;
	ret->zone_minutes = minutes;
	return 0;
}

int mail_date_parse(struct slice s, struct mail_date *ret)
{
	struct cursor c = { s, 0 };
	int day = 0, year = 0, minutes = 0;
	int64_t seconds = 0;
	skip_cfws(&c);
	if (word(&c).n) {
		skip_cfws(&c);
		take(&c, ',');
		skip_cfws(&c);
	}
	if (number(&c, 2, &day) == 0)
		return ERR_SYNTAX;
	skip_cfws(&c);
	take(&c, '-');
	int month = month_of(word(&c));
	skip_cfws(&c);
	take(&c, '-');
	int digits = number(&c, 4, &year);
	if (digits < 2)
		return ERR_SYNTAX;
	if (digits == 2)
		year += year < 50 ? 2000 : 1900;
	else if (digits == 3)
		year += 1900;
	skip_cfws(&c);
	take(&c, ',');
	skip_cfws(&c);
	int err = clock_time(&c, false, &seconds);
	skip_cfws(&c);
	if (err == 0)
		err = zone(&c, &minutes);
	return err < 0 ? err : make(year, month, day, seconds, minutes, ret);
}

struct broken_down {
	int year, month, day, hour, minute, second, weekday, zone;
	char sign;
};

static struct broken_down break_down(int64_t ms, int zone_minutes)
{
	struct broken_down b = { .sign = zone_minutes < 0 ? '-' : '+' };
	int64_t s = (ms >= 0 ? ms : ms - 999) / 1000 + zone_minutes * 60;
	int64_t d = (s >= 0 ? s : s - 86399) / 86400;
	int64_t of_day = s - d * 86400;
	civil_of_days(d, &b.year, &b.month, &b.day);
	b.hour = (int)(of_day / 3600);
	b.minute = (int)(of_day / 60 % 60);
	b.second = (int)(of_day % 60);
	b.weekday = (int)(((d % 7) + 7) % 7);
	int z = zone_minutes < 0 ? -zone_minutes : zone_minutes;
	b.zone = z / 60 * 100 + z % 60;
	return b;
}

void mail_date_format(struct buf *out, int64_t ms, int zone_minutes)
{
	struct broken_down b = break_down(ms, zone_minutes);
	buf_printf(out, "%.3s, %d %.3s %04d %02d:%02d:%02d %c%04d", days + 3 * b.weekday, b.day,
		   months + 3 * (b.month - 1), b.year, b.hour, b.minute, b.second, b.sign, b.zone);
}

void imap_date_time_format(struct buf *out, int64_t ms, int zone_minutes)
{
	struct broken_down b = break_down(ms, zone_minutes);
	buf_printf(out, "%02d-%.3s-%04d %02d:%02d:%02d %c%04d", b.day, months + 3 * (b.month - 1),
		   b.year, b.hour, b.minute, b.second, b.sign, b.zone);
}

/* day "-" month "-" year; the year has four digits. */
static int dashed_date(struct cursor *c, int *ret_year, int *ret_month, int *ret_day)
{
	take(c, ' ');
	if (number(c, 2, ret_day) == 0 || !take(c, '-'))
		return ERR_SYNTAX;
	struct slice name = word(c);
	*ret_month = name.n == 3 ? month_of(name) : 0;
	if (*ret_month == 0 || !take(c, '-') || number(c, 4, ret_year) != 4)
		return ERR_SYNTAX;
	return 0;
}

int imap_date_time_parse(struct slice s, struct mail_date *ret)
{
	struct cursor c = { s, 0 };
	int year = 0, month = 0, day = 0, minutes = 0;
	int64_t seconds = 0;
	if (dashed_date(&c, &year, &month, &day) < 0 || !take(&c, ' ') ||
	    clock_time(&c, true, &seconds) < 0 || !take(&c, ' ') || c.at >= s.n ||
	    (s.p[c.at] != '+' && s.p[c.at] != '-') || zone(&c, &minutes) < 0 || c.at != s.n)
		return ERR_SYNTAX;
	return make(year, month, day, seconds, minutes, ret);
}

int imap_date_parse(struct slice s, int64_t *ret_days)
{
	struct cursor c = { s, 0 };
	struct mail_date d;
	int year = 0, month = 0, day = 0;
	if ((s.n && s.p[0] == ' ') || dashed_date(&c, &year, &month, &day) < 0 || c.at != s.n ||
	    make(year, month, day, 0, 0, &d) < 0)
		return ERR_SYNTAX;
	*ret_days = d.ms / 1000 / 86400;
	return 0;
}
