/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of directory.db, in the order in which they came to be; docs/formats/directory.md explains them.
 * A migration that was released is never edited: a change is a new one.
 */
#include "room/directory/db/schema.h"

#include "base/compiler.h"

static const char first[] =
	"CREATE TABLE setting (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;"
	"CREATE TABLE customer ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" name TEXT NOT NULL UNIQUE,"
	" pool INTEGER NOT NULL,"
	" language TEXT NOT NULL,"
	" contact TEXT NOT NULL,"
	" created INTEGER NOT NULL) STRICT;"
	"CREATE TABLE domain ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" name TEXT NOT NULL UNIQUE,"
	" customer INTEGER NOT NULL REFERENCES customer(id),"
	" hosted INTEGER NOT NULL,"
	" phase INTEGER NOT NULL,"
	" server_host TEXT NOT NULL,"
	" server_port INTEGER NOT NULL,"
	" server_tls INTEGER NOT NULL,"
	" recipients INTEGER NOT NULL,"
	" when_down INTEGER NOT NULL,"
	" banished INTEGER NOT NULL,"
	" created INTEGER NOT NULL,"
	" switched INTEGER NOT NULL) STRICT;"
	"CREATE INDEX domain_customer ON domain(customer);"
	"CREATE TABLE account ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" domain INTEGER NOT NULL,"
	" shard INTEGER NOT NULL,"
	" state INTEGER NOT NULL,"
	" quota INTEGER NOT NULL,"
	" address BLOB NOT NULL,"
	" person TEXT NOT NULL,"
	" send_any INTEGER NOT NULL,"
	" created INTEGER NOT NULL) STRICT;"
	"CREATE INDEX account_domain ON account(domain, address);"
	"CREATE INDEX account_address ON account(address);"
	"CREATE INDEX account_unfinished ON account(state) WHERE state <> 1;"
	"CREATE TABLE credential ("
	" account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
	" kind INTEGER NOT NULL,"
	" hash BLOB NOT NULL,"
	" version INTEGER NOT NULL,"
	" must_change INTEGER NOT NULL,"
	" changed INTEGER NOT NULL,"
	" PRIMARY KEY (account, kind)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE address ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" domain INTEGER NOT NULL REFERENCES domain(id),"
	" local BLOB NOT NULL,"
	" type INTEGER NOT NULL,"
	" account INTEGER REFERENCES account(id),"
	" hosted INTEGER NOT NULL,"
	" created INTEGER NOT NULL,"
	" UNIQUE (domain, local)) STRICT;"
	"CREATE INDEX address_account ON address(account) WHERE account IS NOT NULL;"
	"CREATE TABLE target ("
	" address INTEGER NOT NULL REFERENCES address(id) ON DELETE CASCADE,"
	" place INTEGER NOT NULL,"
	" name BLOB NOT NULL,"
	" PRIMARY KEY (address, place)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX target_name ON target(name);"
	"CREATE TABLE recipient ("
	" domain INTEGER NOT NULL REFERENCES domain(id) ON DELETE CASCADE,"
	" local BLOB NOT NULL,"
	" at INTEGER NOT NULL,"
	" PRIMARY KEY (domain, local)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE source ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" account INTEGER NOT NULL,"
	" host TEXT NOT NULL,"
	" port INTEGER NOT NULL,"
	" user BLOB NOT NULL,"
	" UNIQUE (account, host, port, user)) STRICT;"
	"CREATE TABLE plan ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" domain INTEGER NOT NULL UNIQUE REFERENCES domain(id) ON DELETE CASCADE,"
	" host TEXT NOT NULL,"
	" port INTEGER NOT NULL,"
	" tls INTEGER NOT NULL,"
	" verify INTEGER NOT NULL,"
	" master_user BLOB NOT NULL,"
	" sealed BLOB NOT NULL,"
	" ended INTEGER NOT NULL,"
	" started INTEGER NOT NULL,"
	" changed INTEGER NOT NULL) STRICT;"
	"CREATE TABLE task ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" plan INTEGER NOT NULL REFERENCES plan(id) ON DELETE CASCADE,"
	" account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
	" source INTEGER NOT NULL,"
	" user BLOB NOT NULL,"
	" sealed BLOB NOT NULL,"
	" state INTEGER NOT NULL,"
	" proof INTEGER NOT NULL,"
	" holder INTEGER NOT NULL,"
	" lease INTEGER NOT NULL,"
	" attempts INTEGER NOT NULL,"
	" not_before INTEGER NOT NULL,"
	" error BLOB NOT NULL,"
	" folders_total INTEGER NOT NULL, folders_done INTEGER NOT NULL,"
	" messages_total INTEGER NOT NULL, messages_done INTEGER NOT NULL,"
	" messages_new INTEGER NOT NULL, messages_failed INTEGER NOT NULL,"
	" bytes_new INTEGER NOT NULL,"
	" started INTEGER NOT NULL, changed INTEGER NOT NULL, finished INTEGER NOT NULL,"
	" report BLOB NOT NULL,"
	" UNIQUE (plan, account, proof)) STRICT;"
	"CREATE INDEX task_state ON task(state);"
	"CREATE TABLE audit ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" at INTEGER NOT NULL,"
	" actor BLOB NOT NULL,"
	" remote BLOB NOT NULL,"
	" operation TEXT NOT NULL,"
	" object BLOB NOT NULL,"
	" detail BLOB NOT NULL,"
	" status INTEGER NOT NULL) STRICT;";

