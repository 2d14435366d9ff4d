/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All operations: one group a noun, each in a file of its own (ops_NOUN.c). An operation that changes something
 * says in its help what; its results are members of the JSON answer.
 */
#include "proto/api/ops.h"

const char *const api_modes[] = { "gateway", "hosted", NULL };
const char *const api_server_tls[] = { "opportunistic", "none", "required", "verified", NULL };
const char *const api_recipient_modes[] = { "ask", "list", "any", NULL };
const char *const api_down_modes[] = { "queue", "later", NULL };
const char *const api_allotments[] = { "shared", "fixed", NULL };
const char *const api_over_quota[] = { "later", "refuse", NULL };
const char *const api_banished_modes[] = { "refuse", "drop", NULL };
const char *const api_switch[] = { "off", "on", NULL };
const char *const api_separators[] = { "off", "+", "-", "=", NULL };

static const struct api_group *const groups[] = {
	&api_customer_group,
	&api_domain_group,
	&api_policy_group,
	&api_password_group,
	&api_app_password_group,
	&api_totp_group,
	&api_mailbox_group,
	&api_login_group,
	&api_lockout_group,
	&api_address_group,
	&api_sieve_group,
	&api_globalscript_group,
	&api_responder_group,
	&api_candidate_group, &api_export_group,
	&api_import_group,
	&api_move_group,
	&api_plan_group,
	&api_queue_group,
	&api_notice_group,
	&api_template_group,
	&api_timer_group,
	&api_admin_group,
	&api_token_group,
	&api_audit_group,
	&api_session_group,
	&api_instance_group,
};

const struct api_op *api_op_at(size_t i)
{
	for (size_t k = 0; k < ARRAY_SIZE(groups); k++) {
		if (i < groups[k]->n)
			return &groups[k]->ops[i];
		i -= groups[k]->n;
	}
	return NULL;
}
