/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What directory knows, without channels: one SQLite database, its nouns, one transaction a change. Every
 * function here is synchronous and short; whatever needs another room (the store, auth, the mover) is asked
 * by the room's own files between two of these calls. The clock comes in as an integer. docs/formats/directory.md
 * describes the tables.
 *
 * Slices in results live in the arena that was passed. Functions that change something run inside
 * engine_begin .. engine_commit of the caller, so that an operation is one transaction with its audit row.
 */
#ifndef ROOM_DIRECTORY_ENGINE_H
#define ROOM_DIRECTORY_ENGINE_H

#include "base/arena.h"
#include "room/directory/db/problem.h"

struct sql;
struct engine;

NODISCARD int engine_open(const char *path, struct engine **ret);
void engine_close(struct engine **e);
struct sql *engine_sql(struct engine *e);
bool engine_fatal(const struct engine *e);	/* the disk failed: the room must exit */
uint64_t engine_version(const struct engine *e);	/* moves with every commit */

NODISCARD int engine_begin(struct engine *e);
NODISCARD int engine_commit(struct engine *e);	/* durable when 0; else rolled back */
void engine_rollback(struct engine *e);

/* Settings of the whole instance, with their defaults; docs/formats/directory.md lists them. */
int64_t setting_get(struct engine *e, const char *name, int64_t fallback);
NODISCARD int setting_put(struct engine *e, const char *name, int64_t value);
/* A number that never comes twice (credential versions). Needs a transaction. */
NODISCARD int engine_next(struct engine *e, uint64_t *ret);

struct counts_of_all {
	uint64_t customers, domains, mailboxes;
};
NODISCARD int engine_counts(struct engine *e, struct counts_of_all *ret);

struct audit {
	int64_t at_ms;
	struct slice actor, remote, operation, object, detail;
	unsigned status;
	uint64_t customer, domain;	/* whose object it was; 0: the provider's */
};
NODISCARD int audit_add(struct engine *e, const struct audit *row);
/* Removes at most limit rows of before that time; how many. */
NODISCARD int audit_trim(struct engine *e, int64_t before_ms, size_t limit, uint64_t *ret);

/* A part of a list, ordered by name: what comes behind after, at most limit rows (0: all), and of these only what the
 * viewer may see: 0 everything, else what the offices of this holder (staff.h) cover; and only names that hold this text,
 * which went through name_search_fold (empty: all). */
struct page {
	struct slice after;
	size_t limit;
	int64_t viewer;
	struct slice text;
};

/* --- customers ------------------------------------------------------------------------------------ */

struct customer {
	uint64_t id;
	struct slice name;
	uint64_t pool;		/* bytes; 0: no limit */
	struct slice language;	/* "en", "de"; empty: the instance's */
	struct slice contact;	/* an address, or empty */
	int64_t created_ms;
};

NODISCARD int customer_add(struct engine *e, struct arena *a, struct customer *c, struct problem *why);
NODISCARD int customer_get(struct engine *e, struct arena *a, struct slice name, struct customer *ret);
NODISCARD int customer_by_id(struct engine *e, struct arena *a, uint64_t id, struct customer *ret);
NODISCARD int customer_list(struct engine *e, struct arena *a, const struct page *page, struct customer **ret,
			    size_t *ret_n);
NODISCARD int customer_update(struct engine *e, struct arena *a, struct customer *c, struct problem *why);
NODISCARD int customer_remove(struct engine *e, uint64_t id, struct problem *why);	/* no domains may be left */
NODISCARD int customer_counts(struct engine *e, uint64_t id, uint64_t *ret_domains, uint64_t *ret_mailboxes);
NODISCARD int customer_allotted(struct engine *e, uint64_t id, uint64_t *ret);	/* sum of its mailboxes' quotas */
/* May a mailbox of this customer have quota bytes (instead of the before it has now)? */
NODISCARD int customer_check_pool(struct engine *e, struct arena *a, uint64_t id, uint64_t before, uint64_t quota,
				  struct problem *why);

