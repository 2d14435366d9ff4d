/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events, not sentences: ev(EV_INFO, "smtp.rcpt.refused", KSL("address", a), KI("code", 550)).
 * The name is <area>.<object>.<outcome>. Values are bounded (EV_VALUE_MAX, then cut), control
 * bytes and broken UTF-8 are escaped, so one event is always one parsable line. Never a
 * password, a token or a message body as a value. A sink writes lines to fd 2: text (logfmt) or JSON.
 */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include "base/slice.h"

enum ev_level { EV_DEBUG, EV_INFO, EV_WARN, EV_ERROR };
enum { EV_VALUE_MAX = 512 };

struct ev_field {
	const char *key;
	enum { EV_STR, EV_INT } type;
	struct slice s;
	int64_t i;
};

#define KS(k, v) ((struct ev_field){ (k), EV_STR, slice_str(v), 0 })	/* C string, may be NULL */
#define KSL(k, v) ((struct ev_field){ (k), EV_STR, (v), 0 })		/* slice */
#define KI(k, v) ((struct ev_field){ (k), EV_INT, { 0 }, (int64_t)(v) })

#define ev(level, name, ...)                                                                       \
	ev_emit((level), (name),                                                                   \
		(const struct ev_field[]){ __VA_ARGS__ __VA_OPT__(, ) { 0 } })
void ev_emit(enum ev_level level, const char *name, const struct ev_field *fields);

/* Who speaks ("smtpd.0"; copied), in which form, from which level on. */
void ev_setup(const char *who, bool json, enum ev_level least);

#endif
