/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All operations. One block each: what goes in, what comes out; then the line that ties them together.
 * An operation that changes something says in its help what; its results are members of the JSON answer.
 */
#include "proto/api/api.h"

static const char *const modes[] = { "gateway", "hosted", NULL };
static const char *const server_tls[] = { "opportunistic", "none", "required", "verified", NULL };
static const char *const source_tls[] = { "tls", "starttls", "none", NULL };
static const char *const recipient_modes[] = { "ask", "list", "any", NULL };
static const char *const down_modes[] = { "queue", "later", NULL };
static const char *const banished_modes[] = { "refuse", "drop", NULL };
static const char *const address_types[] = { "alias", "list", "redirect", "banished", NULL };

/* clang-format off */
#define TEXT_MAX 1024

/* Parameters that several operations share. */
#define P_CUSTOMER(...) { "customer", API_NAME, .min = 1, .max = 64, .help = "the customer's short name", __VA_ARGS__ }
#define P_DOMAIN(...) { "domain", API_DOMAIN, .help = "the mail domain", __VA_ARGS__ }
#define P_ADDRESS(...) { "address", API_ADDRESS, .help = "the mail address", __VA_ARGS__ }
#define P_MODE(...) { "mode", API_CHOICE, .choices = modes, .help = "gateway: filter and pass on to the old server; hosted: deliver here", __VA_ARGS__ }
#define P_SERVER { "server", API_HOSTPORT, .help = "the customer's own mail server, HOST:PORT (port 25 where none is named)" }
#define P_SERVER_TLS { "server_tls", API_CHOICE, .choices = server_tls, .help = "TLS towards that server" }
#define P_RECIPIENTS { "recipients", API_CHOICE, .choices = recipient_modes, .help = "gateway, an address that is not known here: ask the old server, refuse it, or accept any" }
#define P_WHEN_DOWN { "when_down", API_CHOICE, .choices = down_modes, .help = "gateway, an unknown address while the old server does not answer: queue the mail, or say later" }
#define P_BANISHED { "banished", API_CHOICE, .choices = banished_modes, .help = "mail to banished addresses: refuse it, or take and drop it" }
#define P_HOSTED { "hosted", API_BOOL, .help = "lives here even while its domain is forwarded" }
#define P_SEND_ANY { "send_any", API_BOOL, .help = "may send as any address of its customer's domains" }
#define P_DRY_RUN { "dry_run", API_BOOL, .help = "only say what would happen" }
#define P_LIMIT { "limit", API_U64, .min = 1, .max = 1000, .help = "items of one page (100)" }
#define P_AFTER { "after", API_STR, .min = 1, .max = TEXT_MAX, .help = "cursor of the page before" }
#define P_PASSWORD(...) { "password", API_SECRET, .min = 1, .max = 1024, __VA_ARGS__ }
#define P_QUOTA { "quota", API_SIZE, .help = "storage for this mailbox, 0 for none" }
#define P_QUEUE_ID(...) { "id", API_U64, .min = 1, .max = INT64_MAX, .help = "number of the queued message", __VA_ARGS__ }

#define ROOT "/api/v1"

/* customer */

static const struct api_param customer_add[] = {
	P_CUSTOMER(.required = true, .positional = true),
	{ "pool", API_SIZE, .help = "storage for all mailboxes of the customer together" },
	{ "language", API_NAME, .min = 2, .max = 16, .help = "language of notices, such as de or en" },
	{ "contact", API_ADDRESS, .help = "where to reach the customer's administrator" },
};
static const struct api_param customer_list[] = { P_LIMIT, P_AFTER };
static const struct api_param customer_show[] = { P_CUSTOMER(.required = true, .positional = true) };
static const struct api_result customer_is[] = {
	{ "customer", API_NAME, "short name" },
	{ "domains", API_U64, "how many domains" },
	{ "mailboxes", API_U64, "how many mailboxes" },
	{ "pool_bytes", API_LIMIT, "storage bought, 0 for no limit" },
	{ "used_bytes", API_BYTES, "storage used" },
	{ "language", API_STR, "language of notices" },
	{ "contact", API_STR, "administrator's address" },
	{ "created_ms", API_TIME, "when it was added" },
};

/* domain */