/* --- domains -------------------------------------------------------------------------------------- */

enum recipients_mode { RECIPIENTS_ASK = 0, RECIPIENTS_LIST = 1, RECIPIENTS_ANY = 2 };
enum down_mode { DOWN_QUEUE = 0, DOWN_LATER = 1 };
enum banished_mode { BANISHED_REFUSE = 0, BANISHED_DROP = 1 };
enum phase { PHASE_ANNOUNCED, PHASE_FILTERING, PHASE_COPYING, PHASE_HOSTED, PHASE_DONE };

struct domain {
	uint64_t id, customer;
	struct slice name;
	bool hosted;		/* false: gateway */
	enum phase phase;
	struct slice server_host;	/* the customer's own server; empty: none */
	unsigned server_port;
	unsigned server_tls;	/* RelayTls */
	enum recipients_mode recipients;	/* gateway: who is known there */
	enum down_mode when_down;	/* unknown address and the server does not answer */
	enum banished_mode banished;
	int64_t created_ms, switched_ms;
};

const char *phase_name(enum phase phase);
NODISCARD int domain_add(struct engine *e, struct arena *a, struct domain *d, struct problem *why);
/* name in normal form: a domain's own, or another name of it (other_name.h); ret has its own. */
NODISCARD int domain_get(struct engine *e, struct arena *a, struct slice name, struct domain *ret);
NODISCARD int domain_by_id(struct engine *e, struct arena *a, uint64_t id, struct domain *ret);
struct domain_filter {
	uint64_t customer;	/* 0: any */
	int hosted;		/* 0: gateway, 1: hosted, -1: any */
	int phase;		/* -1: any */
};
/* filter NULL: all */
NODISCARD int domain_list(struct engine *e, struct arena *a, const struct domain_filter *filter, const struct page *page,
			  struct domain **ret, size_t *ret_n);
NODISCARD int domain_counts(struct engine *e, uint64_t id, uint64_t *ret_mailboxes, uint64_t *ret_addresses);
NODISCARD int domain_update(struct engine *e, const struct domain *d);
NODISCARD int domain_remove(struct engine *e, uint64_t id, struct problem *why);	/* no mailbox may be left */
NODISCARD int domain_switch(struct engine *e, struct domain *d, bool hosted, int64_t now_ms, struct problem *why);

/* What a switch would leave without a home; addresses as text. */
struct switch_report {
	uint64_t mailboxes, addresses;
	struct slice *missing;		/* known at the old server, unknown here */
	size_t n_missing;
	struct slice *no_password;	/* mailboxes that nobody can log in to */
	size_t n_no_password;
	struct slice *not_copied;	/* mailboxes whose copy is not finished */
	size_t n_not_copied;
};
NODISCARD int domain_switch_report(struct engine *e, struct arena *a, const struct domain *d,
				   struct switch_report *ret);

/* --- addresses ------------------------------------------------------------------------------------ */

enum address_type {
	ADDRESS_MAILBOX = 0,
	ADDRESS_ALIAS = 1,
	ADDRESS_LIST = 2,
	ADDRESS_REDIRECT = 3,
	ADDRESS_BANISHED = 4,
	ADDRESS_CANDIDATE = 5,	/* in no row: address_list gives them, with their first message's time */
};
enum { ADDRESS_TARGETS_MAX = 1000 };

struct address {
	uint64_t id, domain;
	struct slice local;
	struct slice domain_name;	/* not by address_get, which is told of the domain */
	enum address_type type;
	uint64_t account;	/* of a mailbox */
	bool hosted;		/* lives here though the domain is forwarded (M37) */
	struct slice *targets;	/* full addresses in normal form */
	size_t n_targets;
	int64_t created_ms;
};