/* Logins of the provider's people, the first of them made by `postern init`. */
static const char operators[] = "CREATE TABLE operator ("
				" name BLOB PRIMARY KEY,"
				" hash BLOB NOT NULL,"
				" created INTEGER NOT NULL) STRICT;";

/* What a customer asks of passwords, and how long old user names and links are good. */
static const char policies[] = "CREATE TABLE policy ("
			       " customer INTEGER PRIMARY KEY REFERENCES customer(id) ON DELETE CASCADE,"
			       " length INTEGER NOT NULL,"
			       " classes INTEGER NOT NULL,"
			       " old_login_days INTEGER NOT NULL,"
			       " invitation_hours INTEGER NOT NULL,"
			       " reset_minutes INTEGER NOT NULL) STRICT;";

/*
 * Old user names. state 0 waits for the first modification of its account, 1 was modified in this transaction
 * (old_login_settle makes 2 of it), 2 has a deadline, 3 is over. What counts as a modification of an account is here, so
 * that no operation can forget it.
 */
#define TOUCH "UPDATE login SET state = 1 WHERE state = 0 AND account "
static const char logins[] =
	"CREATE TABLE login ("
	" name BLOB PRIMARY KEY,"
	" account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
	" state INTEGER NOT NULL,"
	" deadline INTEGER NOT NULL,"
	" created INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX login_account ON login(account);"
	"CREATE INDEX login_touched ON login(state) WHERE state = 1;"
	"CREATE TRIGGER login_leaves AFTER UPDATE OF state ON account WHEN new.state = 2 BEGIN"
	" DELETE FROM login WHERE account = new.id; END;"
	"CREATE TRIGGER login_account_set AFTER UPDATE OF quota, person, send_any ON account"
	" WHEN new.quota <> old.quota OR new.person <> old.person OR new.send_any <> old.send_any BEGIN " TOUCH
	"= new.id; END;"
	"CREATE TRIGGER login_password_new AFTER INSERT ON credential BEGIN " TOUCH "= new.account; END;"
	"CREATE TRIGGER login_password_set AFTER UPDATE OF version ON credential WHEN new.version <> old.version BEGIN " TOUCH
	"= new.account; END;"
	"CREATE TRIGGER login_alias_new AFTER INSERT ON target"
	" WHEN (SELECT type FROM address WHERE id = new.address) = 1 BEGIN " TOUCH
	"IN (SELECT id FROM account WHERE address = new.name AND state <> 2); END;"
	"CREATE TRIGGER login_alias_gone BEFORE DELETE ON address WHEN old.type = 1 BEGIN " TOUCH
	"IN (SELECT account.id FROM target JOIN account ON account.address = target.name"
	" WHERE target.address = old.id AND account.state <> 2); END;";

/*
 * Who administers: staff are people with a login of their own, without a mailbox (those of the provider among them); an
 * office is a rank that somebody holds, staff or mailbox user: holder is the staff's id, or minus the account's. A token
 * is a session or a script's key; only its hash is here.
 */