static const struct api_param domain_add[] = {
	P_DOMAIN(.required = true, .positional = true),
	P_CUSTOMER(.required = true),
	P_MODE(.required = true),
	P_SERVER,
	P_SERVER_TLS,
	P_RECIPIENTS,
	P_WHEN_DOWN,
	P_BANISHED,
};
static const struct api_param domain_list[] = { P_CUSTOMER(), P_LIMIT, P_AFTER };
static const struct api_param domain_show[] = { P_DOMAIN(.required = true, .positional = true) };
static const struct api_param domain_set[] = {
	P_DOMAIN(.required = true, .positional = true),
	P_SERVER,
	P_SERVER_TLS,
	P_RECIPIENTS,
	P_WHEN_DOWN,
	P_BANISHED,
	P_CUSTOMER(),
};
static const struct api_param domain_switch[] = {
	P_DOMAIN(.required = true, .positional = true),
	P_MODE(.required = true, .positional = true),
	P_DRY_RUN,
};
static const struct api_result domain_is[] = {
	{ "domain", API_DOMAIN, "the domain" },
	{ "customer", API_NAME, "whose it is" },
	{ "mode", API_CHOICE, "gateway or hosted" },
	{ "server", API_STR, "the customer's own server" },
	{ "server_tls", API_CHOICE, "TLS towards it" },
	{ "phase", API_STR, "announced, filtering, copying, hosted or done" },
	{ "recipients", API_CHOICE, "how unknown addresses are judged while it is forwarded" },
	{ "when_down", API_CHOICE, "what happens to them while the old server does not answer" },
	{ "banished", API_CHOICE, "what happens to mail for banished addresses" },
	{ "mailboxes", API_U64, "how many mailboxes" },
	{ "addresses", API_U64, "how many aliases, lists and redirects" },
	{ "created_ms", API_TIME, "when it was added" },
};
static const struct api_result switch_is[] = {
	{ "domain", API_DOMAIN, "the domain" },
	{ "mode_before", API_CHOICE, "mode until now" },
	{ "mode", API_CHOICE, "mode from now on" },
	{ "dry_run", API_BOOL, "nothing was changed" },
	{ "warnings", API_LIST, "what to look at before" },
};

/* mailbox */

static const struct api_param mailbox_add[] = {
	P_ADDRESS(.required = true, .positional = true),
	P_PASSWORD(.help = "the login's password; without one nobody can log in"),
	P_QUOTA,
	{ "name", API_STR, .min = 1, .max = 256, .help = "the person's name" },
	P_HOSTED,
	P_SEND_ANY,
};
static const struct api_param mailbox_list[] = { P_DOMAIN(), P_CUSTOMER(), P_LIMIT, P_AFTER };
static const struct api_param mailbox_show[] = { P_ADDRESS(.required = true, .positional = true) };
static const struct api_param mailbox_set[] = {
	P_ADDRESS(.required = true, .positional = true),
	P_QUOTA,
	{ "name", API_STR, .min = 1, .max = 256, .help = "the person's name" },
	P_HOSTED,
	P_SEND_ANY,
};
static const struct api_param mailbox_password[] = {
	P_ADDRESS(.required = true, .positional = true),
	P_PASSWORD(.required = true, .help = "the new password"),
};
static const struct api_result mailbox_is[] = {
	{ "address", API_ADDRESS, "address and login" },
	{ "name", API_STR, "the person's name" },
	{ "used_bytes", API_BYTES, "storage used" },
	{ "quota_bytes", API_LIMIT, "storage allowed, 0 for no limit" },
	{ "messages", API_U64, "how many messages" },
	{ "has_password", API_BOOL, "whether somebody can log in" },
	{ "account_id", API_U64, "number of the account, never given again" },
	{ "created_ms", API_TIME, "when it was added" },
};

/* address */

static const struct api_param address_add[] = {
	P_ADDRESS(.required = true, .positional = true),
	{ "type", API_CHOICE, .required = true, .choices = address_types, .help = "alias: another name of a mailbox; list: to several; redirect: to elsewhere; banished: refused" },
	{ "to", API_ADDRESS, .many = true, .help = "where its mail goes" },
	P_HOSTED,
};
static const struct api_param address_list[] = { P_DOMAIN(), P_LIMIT, P_AFTER };
static const struct api_param address_remove[] = { P_ADDRESS(.required = true, .positional = true) };
static const struct api_result address_is[] = {
	{ "address", API_ADDRESS, "the address" },
	{ "type", API_CHOICE, "alias, list, redirect or banished" },
	{ "to", API_LIST, "where its mail goes" },
	{ "created_ms", API_TIME, "when it was added" },
};

