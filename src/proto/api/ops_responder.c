/* SPDX-License-Identifier: Apache-2.0 */
/* What a mailbox does by itself: passing mail on, and replying. */
#include "proto/api/ops.h"

/* clang-format off */
#define P_OF P_ADDRESS(.required = true, .positional = true)
#define P_DAY(name_, help_) { name_, API_DAY, .help = help_ }
#define P_SPAN \
	P_DAY("start", "the first day; else at once"), \
	P_DAY("end", "the last day; else until it is removed"), \
	{ "zone", API_STR, .min = 1, .max = 64, .help = "time zone of the days, such as Europe/Berlin (UTC); one for both of the mailbox" }
#define SPAN_IS \
	{ "start", API_STR, "the first day; empty: at once" }, \
	{ "end", API_STR, "the last day; empty: open" }, \
	{ "zone", API_STR, "time zone of the days" }, \
	{ "script", API_TEXT, "the Sieve script that both settings make" }

static const struct api_param of[] = { P_OF };
static const struct api_param forward_set[] = {
	P_OF,
	{ "to", API_ADDRESS, .required = true, .many = true, .help = "where its mail goes; at most four" },
	{ "keep", API_BOOL, .help = "a copy stays in the mailbox" },
	P_SPAN,
};
static const struct api_result forward_is[] = {
	{ "address", API_ADDRESS, "the mailbox" },
	{ "to", API_LIST, "where its mail goes; empty: nowhere else" },
	{ "keep", API_BOOL, "a copy stays in the mailbox" },
	SPAN_IS,
};
static const struct api_param autoreply_set[] = {
	P_OF,
	{ "text", API_TEXT, .required = true, .min = 1, .max = 8192, .help = "what is replied" },
	{ "subject", API_STR, .min = 1, .max = 256, .help = "subject of the reply; else Auto: and theirs" },
	{ "days", API_U64, .min = 1, .max = 30, .help = "one reply to a sender within so many days (7)" },
	P_SPAN,
};
static const struct api_result autoreply_is[] = {
	{ "address", API_ADDRESS, "the mailbox" },
	{ "on", API_BOOL, "there is a reply" },
	{ "subject", API_STR, "its subject" },
	{ "text", API_TEXT, "what is replied" },
	{ "days", API_U64, "one reply to a sender within so many days" },
	SPAN_IS,
};

static const struct api_op ops[] = {
	{ "forward.show", "GET", ROOT "/mailboxes/{address}/forward", API_DIRECTORY, .help = "shows where a mailbox's mail is passed on to", IN(of), OUT(forward_is) },
	{ "forward.set", "PUT", ROOT "/mailboxes/{address}/forward", API_DIRECTORY, .help = "passes a mailbox's mail on, and tells its user so", IN(forward_set), OUT(forward_is) },
	{ "forward.remove", "DELETE", ROOT "/mailboxes/{address}/forward", API_DIRECTORY, .help = "passes its mail on no more", IN(of), OUT(forward_is) },
	{ "autoreply.show", "GET", ROOT "/mailboxes/{address}/autoreply", API_DIRECTORY, .help = "shows a mailbox's automatic reply", IN(of), OUT(autoreply_is) },
	{ "autoreply.set", "PUT", ROOT "/mailboxes/{address}/autoreply", API_DIRECTORY, .help = "replies to whoever writes to a mailbox; never to lists, machines or junk", IN(autoreply_set), OUT(autoreply_is) },
	{ "autoreply.remove", "DELETE", ROOT "/mailboxes/{address}/autoreply", API_DIRECTORY, .help = "replies no more", IN(of), OUT(autoreply_is) },
};
/* clang-format on */
API_GROUP(responder);