static const char offices[] =
	"CREATE TABLE staff ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" login BLOB NOT NULL UNIQUE,"
	" person TEXT NOT NULL,"
	" customer INTEGER REFERENCES customer(id) ON DELETE CASCADE," /* NULL: the provider's */
	" hash BLOB NOT NULL,"
	" version INTEGER NOT NULL,"
	" must_change INTEGER NOT NULL,"
	" recovery BLOB NOT NULL,"
	" created INTEGER NOT NULL,"
	" changed INTEGER NOT NULL) STRICT;"
	"CREATE TABLE office ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" holder INTEGER NOT NULL,"
	" rank INTEGER NOT NULL,"
	" customer INTEGER REFERENCES customer(id) ON DELETE CASCADE,"
	" domain INTEGER REFERENCES domain(id) ON DELETE CASCADE,"
	" created INTEGER NOT NULL) STRICT;"
	"CREATE UNIQUE INDEX office_holder ON office(holder, rank, ifnull(customer, 0), ifnull(domain, 0));"
	"CREATE INDEX office_customer ON office(customer) WHERE customer IS NOT NULL;"
	"CREATE INDEX office_domain ON office(domain) WHERE domain IS NOT NULL;"
	"CREATE TABLE token ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" hash BLOB NOT NULL UNIQUE,"
	" holder INTEGER NOT NULL,"
	" kind INTEGER NOT NULL,"
	" name TEXT NOT NULL,"
	" scopes TEXT NOT NULL,"
	" read_only INTEGER NOT NULL,"
	" version INTEGER NOT NULL,"
	" remote BLOB NOT NULL,"
	" created INTEGER NOT NULL,"
	" expires INTEGER NOT NULL,"
	" used INTEGER NOT NULL) STRICT;"
	"CREATE INDEX token_holder ON token(holder);"
	"CREATE INDEX token_expires ON token(expires);"
	"CREATE TRIGGER staff_gone AFTER DELETE ON staff BEGIN"
	" DELETE FROM office WHERE holder = old.id; DELETE FROM token WHERE holder = old.id; END;"
	"CREATE TRIGGER account_gone AFTER DELETE ON account BEGIN"
	" DELETE FROM office WHERE holder = -old.id; DELETE FROM token WHERE holder = -old.id; END;"
	"CREATE TRIGGER account_leaves AFTER UPDATE OF state ON account WHEN new.state = 2 BEGIN"
	" DELETE FROM office WHERE holder = -old.id; DELETE FROM token WHERE holder = -old.id; END;"
	"INSERT INTO staff (login, person, hash, version, must_change, recovery, created, changed)"
	" SELECT name, '', hash, 0, 0, x'', created, created FROM operator;"
	"INSERT INTO office (holder, rank, created) SELECT id, 0, created FROM staff;"
	"DROP TABLE operator;"
	"ALTER TABLE audit ADD COLUMN customer INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE audit ADD COLUMN domain INTEGER NOT NULL DEFAULT 0;"
	"CREATE INDEX audit_customer ON audit(customer);"
	"CREATE INDEX audit_domain ON audit(domain);";

/* From where an account was logged in to lately: these networks are not touched by what strangers do. */
static const char homes[] = "CREATE TABLE home ("
			    " account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
			    " network BLOB NOT NULL,"
			    " used INTEGER NOT NULL,"
			    " PRIMARY KEY (account, network)) STRICT, WITHOUT ROWID;"
			    "CREATE INDEX home_used ON home(used);";

/* A plan's old server may have nothing but POP3. */
static const char plan_pop3[] = "ALTER TABLE plan ADD COLUMN pop3 INTEGER NOT NULL DEFAULT 0;";

/* Sieve scripts; at most one of an account's is active. */
static const char scripts[] = "CREATE TABLE script ("
			      " account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
			      " name BLOB NOT NULL,"
			      " text BLOB NOT NULL,"
			      " active INTEGER NOT NULL,"
			      " changed INTEGER NOT NULL,"
			      " PRIMARY KEY (account, name)) STRICT;"
			      "CREATE UNIQUE INDEX script_active ON script(account) WHERE active = 1;";