/* import */

static const struct api_param import_params[] = {
	{ "file", API_FILE, .required = true, .positional = true, .max = API_FILE_MAX, .help = "the file to import" },
	P_DOMAIN(.required = true),
	P_DRY_RUN,
};
static const struct api_result import_is[] = {
	{ "domain", API_DOMAIN, "the domain" },
	{ "lines", API_U64, "lines that were read" },
	{ "added", API_U64, "new ones" },
	{ "unchanged", API_U64, "there already, the same" },
	{ "changed", API_U64, "there already, brought up to date" },
	{ "dry_run", API_BOOL, "nothing was changed" },
	{ "warnings", API_LIST, "what to look at, with the line" },
};

/* move */

static const struct api_param move_start[] = {
	P_DOMAIN(.required = true, .positional = true),
	{ "from", API_SOURCE, .required = true, .help = "the old server, imap://HOST:PORT or imaps://HOST:PORT" },
	{ "tls", API_CHOICE, .choices = source_tls, .help = "TLS towards it (tls with imaps, else starttls)" },
	{ "verify", API_BOOL, .help = "demand a valid certificate of the old server" },
	{ "master_user", API_STR, .min = 1, .max = 320, .help = "login that may read every mailbox there" },
	P_PASSWORD(.help = "the master user's password"),
	{ "passwords", API_FILE, .max = API_FILE_MAX, .help = "file with lines ADDRESS:PASSWORD or ADDRESS:LOGIN:PASSWORD" },
};
static const struct api_param move_domain[] = { P_DOMAIN(.required = true, .positional = true) };
static const struct api_result move_is[] = {
	{ "domain", API_DOMAIN, "the domain" },
	{ "state", API_CHOICE, "none, running, done, failed or stopped" },
	{ "from", API_STR, "the old server" },
	{ "mailboxes_total", API_U64, "mailboxes to copy" },
	{ "mailboxes_done", API_U64, "mailboxes that are here" },
	{ "mailboxes_failed", API_U64, "mailboxes that could not be read" },
	{ "messages_total", API_U64, "messages seen at the old server" },
	{ "messages_done", API_U64, "messages that are here" },
	{ "messages_new", API_U64, "messages copied by this run" },
	{ "bytes_new", API_BYTES, "bytes copied by this run" },
	{ "messages_failed", API_U64, "messages that could not be copied" },
	{ "messages_per_second", API_U64, "rate of this run" },
	{ "bytes_per_second", API_BYTES, "rate of this run" },
	{ "eta_ms", API_U64, "milliseconds that are left at this rate" },
	{ "started_ms", API_TIME, "start of this run" },
	{ "updated_ms", API_TIME, "last sign of life" },
	{ "mailboxes", API_OBJECTS, "each mailbox: address, state, error, folders_total, folders_done, messages_total, messages_done, messages_new, bytes_new, messages_failed" },
};
static const struct api_result proof_is[] = {
	{ "domain", API_DOMAIN, "the domain" },
	{ "state", API_CHOICE, "running, or done" },
	{ "complete", API_BOOL, "everything of the old server is here" },
	{ "messages_there", API_U64, "messages at the old server" },
	{ "messages_here", API_U64, "of these, messages here" },
	{ "messages_missing", API_U64, "of these, messages not here" },
	{ "messages_different", API_U64, "of these, messages whose bytes or date differ" },
	{ "mailboxes", API_OBJECTS, "each mailbox: address, state, error, folders [{name, there, here, missing}]" },
};

/* queue */

