/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the operation table share: parameters that several operations have, and the words that tie
 * a block together. One file a noun (ops_NOUN.c); table.c names them all.
 */
#ifndef PROTO_API_OPS_H
#define PROTO_API_OPS_H

#include "proto/api/api.h"

/* Choices of shared parameters. */
extern const char *const api_modes[];
extern const char *const api_server_tls[];
extern const char *const api_recipient_modes[];
extern const char *const api_down_modes[];
extern const char *const api_banished_modes[];
extern const char *const api_switch[];
extern const char *const api_separators[];

/* What a conversion gives (ops_address.c). */
enum { API_CONVERTED = 3 };
extern const struct api_result api_converted_is[API_CONVERTED];
/* What a change of a domain gives (ops_domain.c). */
enum { API_DOMAIN_SET_MEMBERS = 28 };
extern const struct api_result api_domain_set_is[API_DOMAIN_SET_MEMBERS];
extern const char *const api_allotments[];
extern const char *const api_over_quota[];

/* clang-format off */
#define TEXT_MAX 1024

/* Parameters that several operations share. */
#define P_CUSTOMER(...) { "customer", API_NAME, .min = 1, .max = 64, .help = "the customer's short name", __VA_ARGS__ }
#define P_DOMAIN(...) { "domain", API_DOMAIN, .help = "the mail domain", __VA_ARGS__ }
#define P_ADDRESS(...) { "address", API_ADDRESS, .help = "the mail address", __VA_ARGS__ }
#define P_MODE(...) { "mode", API_CHOICE, .choices = api_modes, .help = "gateway: filter and pass on to the old server; hosted: deliver here", __VA_ARGS__ }
#define P_SERVER { "server", API_HOSTPORT, .help = "the customer's own mail server, HOST:PORT (port 25 where none is named)", .by = API_BY_PROVIDER }
#define P_SERVER_TLS { "server_tls", API_CHOICE, .choices = api_server_tls, .help = "TLS towards that server", .by = API_BY_PROVIDER }
#define P_RECIPIENTS { "recipients", API_CHOICE, .choices = api_recipient_modes, .help = "gateway, an address that is not known here: ask the old server, refuse it, or accept any" }
#define P_WHEN_DOWN { "when_down", API_CHOICE, .choices = api_down_modes, .help = "gateway, an unknown address while the old server does not answer: queue the mail, or say later" }
#define P_BANISHED { "banished", API_CHOICE, .choices = api_banished_modes, .help = "mail to banished addresses: refuse it, or take and drop it" }
#define P_HOSTED { "hosted", API_BOOL, .help = "lives here even while its domain is forwarded (=false: no longer)", .by = API_BY_CUSTOMER }
#define P_SEND_ANY { "send_any", API_BOOL, .help = "may send as any address of its customer's domains (=false: no longer)", .by = API_BY_PROVIDER }
#define P_OWN_LANGUAGE { "language", API_NAME, .min = 2, .max = 16, .help = "language in which the person is written to: en, de, or default for the customer's" }
#define REVISION_IS { "revision", API_REVISION, "as the ETag (without its quotes), for If-Match" }
#define P_DRY_RUN { "dry_run", API_BOOL, .help = "only say what would happen" }
#define P_LIMIT { "limit", API_U64, .min = 1, .max = 1000, .help = "items of one page (100)" }
#define P_Q(where) { "q", API_STR, .min = 1, .max = 320, .help = "only those with this text in " where ", upper and lower case alike" }
#define P_AFTER { "after", API_STR, .min = 1, .max = TEXT_MAX, .help = "cursor of the page before" }
#define P_PASSWORD(...) { "password", API_SECRET, .min = 1, .max = 1024, __VA_ARGS__ }
#define P_MUST_CHANGE { "must_change", API_BOOL, .help = "the password is only good for setting one of one's own" }
#define P_QUOTA(...) { "quota", API_SIZE, .help = "storage for this mailbox, 0 for none", __VA_ARGS__ }
#define P_TO { "to", API_ADDRESS, .many = true, .help = "where its mail goes" }
#define P_DISCARD_MAIL { "discard_mail", API_BOOL, .help = "mail that is there may be lost" }
#define P_SUBADDRESS { "subaddress", API_CHOICE, .choices = api_separators, .help = "what stands in front of a detail, as in joe+shop (+)" }
#define P_CATCH_ALL { "catch_all", API_STR, .min = 1, .max = 320, .help = "mailbox that gets the mail of unknown addresses, or none" }
#define P_MULTIDROP { "multidrop", API_CHOICE, .choices = api_switch, .help = "the catch-all mailbox gets a copy for each recipient, named in Delivered-To and X-Original-To" }
#define P_CANDIDATES { "candidates", API_CHOICE, .choices = api_switch, .help = "keep mail of unknown addresses, and make them candidates; off: refused" }
#define P_CANDIDATE_DAYS { "candidate_days", API_U64, .min = 1, .max = 3650, .help = "how long mail of candidates is kept (30)" }
#define P_CANDIDATE_SIZE { "candidate_size", API_SIZE, .help = "room for the mail of all candidates together (100M)" }
#define P_CANDIDATE_MAX { "candidate_max", API_U64, .min = 1, .max = 9000, .help = "how many candidates there may be (1000)" }
#define P_ALLOTMENT { "allotment", API_CHOICE, .choices = api_allotments, .help = "fixed: each mailbox names its part of the pool; shared: they use it together" }
#define P_RETENTION(...) { "retention", API_STR, .min = 1, .max = 16, .help = "days after which mail is deleted: a number, on (60), off, default", __VA_ARGS__ }
#define P_RETENTION_OF_CUSTOMER { "retention", API_STR, .min = 1, .max = 16, .help = "days after which mail is deleted: a number, on (60), off" }
#define P_OVER_QUOTA { "over_quota", API_CHOICE, .choices = api_over_quota, .help = "mail to a full mailbox: later (452, the sender tries again) or refuse (552)" }
#define P_QUEUE_ID(...) { "id", API_U64, .min = 1, .max = INT64_MAX, .help = "number of the queued message", __VA_ARGS__ }