/* notice.h: the outbox and the log of what was sent; templates and senders where a customer has its own. customer and
 * domain 0: the provider's, all domains. What a notice is about may be gone while its row stays. */
static const char notices[] =
	"CREATE TABLE notice ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" operation BLOB NOT NULL UNIQUE,"
	" kind TEXT NOT NULL,"
	" customer INTEGER NOT NULL,"
	" domain INTEGER NOT NULL,"
	" account INTEGER NOT NULL,"
	" recipient BLOB NOT NULL,"
	" name BLOB NOT NULL,"
	" language TEXT NOT NULL,"
	" words BLOB NOT NULL,"
	" sealed BLOB NOT NULL,"
	" state INTEGER NOT NULL,"
	" made INTEGER NOT NULL,"
	" sent INTEGER NOT NULL,"
	" queue_id INTEGER NOT NULL,"
	" sender BLOB NOT NULL,"
	" subject BLOB NOT NULL,"
	" error BLOB NOT NULL) STRICT;"
	"CREATE INDEX notice_waiting ON notice(id) WHERE state = 0;"
	"CREATE INDEX notice_customer ON notice(customer);"
	"CREATE INDEX notice_recipient ON notice(recipient);"
	"CREATE TABLE template ("
	" customer INTEGER NOT NULL,"
	" kind TEXT NOT NULL,"
	" language TEXT NOT NULL,"
	" subject BLOB NOT NULL,"
	" text BLOB NOT NULL,"
	" html BLOB NOT NULL,"
	" changed INTEGER NOT NULL,"
	" PRIMARY KEY (customer, kind, language)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE notice_sender ("
	" customer INTEGER NOT NULL REFERENCES customer(id) ON DELETE CASCADE,"
	" domain INTEGER NOT NULL,"
	" address BLOB NOT NULL,"
	" name BLOB NOT NULL,"
	" PRIMARY KEY (customer, domain)) STRICT, WITHOUT ROWID;"
	"CREATE TRIGGER notice_sender_domain AFTER DELETE ON domain BEGIN"
	" DELETE FROM notice_sender WHERE domain = old.id; END;"
	"CREATE TRIGGER template_customer AFTER DELETE ON customer BEGIN"
	" DELETE FROM template WHERE customer = old.id; END;"
	"ALTER TABLE account ADD COLUMN language TEXT NOT NULL DEFAULT '';";

/* What domains do with local parts that are in no list: areas with candidates, and mail that moves out of them. */
static const char areas[] =
	"CREATE TABLE addressing ("
	" domain INTEGER PRIMARY KEY REFERENCES domain(id) ON DELETE CASCADE,"
	" separator INTEGER NOT NULL,"
	" catch_all BLOB NOT NULL,"
	" candidates INTEGER NOT NULL,"
	" days INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL,"
	" max INTEGER NOT NULL,"
	" area INTEGER NOT NULL) STRICT;"
	"CREATE INDEX addressing_area ON addressing(area) WHERE area <> 0;"
	"CREATE TABLE candidate ("
	" domain INTEGER NOT NULL REFERENCES domain(id) ON DELETE CASCADE,"
	" local BLOB NOT NULL,"
	" generation INTEGER NOT NULL,"
	" messages INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL,"
	" first INTEGER NOT NULL,"
	" last INTEGER NOT NULL,"
	" PRIMARY KEY (domain, local)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE transfer ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" origin_account INTEGER NOT NULL,"
	" origin_shard INTEGER NOT NULL,"
	" folder BLOB NOT NULL,"
	" target_account INTEGER NOT NULL,"
	" source INTEGER NOT NULL,"
	" origin BLOB NOT NULL,"
	" target BLOB NOT NULL,"
	" moved INTEGER NOT NULL,"
	" error BLOB NOT NULL,"
	" created INTEGER NOT NULL) STRICT;"
	"CREATE INDEX transfer_target ON transfer(target_account);";

/* Alternate names (labels, without a dot) and alias domains (with dots). */
static const char alternates[] = "CREATE TABLE other_name ("
				 " name TEXT PRIMARY KEY,"
				 " domain INTEGER NOT NULL REFERENCES domain(id) ON DELETE CASCADE) STRICT;"
				 "CREATE INDEX other_name_domain ON other_name(domain);";