static const struct api_param queue_list[] = {
	{ "domain", API_DOMAIN, .help = "only mail to this domain" },
	{ "sender", API_STR, .max = 320, .help = "only mail of this sender" },
	P_LIMIT,
	P_AFTER,
};
static const struct api_param queue_show[] = { P_QUEUE_ID(.required = true, .positional = true) };
static const struct api_param queue_flush[] = {
	P_QUEUE_ID(.positional = true),
	{ "domain", API_DOMAIN, .help = "only mail to this domain" },
};
static const struct api_param queue_remove[] = {
	P_QUEUE_ID(.required = true, .positional = true),
	{ "bounce", API_BOOL, .help = "tell the sender" },
};
static const struct api_result queue_is[] = {
	{ "id", API_U64, "number of the queued message" },
	{ "sender", API_STR, "envelope sender" },
	{ "recipients", API_U64, "recipients that wait" },
	{ "size_bytes", API_BYTES, "size" },
	{ "tries", API_U64, "attempts so far" },
	{ "next_ms", API_TIME, "next attempt" },
	{ "created_ms", API_TIME, "when it was accepted" },
	{ "error", API_STR, "last reply or error" },
};
static const struct api_result queued_is[] = {
	{ "id", API_U64, "number of the queued message" },
	{ "sender", API_STR, "envelope sender" },
	{ "size_bytes", API_BYTES, "size" },
	{ "created_ms", API_TIME, "when it was accepted" },
	{ "expires_ms", API_TIME, "when it goes back to the sender" },
	{ "recipients", API_OBJECTS, "each recipient: address, state, host, tries, next_ms, error" },
};
static const struct api_result count_is[] = { { "count", API_U64, "messages touched" } };

/* store, status */

static const struct api_result check_is[] = {
	{ "accounts", API_U64, "accounts" },
	{ "mailboxes", API_U64, "folders" },
	{ "messages", API_U64, "messages" },
	{ "blobs", API_U64, "stored bodies" },
	{ "size_bytes", API_BYTES, "bytes of stored bodies" },
	{ "faults", API_U64, "what does not agree" },
	{ "texts", API_LIST, "the first faults in words" },
};
static const struct api_result compact_is[] = {
	{ "segments_before", API_U64, "segments before" },
	{ "segments_after", API_U64, "segments after" },
	{ "before_bytes", API_BYTES, "bytes before" },
	{ "after_bytes", API_BYTES, "bytes after" },
};
static const struct api_param status_params[] = {
	{ "trials", API_BOOL, .help = "have every room try what its sandbox must refuse" },
};
static const struct api_result status_is[] = {
	{ "version", API_STR, "version that runs" },
	{ "started_ms", API_TIME, "when it was started" },
	{ "rooms", API_OBJECTS, "each room: role, index, pid, state, rss_bytes, pss_bytes, restarts, started_ms, counters, trials" },
	{ "customers", API_U64, "customers" },
	{ "domains", API_U64, "domains" },
	{ "mailboxes", API_U64, "mailboxes" },
	{ "queued", API_U64, "messages in the queue" },
};
static const struct api_result overview_is[] = {
	{ "customers", API_U64, "customers" },
	{ "domains", API_U64, "domains" },
	{ "mailboxes", API_U64, "mailboxes" },
};

#define IN(a) .params = a, .n_params = ARRAY_SIZE(a)
#define OUT(a) .results = a, .n_results = ARRAY_SIZE(a)
#define PAGE(a) .list = true, OUT(a)

