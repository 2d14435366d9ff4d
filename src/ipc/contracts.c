/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All contracts between rooms: who may ask what of whom. src/run/topology.c says which channels there
 * are; this table says what may be said on them. A request that is not here ends the channel.
 */
#include "lib/ipc/contract.h"

#include "ipc/auth.pb-c.h"
#include "ipc/control.pb-c.h"
#include "ipc/directory.pb-c.h"
#include "ipc/filter.pb-c.h"
#include "ipc/mover.pb-c.h"
#include "ipc/queue.pb-c.h"
#include "ipc/relay.pb-c.h"
#include "ipc/session.pb-c.h"
#include "ipc/store.pb-c.h"
#include "ipc/timer.pb-c.h"

#define SUPERVISOR ROLE_BIT(ROLE_SUPERVISOR)
#define SMTPD ROLE_BIT(ROLE_SMTPD)
#define IMAPD ROLE_BIT(ROLE_IMAPD)
#define POP3D ROLE_BIT(ROLE_POP3D)
#define SIEVED ROLE_BIT(ROLE_SIEVED)
#define HTTPD ROLE_BIT(ROLE_HTTPD)
#define ADMIND ROLE_BIT(ROLE_ADMIND)
#define AUTH ROLE_BIT(ROLE_AUTH)
#define MOVER ROLE_BIT(ROLE_MOVER)
#define DIRECTORY ROLE_BIT(ROLE_DIRECTORY)
#define QUEUE ROLE_BIT(ROLE_QUEUE)
#define STORE ROLE_BIT(ROLE_STORE)
#define SESSIONS (IMAPD | POP3D | MOVER | HTTPD)

#define REQ(m) &postern__##m##__descriptor

/* The room serves, the supervisor asks; IPC_BACK: the room asks. */
static const struct ipc_op control_ops[] = {
	[POSTERN__CONTROL_OP__CONTROL_START] = { "control.start", REQ(control_start), REQ(control_nothing), IPC_REQUEST_FD, SUPERVISOR },
	[POSTERN__CONTROL_OP__CONTROL_CHANNEL] = { "control.channel", REQ(control_channel), NULL, IPC_NOTIFY | IPC_REQUEST_FD, SUPERVISOR },
	[POSTERN__CONTROL_OP__CONTROL_LISTENER] = { "control.listener", REQ(control_listener), NULL, IPC_NOTIFY | IPC_REQUEST_FD, SUPERVISOR },
	[POSTERN__CONTROL_OP__CONTROL_RELOAD] = { "control.reload", REQ(control_nothing), REQ(control_nothing), IPC_REQUEST_FD, SUPERVISOR },
	[POSTERN__CONTROL_OP__CONTROL_TLS] = { "control.tls", REQ(control_tls), NULL, IPC_NOTIFY | IPC_REQUEST_FD, SUPERVISOR },
	[POSTERN__CONTROL_OP__CONTROL_STOP] = { "control.stop", REQ(control_nothing), NULL, IPC_NOTIFY, SUPERVISOR },
	[POSTERN__CONTROL_OP__CONTROL_STATS] = { "control.stats", REQ(control_nothing), REQ(control_stats_reply), 0, SUPERVISOR },
	[POSTERN__CONTROL_OP__CONTROL_STATUS] = { "control.status", REQ(control_status_request), REQ(control_status_reply), IPC_BACK, HTTPD | ADMIND },
	[POSTERN__CONTROL_OP__CONTROL_PROBE] = { "control.probe", REQ(control_nothing), REQ(control_probe_reply), 0, SUPERVISOR },
	[POSTERN__CONTROL_OP__CONTROL_RELOAD_ALL] = { "control.reload-all", REQ(control_reload_all), REQ(control_reload_reply), IPC_BACK, HTTPD | ADMIND },
};