#define P_LOGIN(...) { "login", API_STR, .min = 1, .max = 320, .help = "login: the address of a mailbox here, or a name or address of its own", __VA_ARGS__ }

#define ROOT "/api/v1"

#define IN(a) .params = a, .n_params = ARRAY_SIZE(a)
#define OUT(a) .results = a, .n_results = ARRAY_SIZE(a)
#define PAGE(a) .list = true, OUT(a)
/* clang-format on */

struct api_group {
	const struct api_op *ops;
	size_t n;
};
extern const struct api_group api_customer_group;
extern const struct api_group api_domain_group;
extern const struct api_group api_policy_group;
extern const struct api_group api_password_group;
extern const struct api_group api_app_password_group;
extern const struct api_group api_totp_group;
extern const struct api_group api_mailbox_group;
extern const struct api_group api_login_group;
extern const struct api_group api_lockout_group;
extern const struct api_group api_address_group;
extern const struct api_group api_candidate_group;
extern const struct api_group api_import_group;
extern const struct api_group api_export_group;
extern const struct api_group api_move_group;
extern const struct api_group api_plan_group;
extern const struct api_group api_queue_group;
extern const struct api_group api_notice_group;
extern const struct api_group api_template_group;
extern const struct api_group api_timer_group;
extern const struct api_group api_admin_group;
extern const struct api_group api_token_group;
extern const struct api_group api_audit_group;
extern const struct api_group api_sieve_group;
extern const struct api_group api_globalscript_group;
extern const struct api_group api_responder_group;
extern const struct api_group api_session_group;
extern const struct api_group api_instance_group;

#define API_GROUP(noun) const struct api_group api_##noun##_group = { ops, ARRAY_SIZE(ops) }

#endif
