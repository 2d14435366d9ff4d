/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One operation of the administration, from its fields to its answer. An operation is a function; it answers by
 * admin_ok or admin_refuse exactly once, at once or behind other rooms' answers. What it changes it changes in one
 * transaction, which admin_commit closes together with the audit row.
 */
#ifndef ROOM_DIRECTORY_ADMIN_H
#define ROOM_DIRECTORY_ADMIN_H

#include "proto/api/api.h"
#include "room/directory/directory_priv.h"
#include "room/directory/import/import.h"
#include "room/directory/rights/rights.h"

#include <jansson.h>

struct admin {
	struct directory *d;
	struct engine *e;
	struct arena *a;	/* the call's */
	struct ipc_call *call;
	const Postern__AdminRequest *req;
	const struct api_op *op;
	struct principal who;	/* asks */
	struct slice if_match;	/* revisions that the change is for; empty: any */
	struct slice key[API_KEY_MAX]; /* what has the revision (api_revised), as the answer names it */
	bool stale;		/* the object has another revision */
	bool unknown;		/* with a token that is nobody's */
	bool second;		/* refused for want of a second factor */
	struct object owner;	/* whose object it is, as far as its fields say */
	struct api_field *fields;
	size_t n_fields;
	const size_t *lines;	/* of a file that the fields are from (import settings); or NULL */
	int64_t now_ms;
	struct problem why;
	struct slice file;	/* mapped; freed with the answer */
	struct list node;	/* in directory.proofs */
	void *ctx;		/* the operation's own, between answers of other rooms */
};

typedef void admin_fn(struct admin *ad);
admin_fn op_customer_set, op_customer_add, op_customer_list, op_customer_show, op_customer_remove;
admin_fn op_domain_add, op_domain_list, op_domain_show, op_domain_set, op_domain_switch, op_domain_remove;
admin_fn op_mailbox_invite, op_mailbox_first_password;
admin_fn op_app_password_add, op_app_password_list, op_app_password_remove;
admin_fn op_totp_show, op_totp_start, op_totp_confirm, op_totp_codes, op_totp_remove;
admin_fn op_password_forgot, op_password_look, op_password_reset, op_password_change;
admin_fn op_policy_show, op_policy_set;
admin_fn op_mailbox_add, op_mailbox_list, op_mailbox_show, op_mailbox_set, op_mailbox_password, op_mailbox_remove;
admin_fn op_login_add, op_login_list, op_login_remove;
admin_fn op_address_add, op_address_list, op_address_show, op_address_remove, op_address_set, op_address_convert, op_address_moves;
admin_fn op_candidate_list, op_candidate_show, op_candidate_messages, op_candidate_message, op_candidate_remove,
	op_candidate_promote, op_candidate_banish;
admin_fn op_lockout_list, op_lockout_clear;
admin_fn op_import_accounts, op_import_aliases, op_export_accounts, op_export_aliases, op_export_settings, op_import_settings;
admin_fn op_move_start, op_move_status, op_move_proof, op_move_stop;
admin_fn op_plan_list, op_plan_show, op_plan_set;
admin_fn op_timer_list, op_timer_run;
admin_fn op_admin_add, op_admin_list, op_admin_show, op_admin_set, op_admin_password, op_admin_remove;
admin_fn op_audit_list;
admin_fn op_session_show, op_session_remove;
admin_fn op_token_add, op_token_list, op_token_remove;
admin_fn op_sieve_list, op_sieve_get, op_sieve_put, op_sieve_check, op_sieve_activate, op_sieve_deactivate,
	op_sieve_rename, op_sieve_remove;
admin_fn op_globalscript_list, op_globalscript_get, op_globalscript_put, op_globalscript_remove;
admin_fn op_forward_show, op_forward_set, op_forward_remove, op_autoreply_show, op_autoreply_set, op_autoreply_remove;
admin_fn op_notice_log, op_notice_show, op_notice_sender, op_notice_set_sender;
admin_fn op_template_list, op_template_show, op_template_set, op_template_reset, op_template_preview, op_template_test;
admin_fn op_store_check, op_store_compact, op_overview;