static const struct ipc_op directory_ops_table[] = {
	[POSTERN__DIRECTORY_OP__DIRECTORY_ROUTE] = { "directory.route", REQ(route_request), REQ(route_reply), IPC_RETRY, SMTPD | QUEUE },
	[POSTERN__DIRECTORY_OP__DIRECTORY_SENDER] = { "directory.sender", REQ(sender_request), REQ(sender_reply), IPC_RETRY, SMTPD },
	[POSTERN__DIRECTORY_OP__DIRECTORY_CREDENTIAL] = { "directory.credential", REQ(credential_request), REQ(credential_reply), IPC_RETRY, AUTH },
	[POSTERN__DIRECTORY_OP__DIRECTORY_GRANT] = { "directory.grant", REQ(grant_request), REQ(grant_reply), IPC_RETRY | IPC_REPLY_FD, AUTH | MOVER },
	[POSTERN__DIRECTORY_OP__DIRECTORY_LOGIN_RESULT] = { "directory.login-result", REQ(login_result), REQ(nothing), IPC_RETRY, AUTH },
	[POSTERN__DIRECTORY_OP__DIRECTORY_REHASH] = { "directory.rehash", REQ(rehash_request), REQ(rehash_reply), IPC_RETRY, AUTH },
	[POSTERN__DIRECTORY_OP__DIRECTORY_ADMIN] = { "directory.admin", REQ(admin_request), REQ(admin_reply), IPC_REPLY_FD | IPC_REQUEST_MAY_FD, HTTPD | ADMIND | SIEVED },
	[POSTERN__DIRECTORY_OP__DIRECTORY_MOVE_NEXT] = { "directory.move-next", REQ(move_next_request), REQ(move_task), IPC_RETRY, MOVER },
	[POSTERN__DIRECTORY_OP__DIRECTORY_MOVE_PROGRESS] = { "directory.move-progress", REQ(move_progress), REQ(nothing), IPC_RETRY, MOVER },
	[POSTERN__DIRECTORY_OP__DIRECTORY_QUOTA] = { "directory.quota", REQ(quota_request), REQ(quota_reply), IPC_RETRY, STORE },
	[POSTERN__DIRECTORY_OP__DIRECTORY_RULES] = { "directory.rules", REQ(rules_request), REQ(rules_reply), IPC_RETRY, SMTPD | QUEUE },
	[POSTERN__DIRECTORY_OP__DIRECTORY_HOST] = { "directory.host", REQ(host_request), REQ(host_reply), IPC_RETRY, HTTPD },
	[POSTERN__DIRECTORY_OP__DIRECTORY_RULES_FAILED] = { "directory.rules-failed", REQ(rules_failed), REQ(nothing), IPC_RETRY, SMTPD | QUEUE },
	[POSTERN__DIRECTORY_OP__DIRECTORY_SESSION] = { "directory.session", REQ(session_request), REQ(session_reply), 0, AUTH },
};

static const struct ipc_op auth_ops_table[] = {
	[POSTERN__AUTH_OP__AUTH_LOGIN] = { "auth.login", REQ(login_request), REQ(login_reply), IPC_RETRY | IPC_REPLY_FD, SMTPD | IMAPD | POP3D | SIEVED | HTTPD },
	[POSTERN__AUTH_OP__AUTH_VERIFY] = { "auth.verify", REQ(verify_request), REQ(verify_reply), IPC_RETRY, DIRECTORY },
	[POSTERN__AUTH_OP__AUTH_HASH] = { "auth.hash", REQ(hash_request), REQ(hash_reply), IPC_RETRY, DIRECTORY },
};

static const struct ipc_op filter_ops_table[] = {
	[POSTERN__FILTER_OP__FILTER_JUDGE] = { "filter.judge", REQ(judge_request), REQ(judge_reply), IPC_RETRY | IPC_REQUEST_FD, SMTPD | IMAPD | MOVER | QUEUE | HTTPD },
	[POSTERN__FILTER_OP__FILTER_SIEVE] = { "filter.sieve", REQ(sieve_request), REQ(sieve_reply), IPC_RETRY | IPC_REQUEST_FD, SMTPD | QUEUE },
};

