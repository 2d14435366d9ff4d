/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dates of mail: the Date field (RFC 5322 3.3 and its obsolete forms, read tolerantly, written
 * strictly) and IMAP's internal date (RFC 3501 date-time). Times are milliseconds since 1970-01-01
 * UTC; years 1 to 9999.
 */
#ifndef PROTO_MAIL_DATE_H
#define PROTO_MAIL_DATE_H

#include "base/buf.h"

struct mail_date {
	int64_t ms;       /* UTC */
	int zone_minutes; /* east of UTC, as it was written */
};

/* "Sat, 21 Nov 2026 10:00:00 +0100 (CET)", "21 Nov 26 10:00 EST", ... ERR_SYNTAX; *ret untouched
 * then. */
NODISCARD int mail_date_parse(struct slice s, struct mail_date *ret);
void mail_date_format(struct buf *out, int64_t ms,
		      int zone_minutes); /* "Sat, 21 Nov 2026 10:00:00 +0100" */

/* "21-Nov-2026 10:00:00 +0100", a day below 10 with a blank or a zero or alone; without the quotes.
 */
NODISCARD int imap_date_time_parse(struct slice s, struct mail_date *ret);
void imap_date_time_format(struct buf *out, int64_t ms, int zone_minutes);

/* "21-Nov-2026", "1-Nov-2026" (RFC 3501 date): days since 1970-01-01. */
NODISCARD int imap_date_parse(struct slice s, int64_t *ret_days);

/* Days since 1970-01-01 of a date of the Gregorian calendar, and back. */
int64_t civil_days(int year, int month, int day);
void civil_of_days(int64_t days, int *ret_year, int *ret_month, int *ret_day);
int civil_month_days(int year, int month); /* 28 to 31; month 1 to 12 */

#endif