/* What rewritten senders are signed with. */
static const char srs_secrets[] = "CREATE TABLE srs_secret ("
				  " id INTEGER PRIMARY KEY AUTOINCREMENT,"
				  " made INTEGER NOT NULL,"
				  " key BLOB NOT NULL) STRICT;";
/*
 * Links that lead to setting a password, by the SHA-256 of their token; holder as in office. Whoever changes what they
 * hang on makes them void. must_change of a credential: 2 is a first password, which ends by itself.
 */
#define VOID_LINKS "DELETE FROM link WHERE holder = "
static const char links[] =
	"CREATE TABLE link ("
	" hash BLOB PRIMARY KEY,"
	" holder INTEGER NOT NULL,"
	" kind INTEGER NOT NULL,"
	" created INTEGER NOT NULL,"
	" expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
	"CREATE INDEX link_holder ON link(holder, kind);"
	"CREATE INDEX link_expires ON link(expires);"
	"ALTER TABLE account ADD COLUMN recovery BLOB NOT NULL DEFAULT x'';"
	"CREATE TRIGGER link_password_new AFTER INSERT ON credential WHEN new.kind = 0 BEGIN " VOID_LINKS "-new.account; END;"
	"CREATE TRIGGER link_password_set AFTER UPDATE OF version ON credential"
	" WHEN new.kind = 0 AND new.version <> old.version BEGIN " VOID_LINKS "-new.account; END;"
	"CREATE TRIGGER link_recovery_set AFTER UPDATE OF recovery ON account WHEN new.recovery <> old.recovery BEGIN " VOID_LINKS
	"-new.id; END;"
	"CREATE TRIGGER link_leaves AFTER UPDATE OF state ON account WHEN new.state = 2 BEGIN " VOID_LINKS "-new.id; END;"
	"CREATE TRIGGER link_staff_set AFTER UPDATE OF version, recovery ON staff"
	" WHEN new.version <> old.version OR new.recovery <> old.recovery BEGIN " VOID_LINKS "new.id; END;"
	"CREATE TRIGGER link_staff_gone AFTER DELETE ON staff BEGIN " VOID_LINKS "old.id; END;";

/* Who may write to a list; without a row: anyone. */
static const char list_policies[] = "CREATE TABLE list_policy ("
				    " address INTEGER PRIMARY KEY REFERENCES address(id) ON DELETE CASCADE,"
				    " who INTEGER NOT NULL) STRICT;"
				    "CREATE TABLE list_sender ("
				    " address INTEGER NOT NULL REFERENCES address(id) ON DELETE CASCADE,"
				    " name BLOB NOT NULL,"
				    " PRIMARY KEY (address, name)) STRICT, WITHOUT ROWID;";
/* Storage: what customers, domains and mailboxes have set; leases of shared pools; what the shards told. */
static const char limits[] = "CREATE TABLE customer_limits ("
			     " customer INTEGER PRIMARY KEY REFERENCES customer(id) ON DELETE CASCADE,"
			     " fixed INTEGER NOT NULL, retention INTEGER NOT NULL, level INTEGER NOT NULL) STRICT;"
			     "CREATE TABLE domain_limits ("
			     " domain INTEGER PRIMARY KEY REFERENCES domain(id) ON DELETE CASCADE,"
			     " refuse INTEGER NOT NULL, retention INTEGER NOT NULL) STRICT;"
			     "CREATE TABLE account_limits ("
			     " account INTEGER PRIMARY KEY REFERENCES account(id) ON DELETE CASCADE,"
			     " retention INTEGER NOT NULL, level INTEGER NOT NULL) STRICT;"
			     "CREATE TABLE limits_pending ("
			     " customer INTEGER PRIMARY KEY REFERENCES customer(id) ON DELETE CASCADE,"
			     " change INTEGER NOT NULL) STRICT;"
			     "INSERT INTO limits_pending SELECT id, 0 FROM customer WHERE pool <> 0;"
			     "CREATE TABLE pool_lease ("
			     " customer INTEGER NOT NULL REFERENCES customer(id) ON DELETE CASCADE,"
			     " shard INTEGER NOT NULL, lease INTEGER NOT NULL, used INTEGER NOT NULL,"
			     " recall INTEGER NOT NULL, PRIMARY KEY (customer, shard)) STRICT, WITHOUT ROWID;"
			     "CREATE TABLE crossing_seen (shard INTEGER PRIMARY KEY, id INTEGER NOT NULL) STRICT;";