static const struct ipc_op store_ops_table[] = {
	[POSTERN__STORE_OP__STORE_DELIVER] = { "store.deliver", REQ(deliver_request), REQ(deliver_reply), IPC_RETRY | IPC_REQUEST_FD, SMTPD | QUEUE },
	[POSTERN__STORE_OP__STORE_ACCOUNT_PUT] = { "store.account-put", REQ(account_put), REQ(store_nothing), IPC_RETRY, DIRECTORY },
	[POSTERN__STORE_OP__STORE_ACCOUNT_REMOVE] = { "store.account-remove", REQ(account_id), REQ(account_usage), IPC_RETRY, DIRECTORY },
	[POSTERN__STORE_OP__STORE_ACCOUNT_USAGE] = { "store.account-usage", REQ(account_id), REQ(account_usage), IPC_RETRY, DIRECTORY },
	[POSTERN__STORE_OP__STORE_GRANT] = { "store.grant", REQ(store_grant), REQ(store_nothing), IPC_RETRY | IPC_REQUEST_FD, DIRECTORY },
	[POSTERN__STORE_OP__STORE_REVOKE] = { "store.revoke", REQ(account_id), REQ(store_nothing), IPC_RETRY, DIRECTORY },
	[POSTERN__STORE_OP__STORE_CHECK] = { "store.check", REQ(store_nothing), REQ(store_check_reply), IPC_RETRY, DIRECTORY },
	[POSTERN__STORE_OP__STORE_COMPACT] = { "store.compact", REQ(store_nothing), REQ(store_compact_reply), IPC_RETRY, DIRECTORY },
	[POSTERN__STORE_OP__STORE_TIMER] = { "store.timer", REQ(timer_request), REQ(timer_reply), IPC_RETRY, DIRECTORY },
	[POSTERN__STORE_OP__STORE_FOLDERS] = { "store.folders", REQ(folders_request), REQ(folders_reply), IPC_RETRY, DIRECTORY },
	[POSTERN__STORE_OP__STORE_CLOSE] = { "store.close", REQ(folder_request), REQ(store_nothing), IPC_RETRY, DIRECTORY },
	[POSTERN__STORE_OP__STORE_READ] = { "store.read", REQ(read_request), REQ(read_reply), IPC_RETRY | IPC_REPLY_FD, DIRECTORY },
	[POSTERN__STORE_OP__STORE_PUT] = { "store.put", REQ(put_request), REQ(put_reply), IPC_RETRY | IPC_REQUEST_FD, DIRECTORY },
	[POSTERN__STORE_OP__STORE_DROP] = { "store.drop", REQ(folder_request), REQ(drop_reply), IPC_RETRY, DIRECTORY },
	[POSTERN__STORE_OP__STORE_POOL_RECALL] = { "store.pool-recall", REQ(pool_id), REQ(pool_state), IPC_RETRY, DIRECTORY },
	[POSTERN__STORE_OP__STORE_FITS] = { "store.fits", REQ(fits_request), REQ(store_nothing), IPC_RETRY, SMTPD | QUEUE },
	[POSTERN__STORE_OP__STORE_PRUNE] = { "store.prune", REQ(prune_request), REQ(drop_reply), IPC_RETRY, DIRECTORY },
};