/* Fields; they were checked against the table before. */
struct slice admin_get(const struct admin *ad, const char *name);	/* empty where absent */
bool admin_has(const struct admin *ad, const char *name);
bool admin_flag(const struct admin *ad, const char *name, bool fallback);
uint64_t admin_size(const struct admin *ad, const char *name, uint64_t fallback);
struct page admin_page(const struct admin *ad);
/* The index of a choice's value in these words, or fallback where the field is absent. */
enum { ANY = UINT_MAX };	/* a fallback that is no choice: -1 as an int */
unsigned admin_choice(const struct admin *ad, const char *name, const char *const *words, unsigned fallback);
NODISCARD int admin_map_file(struct admin *ad, const char *field);

/* Filters of lists; the problem is set where there is no such thing. 0 where the field is absent. */
NODISCARD int admin_of_customer(struct admin *ad, uint64_t *ret);
NODISCARD int admin_of_domain(struct admin *ad, uint64_t *ret);

/* Objects by name; the problem is set where there is none. */
NODISCARD int admin_domain(struct admin *ad, struct slice name, struct domain *ret);
/* The domain of an address, and the local part in its normal form. */
NODISCARD int admin_address(struct admin *ad, struct domain *ret_domain, struct slice *ret_local);
NODISCARD int admin_mailbox(struct admin *ad, struct domain *ret_domain, struct account *ret);

/* Does the operation, or refuses one that has no function. table.c */
void admin_run(struct admin *ad);
/* Of the object that the operation names; ERR_UNSUPPORTED where such things have no revisions. */
NODISCARD int admin_revision(struct admin *ad, struct slice *ret);
/* The same into an item of a list, of what no operation shows alone. */
void admin_put_revision(struct admin *ad, json_t *item, const char *kind, struct slice name, struct slice part);

/* Opens the transaction of a change, in which If-Match holds; what follows it is one's own change. Every operation that
 * changes something begins with it. */
NODISCARD int admin_begin(struct admin *ad);
/* The same of one of several objects of the operation's noun. */
NODISCARD int admin_begin_of(struct admin *ad, struct slice value);
/* If-Match holds now and is not asked again: before another room is asked to do what cannot be taken back, by those who
 * have marked the object as theirs by then. */
NODISCARD int admin_claim(struct admin *ad);
NODISCARD int admin_claim_of(struct admin *ad, struct slice value);
/* The change of this operation and its audit row; durable when 0. object: what it was done to. */
NODISCARD int admin_commit(struct admin *ad, struct slice object);
void admin_rollback(struct admin *ad);
/* Somebody's mail is about to be shown: that look is an audit row, durable before anything is. Every operation that shows
 * what is in a mailbox or an area calls it. */
NODISCARD int audit_look(struct admin *ad, struct slice object);

/* A shard has not heard of a change that is kept. Sets the problem, and returns its error. */
int limits_late(struct admin *ad);	/* limits.c */
/* The field "retention", where it is there. */
NODISCARD int admin_retention(struct admin *ad, bool inherits, int *in_out);
json_t *customer_json(struct admin *ad, const struct customer *c);	/* customer.c */
json_t *domain_json(struct admin *ad, const struct domain *d);	/* domain.c */
/* Whose templates: the one that is named, else the asker's own; id 0: the provider's. template.c */
NODISCARD int template_customer(struct admin *ad, struct customer *ret);

/* Answers. result is given away; NULL is an empty object. */
void admin_ok(struct admin *ad, unsigned status, json_t *result);
/* why says it already, or err does. */
void admin_refuse(struct admin *ad, int err);
/* An import's errors, line by line. */
void admin_refuse_lines(struct admin *ad, const char *field, const struct import_errors *errors);
/* last: cursor of the last item. */
void admin_page_ok(struct admin *ad, json_t *items, struct slice last, size_t n);

/* JSON from bytes that may not be UTF-8. */
json_t *json_text(struct slice s);
json_t *json_number(uint64_t v);
json_t *json_texts(const struct slice *rows, size_t n);

/* Has a password hashed by auth; fn gets the hash (in ad's arena), or the operation was answered already. */
typedef void admin_hash_fn(struct admin *ad, struct slice hash);
void admin_hash(struct admin *ad, struct slice password, admin_hash_fn *fn);

#endif