const struct api_op api_ops[] = {
	{ "customer.add", "POST", ROOT "/customers", API_DIRECTORY, .help = "adds a customer", IN(customer_add), OUT(customer_is) },
	{ "customer.list", "GET", ROOT "/customers", API_DIRECTORY, .help = "lists customers", IN(customer_list), PAGE(customer_is) },
	{ "customer.show", "GET", ROOT "/customers/{customer}", API_DIRECTORY, .help = "shows a customer", IN(customer_show), OUT(customer_is) },
	{ "customer.remove", "DELETE", ROOT "/customers/{customer}", API_DIRECTORY, .help = "removes a customer that has no domains", IN(customer_show) },

	{ "domain.add", "POST", ROOT "/domains", API_DIRECTORY, .help = "adds a domain of a customer", IN(domain_add), OUT(domain_is) },
	{ "domain.list", "GET", ROOT "/domains", API_DIRECTORY, .help = "lists domains", IN(domain_list), PAGE(domain_is) },
	{ "domain.show", "GET", ROOT "/domains/{domain}", API_DIRECTORY, .help = "shows a domain", IN(domain_show), OUT(domain_is) },
	{ "domain.set", "PATCH", ROOT "/domains/{domain}", API_DIRECTORY, .help = "changes a domain's server or customer", IN(domain_set), OUT(domain_is) },
	{ "domain.switch", "POST", ROOT "/domains/{domain}/switch", API_DIRECTORY, .help = "switches a domain over to here, or back to its old server", IN(domain_switch), OUT(switch_is) },
	{ "domain.remove", "DELETE", ROOT "/domains/{domain}", API_DIRECTORY, .help = "removes a domain that has no mailboxes", IN(domain_show) },

	{ "mailbox.add", "POST", ROOT "/mailboxes", API_DIRECTORY, .help = "adds a mailbox", IN(mailbox_add), OUT(mailbox_is) },
	{ "mailbox.list", "GET", ROOT "/mailboxes", API_DIRECTORY, .help = "lists mailboxes", IN(mailbox_list), PAGE(mailbox_is) },
	{ "mailbox.show", "GET", ROOT "/mailboxes/{address}", API_DIRECTORY, .help = "shows a mailbox", IN(mailbox_show), OUT(mailbox_is) },
	{ "mailbox.set", "PATCH", ROOT "/mailboxes/{address}", API_DIRECTORY, .help = "changes a mailbox", IN(mailbox_set), OUT(mailbox_is) },
	{ "mailbox.password", "PUT", ROOT "/mailboxes/{address}/password", API_DIRECTORY, .help = "sets a mailbox's password and ends its sessions", IN(mailbox_password) },
	{ "mailbox.remove", "DELETE", ROOT "/mailboxes/{address}", API_DIRECTORY, .help = "removes a mailbox with all its mail", IN(mailbox_show) },

	{ "address.add", "POST", ROOT "/addresses", API_DIRECTORY, .help = "adds an alias, list, redirect or banished address", IN(address_add), OUT(address_is) },
	{ "address.list", "GET", ROOT "/addresses", API_DIRECTORY, .help = "lists addresses", IN(address_list), PAGE(address_is) },
	{ "address.remove", "DELETE", ROOT "/addresses/{address}", API_DIRECTORY, .help = "removes an alias, list, redirect or banished address", IN(address_remove) },

	{ "import.accounts", "POST", ROOT "/domains/{domain}/import/accounts", API_DIRECTORY, .help = "adds mailboxes from a file, all or none", IN(import_params), OUT(import_is) },
	{ "import.aliases", "POST", ROOT "/domains/{domain}/import/aliases", API_DIRECTORY, .help = "adds aliases from a file, all or none", IN(import_params), OUT(import_is) },

	{ "move.start", "POST", ROOT "/domains/{domain}/move", API_DIRECTORY, .help = "starts copying a domain's mailboxes from its old server", IN(move_start), OUT(move_is) },
	{ "move.status", "GET", ROOT "/domains/{domain}/move", API_DIRECTORY, .help = "says how far the copy is", IN(move_domain), OUT(move_is) },
	{ "move.proof", "POST", ROOT "/domains/{domain}/move/proof", API_DIRECTORY, .help = "compares what is there and what is here", IN(move_domain), OUT(proof_is) },
	{ "move.stop", "DELETE", ROOT "/domains/{domain}/move", API_DIRECTORY, .help = "stops the copy; what is here stays", IN(move_domain), OUT(move_is) },

	{ "queue.list", "GET", ROOT "/queue", API_QUEUE, .help = "lists queued mail", IN(queue_list), PAGE(queue_is) },
	{ "queue.show", "GET", ROOT "/queue/{id}", API_QUEUE, .help = "shows a queued message with its recipients", IN(queue_show), OUT(queued_is) },
	{ "queue.flush", "POST", ROOT "/queue/flush", API_QUEUE, .help = "tries queued mail now", IN(queue_flush), OUT(count_is) },
	{ "queue.remove", "DELETE", ROOT "/queue/{id}", API_QUEUE, .help = "takes a message out of the queue", IN(queue_remove), OUT(count_is) },

	{ "store.check", "POST", ROOT "/store/check", API_DIRECTORY, .help = "compares indexes, counters and segments of all shards", OUT(check_is) },
	{ "store.compact", "POST", ROOT "/store/compact", API_DIRECTORY, .help = "gives space of deleted mail back to the disk", OUT(compact_is) },

	{ "overview", "GET", ROOT "/overview", API_DIRECTORY, .help = "counts customers, domains and mailboxes", OUT(overview_is) },
	{ "status", "GET", ROOT "/status", API_SUPERVISOR, .help = "shows rooms, memory, restarts, queue and accounts", IN(status_params), OUT(status_is) },
	{ "reload", "POST", ROOT "/reload", API_SUPERVISOR, .help = "reads configuration and certificate again" },
};
/* clang-format on */
const size_t api_n_ops = ARRAY_SIZE(api_ops);
