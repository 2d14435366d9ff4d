/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/err.h"
#include "lib/zone/zones.h"
#include "proto/mail/date.h"

static int64_t ms_of(const char *text)
{
	struct mail_date d;
	assert_int_equal(mail_date_parse(slice_str(text), &d), 0);
	return d.ms;
}

static void places(void **state)
{
	static const struct {
		const char *zone, *when;
		int minutes;
	} cases[] = {
		{ "UTC", "22 Nov 2026 03:50:00 +0000", 0 },
		{ "Europe/Berlin", "22 Nov 2026 03:50:00 +0000", 60 },
		{ "Europe/Berlin", "1 Jul 2026 03:50:00 +0000", 120 },
		{ "Europe/Berlin", "29 Mar 2026 00:59:59 +0000", 60 },
		{ "Europe/Berlin", "29 Mar 2026 01:00:00 +0000", 120 },
		{ "Europe/Berlin", "25 Oct 2026 00:59:59 +0000", 120 },
		{ "Europe/Berlin", "25 Oct 2026 01:00:00 +0000", 60 },
		{ "Europe/Berlin", "1 Jul 2090 00:00:00 +0000", 120 },	/* behind the table */
		{ "Europe/Berlin", "1 Dec 2090 00:00:00 +0000", 60 },
		{ "America/New_York", "1 Jul 2026 00:00:00 +0000", -240 },
		{ "Australia/Sydney", "1 Jan 2090 00:00:00 +0000", 660 },	/* summer over the new year */
		{ "Australia/Sydney", "1 Jul 2090 00:00:00 +0000", 600 },
		{ "Asia/Kolkata", "1 Jan 2026 00:00:00 +0000", 330 },
		{ "Asia/Kathmandu", "1 Jan 2026 00:00:00 +0000", 345 },
		{ "Etc/GMT+5", "1 Jan 2026 00:00:00 +0000", -300 },
		{ "Nowhere/Town", "1 Jan 2026 00:00:00 +0000", 0 },
	};
	zones_load();
	if (!zones_find(SLICE("Europe/Berlin")))
		fail_msg("there is no time zone database: package tzdata");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int m = zones_minutes(slice_str(cases[i].zone), ms_of(cases[i].when));
		if (m != cases[i].minutes)
			fail_msg("%s %s: %d, expected %d", cases[i].zone, cases[i].when, m, cases[i].minutes);
	}
	assert_null(zones_find(SLICE("Nowhere/Town")));
	assert_null(zones_find(SLICE("../passwd")));
	assert_null(zones_find(SLICE("posix/UTC")));
}

/* The clock of the place as if it were UTC, and the moment. */
static void local_to_utc(void **state)
{
	static const struct {
		const char *local, *utc;
	} cases[] = {
		{ "22 Nov 2026 00:00:00 +0000", "21 Nov 2026 23:00:00 +0000" },
		{ "1 Jul 2026 00:00:00 +0000", "30 Jun 2026 22:00:00 +0000" },
		{ "29 Mar 2026 01:59:00 +0000", "29 Mar 2026 00:59:00 +0000" },
		{ "29 Mar 2026 02:30:00 +0000", "29 Mar 2026 01:00:00 +0000" },	/* left out */
		{ "29 Mar 2026 03:00:00 +0000", "29 Mar 2026 01:00:00 +0000" },
		{ "25 Oct 2026 02:30:00 +0000", "25 Oct 2026 00:30:00 +0000" },	/* the first of two */
		{ "25 Oct 2026 03:00:00 +0000", "25 Oct 2026 02:00:00 +0000" },
	};
	zones_load();
	const struct zone *z = zones_find(SLICE("Europe/Berlin"));
	if (!z)
		fail_msg("there is no time zone database: package tzdata");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(zone_to_utc(z, ms_of(cases[i].local)), ms_of(cases[i].utc));
}

static void put32(struct buf *b, uint32_t v)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		buf_byte(b, (uint8_t)(v >> shift));
}

static void put_header(struct buf *b, uint32_t times, uint32_t types)
{
	buf_str(b, "TZif2");
	for (int i = 0; i < 15; i++)
		buf_byte(b, 0);
	put32(b, 0);
	put32(b, 0);
	put32(b, 0);
	put32(b, times);
	put32(b, types);
	put32(b, 0);
}

/* A file made by hand; cut anywhere before its rule, it is refused. */
static void bytes(void **state)
{
	struct buf b = BUF_INIT(1000);
	struct zone z;
	put_header(&b, 0, 0);
	put_header(&b, 1, 2);
	put32(&b, 0);
	put32(&b, 1000);	/* the transition */
	buf_byte(&b, 1);
	put32(&b, 3600);
	buf_append(&b, "\0\0", 2);
	put32(&b, 7200);
	buf_append(&b, "\0\0", 2);
	size_t whole = b.n;
	for (size_t n = 0; n < whole; n++)
		assert_int_equal(zone_parse(slice_of(b.p, n), &z), ERR_SYNTAX);
	assert_int_equal(zone_parse(buf_view(&b), &z), 0);
	assert_int_equal(zone_minutes(&z, 999999), 60);
	assert_int_equal(zone_minutes(&z, 1000000), 120);
	buf_str(&b, "\n<-03>3\n");
	assert_int_equal(zone_parse(buf_view(&b), &z), 0);
	assert_int_equal(zone_minutes(&z, 1000000), -180);
	b.p[whole - 13] = 2;	/* a type that is not there */
	assert_int_equal(zone_parse(buf_view(&b), &z), ERR_SYNTAX);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places), cmocka_unit_test(local_to_utc), cmocka_unit_test(bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
