/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 5260: the tests date and currentdate, and the parts of a date. */
#include "proto/sieve/run_priv.h"

#include "proto/mail/date.h"
#include "proto/mail/header.h"

enum { DATE_FIELD_MAX = 1024, MJD_OF_1970 = 40587 };

static const char *const parts[] = { "year", "month", "day", "date", "julian", "hour", "minute", "second",
				     "time", "iso8601", "std11", "zone", "weekday" };
enum part { YEAR, MONTH, DAY, DATE, JULIAN, HOUR, MINUTE, SECOND, TIME, ISO8601, STD11, ZONE, WEEKDAY, N_PARTS };

static enum part part_of(struct slice name)
{
	enum part p = 0;
	while (p < N_PARTS && !slice_eq_ci(name, slice_str(parts[p])))
		p++;
	return p;
}

bool sieve_date_part_known(struct slice name)
{
	return part_of(name) != N_PARTS;
}

/* RFC 5322 3.3: sign, hours, minutes; a place on earth is at most 14 hours away, the syntax allows 99. */
bool sieve_zone_parse(struct slice s, int *ret_minutes)
{
	if (s.n != 5 || (s.p[0] != '+' && s.p[0] != '-'))
		return false;
	for (size_t i = 1; i < 5; i++) {
		if (!ascii_is_digit(s.p[i]))
			return false;
	}
	int minutes = (s.p[3] - '0') * 10 + s.p[4] - '0';
	int v = ((s.p[1] - '0') * 10 + s.p[2] - '0') * 60 + minutes;
	if (minutes > 59)
		return false;
	*ret_minutes = s.p[0] == '-' ? -v : v;
	return true;
}

struct moment {
	int64_t days;
	int year, month, day, hour, minute, second, zone;
};

static struct moment moment_of(int64_t ms, int zone)
{
	struct moment m = { .zone = zone };
	int64_t s = (ms >= 0 ? ms : ms - 999) / 1000 + zone * 60;
	m.days = (s >= 0 ? s : s - 86399) / 86400;
	int of_day = (int)(s - m.days * 86400);
	civil_of_days(m.days, &m.year, &m.month, &m.day);
	m.hour = of_day / 3600;
	m.minute = of_day / 60 % 60;
	m.second = of_day % 60;
	return m;
}

static void put_iso8601(const struct moment *m, struct buf *out)
{
	int z = m->zone < 0 ? -m->zone : m->zone;
	buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d", m->year, m->month, m->day, m->hour, m->minute,
		   m->second, m->zone < 0 ? '-' : '+', z / 60, z % 60);
}

bool sieve_date_part(struct slice name, int64_t ms, int zone_minutes, struct buf *out)
{
	struct moment m = moment_of(ms, zone_minutes);
	int z = m.zone < 0 ? -m.zone : m.zone;
	switch (part_of(name)) {
	case YEAR: buf_printf(out, "%04d", m.year); break;
	case MONTH: buf_printf(out, "%02d", m.month); break;
	case DAY: buf_printf(out, "%02d", m.day); break;
	case DATE: buf_printf(out, "%04d-%02d-%02d", m.year, m.month, m.day); break;
	case JULIAN: buf_printf(out, "%lld", (long long)m.days + MJD_OF_1970); break;
	case HOUR: buf_printf(out, "%02d", m.hour); break;
	case MINUTE: buf_printf(out, "%02d", m.minute); break;
	case SECOND: buf_printf(out, "%02d", m.second); break;
	case TIME: buf_printf(out, "%02d:%02d:%02d", m.hour, m.minute, m.second); break;
	case ISO8601: put_iso8601(&m, out); break;
	case STD11: mail_date_format(out, ms, zone_minutes); break;
	case ZONE: buf_printf(out, "%c%02d%02d", m.zone < 0 ? '-' : '+', z / 60, z % 60); break;
	case WEEKDAY: buf_printf(out, "%d", (int)(((m.days + 4) % 7 + 7) % 7)); break;
	default: return false;
	}
	return true;
}

/* Dates outside of years 1 to 9999 have no parts. */
static bool is_civil(int64_t ms, int zone)
{
	int64_t days = (ms / 1000 + zone * 60) / 86400;
	return days >= civil_days(1, 1, 2) && days <= civil_days(9999, 12, 30);
}

static int zone_of(struct sieve_runner *r, const struct sieve_node *n, int64_t ms, int original)
{
	const struct sieve_arg *a = sieve_tag_arg(n, TAG_ZONE);
	int minutes;
	if (a && sieve_zone_parse(sieve_text(r, &a->strings[0]), &minutes))
		return minutes;
	if (sieve_tag(n, TAG_ORIGINALZONE))
		return original;
	return r->env->zone ? r->env->zone(r->env->ctx, ms) : 0;
}

/* RFC 5260 4: of a field with more in it, as Received, the date is behind the last semicolon. */
static bool date_of_field(struct sieve_runner *r, struct slice value, struct mail_date *ret)
{
	struct slice s = header_unfold(value, DATE_FIELD_MAX, r->scratch);
	size_t from = s.n;
	while (from && s.p[from - 1] != ';')
		from--;
	return sieve_charge(r, s.n) && mail_date_parse(slice_sub(s, from, s.n), ret) == 0;
}

static bool match_date(struct sieve_runner *r, const struct sieve_node *n, const struct mail_date *d, size_t part)
{
	struct sieve_matcher m;
	struct buf out = BUF_INIT(64);
	int zone = zone_of(r, n, d->ms, d->zone_minutes);
	bool hit = false;
	sieve_matcher_init(&m, r, n, n->positional[part + 1]);
	if (is_civil(d->ms, zone) &&
	    sieve_date_part(sieve_text(r, &n->positional[part]->strings[0]), d->ms, zone, &out))
		hit = sieve_matcher_value(&m, buf_view(&out));
	buf_fini(&out);
	return hit || sieve_matcher_end(&m);
}

static bool match_no_date(struct sieve_runner *r, const struct sieve_node *n)
{
	struct sieve_matcher m;
	sieve_matcher_init(&m, r, n, n->positional[2]);
	return sieve_matcher_end(&m);
}

bool sieve_test_date(struct sieve_runner *r, const struct sieve_node *n)
{
	struct mail_date d = { r->env->now_ms, 0 };
	if (n->spec->op == OP_CURRENTDATE)
		return match_date(r, n, &d, 0);
	struct sieve_fields f = sieve_fields(r, n, sieve_text(r, &n->positional[0]->strings[0]));
	if (f.n == 0 || !date_of_field(r, f.values[0], &d))
		return match_no_date(r, n);
	return match_date(r, n, &d, 1);
}