const char *address_type_name(enum address_type type);
/* "an alias", and "alias", for people. */
const char *address_type_text(enum address_type type, const char *language);
const char *address_type_word(enum address_type type, const char *language);
NODISCARD int address_type_by_name(struct slice name, enum address_type *ret);
/* targets are checked for their syntax, and for what the type wants of them. */
NODISCARD int address_add(struct engine *e, struct arena *a, const struct domain *d, struct address *ret_or_in,
			  int64_t now_ms, struct problem *why);
/* targets alone: into their normal form, and whether they fit the type. */
NODISCARD int address_check(struct engine *e, struct arena *a, const struct domain *d, struct address *in_out,
			    struct problem *why);
NODISCARD int address_get(struct engine *e, struct arena *a, uint64_t domain, struct slice local, struct address *ret);
struct address_filter {
	uint64_t domain, customer;	/* 0: any */
	int type;		/* -1: any; ADDRESS_CANDIDATE: of the areas' picture (candidate.h), which no other type shows */
};
/* All but mailboxes, ordered by domain and local part; filter NULL: all. after: an address as text. */
NODISCARD int address_list(struct engine *e, struct arena *a, const struct address_filter *filter, const struct page *page,
			   struct address **ret, size_t *ret_n);
NODISCARD int address_remove(struct engine *e, uint64_t id);
NODISCARD int address_set_hosted(struct engine *e, uint64_t id, bool hosted);
/* Which addresses name this one as a target, as text. */
NODISCARD int address_pointing(struct engine *e, struct arena *a, struct slice text, struct slice **ret, size_t *ret_n);
/* The aliases among them: a mailbox's other names. */
NODISCARD int address_aliases(struct engine *e, struct arena *a, struct slice text, struct slice **ret, size_t *ret_n);
/* The type that these targets make: one mailbox an alias, several a list, anything else a redirect. */
enum address_type address_type_of(struct engine *e, struct arena *a, const struct domain *d,
				  const struct slice *targets, size_t n);
/* "mary" or "mary@example.test" to its normal form. */
NODISCARD int address_target(struct arena *a, const struct domain *d, struct slice in, struct slice *ret);

/* --- accounts ------------------------------------------------------------------------------------- */

enum account_state {
	ACCOUNT_MADE = 0,	/* the store has not been told: mail waits, no login */
	ACCOUNT_LIVE = 1,
	ACCOUNT_REMOVING = 2,	/* gone for everybody; the store has still to forget it */
	ACCOUNT_CLOSING = 3,	/* the store is asked whether it is empty, and forgets it then; else it goes on as before */
	ACCOUNT_MOVING = 4,	/* gone for everybody; its mail is on its way into another mailbox (transfer.h) */
};

struct account {
	uint64_t id, domain;
	uint32_t shard;
	enum account_state state;
	uint64_t quota;		/* bytes; 0: none of its own */
	struct slice address;	/* its main address, as text */
	struct slice person;	/* whose it is, for people */
	struct slice hash;	/* empty: no password */
	uint64_t version;	/* of the credential */
	bool must_change;	/* a default or first password: good for nothing until it is changed */
	bool first_password;	/* it was mailed, and ends by itself */
	struct slice recovery;	/* where a link for a lost password goes; or empty */
	struct slice language;	/* its user's; empty: the customer's */
	int64_t invited_ms;	/* until when an invitation is good; 0: there is none */
	bool hosted;		/* its address lives here though the domain is forwarded (M37) */
	bool pool_checked;	/* to account_add only: the quota was held against the customer's pool already */
	bool send_any;		/* may send as any address of its customer's domains */
	int64_t created_ms, password_ms;
};

/* In: quota, person, language, shard, hash (may be empty), must_change. The row is MADE until the store knows it. */
NODISCARD int account_add(struct engine *e, struct arena *a, const struct domain *d, struct slice local,
			  struct account *in_out, int64_t now_ms, struct problem *why);