/* What mailboxes do by themselves, as settings (responder.h). */
static const char responders[] = "CREATE TABLE responder ("
				 " account INTEGER PRIMARY KEY REFERENCES account(id) ON DELETE CASCADE,"
				 " zone BLOB NOT NULL,"
				 " targets BLOB NOT NULL,"
				 " keep INTEGER NOT NULL,"
				 " forward_start BLOB NOT NULL, forward_end BLOB NOT NULL,"
				 " subject BLOB NOT NULL,"
				 " text BLOB NOT NULL,"
				 " days INTEGER NOT NULL,"
				 " reply_start BLOB NOT NULL, reply_end BLOB NOT NULL,"
				 " changed INTEGER NOT NULL) STRICT;";

/* Passwords of programs; a new password of the account takes them away. */
static const char app_passwords[] =
	"CREATE TABLE app_password ("
	" account INTEGER NOT NULL REFERENCES account(id) ON DELETE CASCADE,"
	" name TEXT NOT NULL,"
	" protocols INTEGER NOT NULL,"
	" hash BLOB NOT NULL,"
	" version INTEGER NOT NULL,"
	" created INTEGER NOT NULL,"
	" used INTEGER NOT NULL,"
	" PRIMARY KEY (account, name)) STRICT, WITHOUT ROWID;"
	"CREATE TRIGGER app_password_leaves AFTER UPDATE OF state ON account WHEN new.state = 2 BEGIN"
	" DELETE FROM app_password WHERE account = new.id; END;"
	"CREATE TRIGGER app_password_void AFTER UPDATE OF version ON credential"
	" WHEN new.kind = 0 AND new.version <> old.version BEGIN DELETE FROM app_password WHERE account = new.account; END;";

/* When each domain moves (schedule.h). */
static const char schedules[] = "CREATE TABLE schedule ("
				" domain INTEGER PRIMARY KEY REFERENCES domain(id) ON DELETE CASCADE,"
				" place INTEGER NOT NULL, day TEXT NOT NULL, note TEXT NOT NULL,"
				" changed INTEGER NOT NULL) STRICT;"
				"CREATE INDEX schedule_order ON schedule(place, day);";

/* A catch-all mailbox gets a copy for each recipient (M30). */
static const char multidrops[] = "ALTER TABLE addressing ADD COLUMN multidrop INTEGER NOT NULL DEFAULT 0;";

/* Of people without a mailbox; a mailbox has its own. */
static const char staff_languages[] = "ALTER TABLE staff ADD COLUMN language TEXT NOT NULL DEFAULT '';";
/*
 * The second factor (totp.h): since 0 waits to be confirmed; holder as in office. It goes with its holder; a new password
 * forgives wrong codes.
 */
static const char second_factors[] =
	"CREATE TABLE totp ("
	" holder INTEGER PRIMARY KEY,"
	" secret BLOB NOT NULL,"
	" made INTEGER NOT NULL,"
	" since INTEGER NOT NULL,"
	" step INTEGER NOT NULL,"
	" wrong INTEGER NOT NULL) STRICT;"
	"CREATE TABLE totp_recovery ("
	" holder INTEGER NOT NULL REFERENCES totp(holder) ON DELETE CASCADE,"
	" hash BLOB NOT NULL,"
	" PRIMARY KEY (holder, hash)) STRICT, WITHOUT ROWID;"
	"CREATE TRIGGER totp_leaves AFTER UPDATE OF state ON account WHEN new.state = 2 BEGIN"
	" DELETE FROM totp WHERE holder = -new.id; END;"
	"CREATE TRIGGER totp_staff_gone AFTER DELETE ON staff BEGIN DELETE FROM totp WHERE holder = old.id; END;"
	"CREATE TRIGGER totp_forgiven AFTER UPDATE OF version ON credential"
	" WHEN new.kind = 0 AND new.version <> old.version BEGIN UPDATE totp SET wrong = 0 WHERE holder = -new.account; END;"
	"CREATE TRIGGER totp_staff_forgiven AFTER UPDATE OF version ON staff WHEN new.version <> old.version BEGIN"
	" UPDATE totp SET wrong = 0 WHERE holder = new.id; END;"
	"ALTER TABLE policy ADD COLUMN app_passwords INTEGER NOT NULL DEFAULT 1;";