/* The session's end at the shard is the server. A dead session is not taken up again: no IPC_RETRY here. */
static const struct ipc_op session_ops_table[] = {
	[POSTERN__SESSION_OP__SESSION_INFO] = { "session.info", REQ(session_nothing), REQ(session_info), 0, SESSIONS },
	[POSTERN__SESSION_OP__SESSION_LIST] = { "session.list", REQ(list_request), REQ(list_reply), 0, SESSIONS },
	[POSTERN__SESSION_OP__SESSION_CREATE] = { "session.create", REQ(create_request), REQ(mailbox_info), 0, SESSIONS },
	[POSTERN__SESSION_OP__SESSION_DELETE] = { "session.delete", REQ(name_request), REQ(session_nothing), 0, IMAPD | HTTPD },
	[POSTERN__SESSION_OP__SESSION_RENAME] = { "session.rename", REQ(rename_request), REQ(session_nothing), 0, IMAPD | HTTPD },
	[POSTERN__SESSION_OP__SESSION_SUBSCRIBE] = { "session.subscribe", REQ(subscribe_request), REQ(session_nothing), 0, SESSIONS },
	[POSTERN__SESSION_OP__SESSION_STATUS] = { "session.status", REQ(name_request), REQ(mailbox_info), 0, SESSIONS },
	[POSTERN__SESSION_OP__SESSION_OPEN] = { "session.open", REQ(open_request), REQ(open_reply), IPC_REPLY_FD, SESSIONS },
	[POSTERN__SESSION_OP__SESSION_CLOSE] = { "session.close", REQ(session_nothing), REQ(session_nothing), 0, SESSIONS },
	[POSTERN__SESSION_OP__SESSION_FETCH] = { "session.fetch", REQ(fetch_request), REQ(fetch_reply), IPC_REPLY_FD, SESSIONS },
	[POSTERN__SESSION_OP__SESSION_STORE] = { "session.store", REQ(store_request), REQ(store_reply), 0, SESSIONS },
	[POSTERN__SESSION_OP__SESSION_COPY] = { "session.copy", REQ(copy_request), REQ(copy_reply), 0, IMAPD | HTTPD },
	[POSTERN__SESSION_OP__SESSION_EXPUNGE] = { "session.expunge", REQ(expunge_request), REQ(expunge_reply), 0, IMAPD | POP3D | HTTPD },
	[POSTERN__SESSION_OP__SESSION_APPEND] = { "session.append", REQ(append_request), REQ(append_reply), IPC_REQUEST_FD, IMAPD | MOVER | HTTPD },
	[POSTERN__SESSION_OP__SESSION_CHANGED] = { "session.changed", REQ(changed_notice), NULL, IPC_NOTIFY_BACK, STORE },
	[POSTERN__SESSION_OP__SESSION_COPIED] = { "session.copied", REQ(copied_request), REQ(copied_reply), 0, MOVER },
	[POSTERN__SESSION_OP__SESSION_POP3_LOCK] = { "session.pop3-lock", REQ(session_nothing), REQ(session_nothing), 0, POP3D },
	[POSTERN__SESSION_OP__SESSION_GOODBYE] = { "session.goodbye", REQ(goodbye_notice), NULL, IPC_NOTIFY_BACK, STORE },
};

static const struct ipc_op queue_ops_table[] = {
	[POSTERN__QUEUE_OP__QUEUE_ENQUEUE] = { "queue.enqueue", REQ(enqueue_request), REQ(enqueue_reply), IPC_RETRY | IPC_REQUEST_FD, SMTPD | DIRECTORY },
	[POSTERN__QUEUE_OP__QUEUE_ADMIN] = { "queue.admin", REQ(admin_request), REQ(admin_reply), IPC_REPLY_FD, DIRECTORY },
	[POSTERN__QUEUE_OP__QUEUE_KICK] = { "queue.kick", REQ(kick_notice), NULL, IPC_NOTIFY, DIRECTORY },
	[POSTERN__QUEUE_OP__QUEUE_TIMER] = { "queue.timer", REQ(timer_request), REQ(timer_reply), IPC_RETRY, DIRECTORY },
};

static const struct ipc_op relay_ops_table[] = {
	[POSTERN__RELAY_OP__RELAY_ATTEMPT] = { "relay.attempt", REQ(attempt_request), REQ(attempt_reply), IPC_REQUEST_FD, QUEUE },
};

static const struct ipc_op mover_ops_table[] = {
	[POSTERN__MOVER_OP__MOVER_PROBE] = { "mover.probe", REQ(probe_request), REQ(probe_reply), IPC_RETRY, DIRECTORY },
	[POSTERN__MOVER_OP__MOVER_CHECK] = { "mover.check", REQ(check_request), REQ(check_reply), IPC_RETRY, DIRECTORY },
};

#define CONTRACT(name, table) const struct ipc_contract name##_contract = { #name, table, ARRAY_SIZE(table) }

CONTRACT(control, control_ops);
CONTRACT(directory, directory_ops_table);
CONTRACT(auth, auth_ops_table);
CONTRACT(filter, filter_ops_table);
CONTRACT(store, store_ops_table);
CONTRACT(session, session_ops_table);
CONTRACT(queue, queue_ops_table);
CONTRACT(relay, relay_ops_table);
CONTRACT(mover, mover_ops_table);