NODISCARD int account_by_id(struct engine *e, struct arena *a, uint64_t id, struct account *ret);
/* What somebody who wants to log in finds. */
enum account_login {
	ACCOUNT_LOGIN_ANY,
	ACCOUNT_READY,		/* a password of one's own */
	ACCOUNT_MUST_CHANGE,	/* a first or default password */
	ACCOUNT_INVITED,	/* none, and a link to set one */
	ACCOUNT_NO_PASSWORD,
};
struct account_filter {
	uint64_t domain, customer;	/* 0: any */
	enum account_login login;
	bool closed;		/* only those that nobody can log in to: all but ACCOUNT_READY */
	bool has_quota;		/* only live ones with one */
	unsigned level;		/* at least: 1 over 80 % of the quota, 2 over 95 % (limits.h) */
	int64_t now_ms;		/* invitations end */
};
NODISCARD int account_find(struct engine *e, struct arena *a, const struct account_filter *filter, const struct page *page,
			   struct account **ret, size_t *ret_n);
/* Those that are not being removed, by address; domain and customer 0: any. */
NODISCARD int account_list(struct engine *e, struct arena *a, uint64_t domain, uint64_t customer,
			   const struct page *page, struct account **ret, size_t *ret_n);
NODISCARD int account_in_state(struct engine *e, struct arena *a, enum account_state state, struct account **ret,
			       size_t *ret_n);
NODISCARD int account_set_state(struct engine *e, uint64_t id, enum account_state state);
/* MADE -> LIVE; ERR_NOT_FOUND where it is not MADE any more. */
NODISCARD int account_complete(struct engine *e, uint64_t id);
NODISCARD int account_set_quota(struct engine *e, uint64_t id, uint64_t quota);
NODISCARD int account_set_person(struct engine *e, uint64_t id, struct slice person);
NODISCARD int account_set_recovery(struct engine *e, uint64_t id, struct slice recovery);
NODISCARD int account_set_language(struct engine *e, uint64_t id, struct slice language);
NODISCARD int account_set_send_any(struct engine *e, uint64_t id, bool on);
/* Its address goes at once, the row waits for the store (ACCOUNT_REMOVING). */
NODISCARD int account_retire(struct engine *e, uint64_t id);
NODISCARD int account_forget(struct engine *e, uint64_t id);	/* the store has forgotten it */

/* --- credentials ---------------------------------------------------------------------------------- */

enum { CREDENTIAL_OWN = 0, CREDENTIAL_DEFAULT = 1, CREDENTIAL_FIRST = 2 };
/* A new password hash under a new version. must_change: CREDENTIAL_*. */
NODISCARD int credential_set(struct engine *e, uint64_t account, struct slice hash, int must_change, int64_t now_ms,
			     uint64_t *ret_version);
/* Today's form of the same password: only if version is still the one. Keeps the version's meaning for caches
 * and grants, so the version stays. ERR_CONFLICT else. */
NODISCARD int credential_rehash(struct engine *e, uint64_t account, uint64_t version, struct slice hash);
/* By any address that leads to one mailbox (its own, or an alias of it), or by an old user name that still works.
 * ERR_NOT_FOUND; ERR_UNAVAILABLE while MADE. */
NODISCARD int credential_find(struct engine *e, struct arena *a, struct slice login, int64_t now_ms,
			      struct account *ret);
/* May this account write as this address (RFC 5321 reverse-path or an author field); empty is allowed (null sender). */
NODISCARD int sender_allowed(struct engine *e, struct arena *a, uint64_t account, struct slice address, bool *ret);

/* --- recipients of gateway domains ------------------------------------------------------------------ */

enum known { KNOWN_UNSURE = 0, KNOWN_YES = 1, KNOWN_NO = 2, KNOWN_STALE = 3 /* was good once, ask again if you can */ };

enum known recipient_known(struct engine *e, uint64_t domain, struct slice local, int64_t now_ms);
NODISCARD int recipient_note(struct engine *e, uint64_t domain, struct slice local, bool good, int64_t now_ms);
void recipient_forget(struct engine *e, uint64_t domain);	/* refusals only: what was good stays known */

#endif