/* Requests for a forgotten password's link that were answered and not looked at yet (op/forgot.c). */
static const char forgots[] = "CREATE TABLE forgot (id INTEGER PRIMARY KEY, user BLOB NOT NULL, at INTEGER NOT NULL) STRICT;";

/* How a script last failed over a message; failed 0: not since it was put. A domain has scripts for include :global. */
static const char script_failures[] =
	"ALTER TABLE script ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE script ADD COLUMN fail_within BLOB NOT NULL DEFAULT x'';"
	"ALTER TABLE script ADD COLUMN fail_line INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE script ADD COLUMN fail_column INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE script ADD COLUMN fail_what BLOB NOT NULL DEFAULT x'';"
	"ALTER TABLE script ADD COLUMN fail_arg BLOB NOT NULL DEFAULT x'';";
static const char global_scripts[] =
	"CREATE TABLE global_script (domain INTEGER NOT NULL REFERENCES domain(id) ON DELETE CASCADE,"
	" name BLOB NOT NULL, text BLOB NOT NULL, changed INTEGER NOT NULL, PRIMARY KEY (domain, name)) STRICT;";

/*
 * Everything that is set for an account is a modification of it, for old user names: what `logins` left out. What comes by
 * itself is none: a quota's crossing (level of account_limits), an app password's last use, passwords that a new one voids.
 */
static const char login_touches[] =
	"CREATE TRIGGER login_person_set AFTER UPDATE OF recovery, language ON account"
	" WHEN new.recovery <> old.recovery OR new.language <> old.language BEGIN " TOUCH "= new.id; END;"
	"CREATE TRIGGER login_retention_new AFTER INSERT ON account_limits WHEN new.retention <> -1 BEGIN " TOUCH
	"= new.account; END;"
	"CREATE TRIGGER login_retention_set AFTER UPDATE OF retention ON account_limits WHEN new.retention <> old.retention BEGIN "
	TOUCH "= new.account; END;"
	"CREATE TRIGGER login_script_new AFTER INSERT ON script BEGIN " TOUCH "= new.account; END;"
	"CREATE TRIGGER login_script_set AFTER UPDATE OF name, text, active ON script"
	" WHEN new.name <> old.name OR new.text <> old.text OR new.active <> old.active BEGIN " TOUCH "= new.account; END;"
	"CREATE TRIGGER login_script_gone AFTER DELETE ON script BEGIN " TOUCH "= old.account; END;"
	"CREATE TRIGGER login_responder_new AFTER INSERT ON responder BEGIN " TOUCH "= new.account; END;"
	"CREATE TRIGGER login_responder_set AFTER UPDATE ON responder WHEN"
	" (new.zone, new.targets, new.keep, new.forward_start, new.forward_end, new.subject, new.text, new.days,"
	" new.reply_start, new.reply_end) IS NOT (old.zone, old.targets, old.keep, old.forward_start, old.forward_end,"
	" old.subject, old.text, old.days, old.reply_start, old.reply_end) BEGIN " TOUCH "= new.account; END;"
	"CREATE TRIGGER login_responder_gone AFTER DELETE ON responder BEGIN " TOUCH "= old.account; END;"
	"CREATE TRIGGER login_app_new AFTER INSERT ON app_password BEGIN " TOUCH "= new.account; END;"
	"CREATE TRIGGER login_app_gone AFTER DELETE ON app_password BEGIN " TOUCH "= old.account; END;";

/* clang-format off */
const char *const directory_migrations[] = {
	first,
	operators,
	policies,
	logins,
	offices,
	plan_pop3,
	scripts,
	areas,
	homes,
	notices,
	alternates,
	srs_secrets,
	links,
	list_policies,
	limits,
	responders,
	app_passwords,
	schedules,
	multidrops,
	staff_languages,
	forgots,
	script_failures,
	global_scripts,
	second_factors,
	login_touches,
};
/* clang-format on */
const size_t directory_n_migrations = ARRAY_SIZE(directory_migrations);
