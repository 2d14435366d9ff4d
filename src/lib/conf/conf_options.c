/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every option of postern.conf, in the order in which the file shows them. The man page, `postern init` and
 * `postern conf dump` are made from this table; adding a line here is all that a new option needs.
 */
#include "lib/conf/conf.h"

#define KIB 1024ull
#define MIB (KIB * KIB)
#define GIB (KIB * MIB)
#define SEC 1000ull
#define MIN (60 * SEC)
#define HOUR (60 * MIN)
#define DAY (24 * HOUR)

static const char *const languages[] = { "en", "de", NULL };
static const char *const levels[] = { "debug", "info", "warn", "error", NULL };

/* clang-format off */
const struct conf_option conf_options[] = {
	{ "host.name", CONF_HOST, "localhost", 1, 253, CONF_RELOAD,
	  "name of this machine in greetings, Received lines and EHLO" },

	{ "host.language", CONF_CHOICE, "en", 0, 0, CONF_RELOAD,
	  "language in which people are written to where neither they nor their customer have one, and of pages where a browser "
	  "asks for none that is here", languages },

	{ "domain.alternate_base", CONF_HOST, "", 0, 200, CONF_RELOAD,
	  "domain of the provider below which every domain has an alternate name: mydomain.zz is mydomainzz.provider.example too; empty: none" },

	{ "smtp.listen", CONF_ADDRESS, "127.0.0.1:25", 0, 0, CONF_RESTART,
	  "where the mail exchanger listens" },
	{ "smtp.max_size", CONF_SIZE, "100M", 64 * KIB, 1 * GIB, CONF_RELOAD,
	  "largest message that is accepted" },
	{ "smtp.max_recipients", CONF_U64, "1000", 100, 10000, CONF_RELOAD,
	  "recipients of one message" },
	{ "smtp.max_errors", CONF_U64, "20", 3, 1000, CONF_RELOAD,
	  "refused commands before a client is sent away" },
	{ "smtp.max_hops", CONF_U64, "50", 10, 200, CONF_RELOAD,
	  "Received lines in a message before it is taken for a loop" },
	{ "smtp.timeout", CONF_DURATION, "5m", 1 * SEC, 1 * HOUR, CONF_RELOAD,
	  "how long a client may be silent" },
	{ "smtp.greet_pause", CONF_DURATION, "200ms", 0, 60 * SEC, CONF_RELOAD,
	  "how long a mail server has to be silent before it is greeted; one that speaks before is a spammer's" },
	{ "smtp.body_memory", CONF_SIZE, "1G", 64 * MIB, 1024 * GIB, CONF_RELOAD,
	  "octets of messages that one smtpd room has under way, together; past it 452" },
	{ "smtp.max_connections", CONF_U64, "2000", 1, 100000, CONF_RELOAD,
	  "connections of one smtpd room" },

	{ "submission.listen", CONF_ADDRESS, "127.0.0.1:465", 0, 0, CONF_RESTART,
	  "where users hand in mail, with TLS from the first byte" },

	{ "imap.listen", CONF_ADDRESS, "127.0.0.1:993", 0, 0, CONF_RESTART,
	  "where users read mail with IMAP over TLS" },
	{ "imap.timeout", CONF_DURATION, "30m", 1 * SEC, 24 * HOUR, CONF_RELOAD,
	  "how long a logged-in client may be silent" },
	{ "imap.login_timeout", CONF_DURATION, "1m", 1 * SEC, 1 * HOUR, CONF_RELOAD,
	  "how long a client may take to log in" },
	{ "imap.max_connections", CONF_U64, "10000", 1, 100000, CONF_RELOAD,
	  "connections of one imapd room" },
	{ "imap.max_sessions", CONF_U64, "50", 1, 100000, CONF_RELOAD,
	  "sessions of one account at one imapd room; exempt networks are not counted" },

	{ "pop3.listen", CONF_ADDRESS, "127.0.0.1:995", 0, 0, CONF_RESTART,
	  "where users fetch mail with POP3 over TLS" },
	{ "pop3.timeout", CONF_DURATION, "10m", 1 * SEC, 24 * HOUR, CONF_RELOAD,
	  "how long a client may be silent" },
	{ "pop3.max_connections", CONF_U64, "2000", 1, 100000, CONF_RELOAD,
	  "connections of the pop3d room" },

	{ "sieve.listen", CONF_ADDRESS, "127.0.0.1:4190", 0, 0, CONF_RESTART,
	  "where users look after their Sieve scripts (ManageSieve; STARTTLS comes before any password)" },
	{ "sieve.timeout", CONF_DURATION, "30m", 1 * SEC, 24 * HOUR, CONF_RELOAD,
	  "how long a client may be silent" },
	{ "sieve.max_connections", CONF_U64, "2000", 1, 100000, CONF_RELOAD,
	  "connections of the sieved room" },

	{ "admin.socket", CONF_STR, "run/admin.sock", 1, 100, CONF_RESTART,
	  "unix socket of the administration, below the instance's folder; whoever may open it is the provider" },
	{ "admin.max_file", CONF_SIZE, "64M", 64 * KIB, 256 * MIB, CONF_RELOAD,
	  "largest import or password file" },

	{ "https.listen", CONF_ADDRESS, "127.0.0.1:443", 0, 0, CONF_RESTART,
	  "where the administration's API is reached over TLS" },
	{ "https.max_connections", CONF_U64, "500", 1, 2000, CONF_RELOAD, "connections of the httpd room" },
	{ "http.listen", CONF_ADDRESS, "127.0.0.1:80", 0, 0, CONF_RESTART,
	  "where requests in clear are sent on to web.url, and nothing else" },

	{ "web.url", CONF_URL, "", 0, 1024, CONF_RELOAD,
	  "where users' browsers reach this instance, https://NAME or https://NAME:PORT; links in mail begin with it, and "
	  "nothing else says what they begin with; empty: https:// and host.name" },
	{ "web.old_names", CONF_HOSTS, "", 0, 1024, CONF_RELOAD,
	  "names under which browsers reached another panel before, with spaces between: over HTTPS and in clear they are sent "
	  "to web.url; the certificate has to hold them, too" },

	{ "tls.certificate", CONF_STR, "tls/cert.pem", 1, 1024, CONF_RELOAD,
	  "certificate chain in PEM, below the instance's folder or absolute" },
	{ "tls.key", CONF_STR, "tls/key.pem", 1, 1024, CONF_RELOAD,
	  "its private key in PEM; only the owner may read it" },

	{ "dns.servers", CONF_SERVERS, "", 0, 1024, CONF_RESTART,
	  "resolvers to ask, ADDRESS or ADDRESS:PORT; empty: those of /etc/resolv.conf" },

	{ "limits.exempt_networks", CONF_NETWORKS, "127.0.0.0/8 ::1/128", 0, 1024, CONF_RELOAD,
	  "networks whose connections are not limited; it does not mean that they may relay" },
	{ "limits.per_address", CONF_U64, "50", 1, 100000, CONF_RELOAD,
	  "connections from one address (IPv6: one /64) to one room" },

	{ "rooms.smtpd", CONF_U64, "1", 1, 8, CONF_RESTART, "processes that serve SMTP and submission" },
	{ "rooms.imapd", CONF_U64, "1", 1, 8, CONF_RESTART, "processes that serve IMAP" },
	{ "rooms.auth", CONF_U64, "1", 1, 8, CONF_RESTART, "processes that verify passwords" },
	{ "rooms.filter", CONF_U64, "1", 1, 8, CONF_RESTART, "processes that take mail apart" },
	{ "rooms.relay", CONF_U64, "1", 1, 8, CONF_RESTART, "processes that deliver to other servers" },
	{ "rooms.mover", CONF_U64, "1", 1, 4, CONF_RESTART, "processes that copy mailboxes in" },
	{ "rooms.store", CONF_U64, "1", 1, 8, CONF_RESTART, "store shards; never fewer than there were before" },

	{ "run.user", CONF_STR, "", 0, 32, CONF_RESTART,
	  "user that every room becomes when the instance is started by root" },

	{ "log.level", CONF_CHOICE, "info", 0, 0, CONF_RELOAD, "least level of events that are written", levels },
	{ "log.json", CONF_BOOL, "false", 0, 0, CONF_RELOAD, "events as JSON lines" },

	{ "queue.lifetime", CONF_DURATION, "5d", 1 * SEC, 30 * DAY, CONF_RELOAD,
	  "how long mail is tried before it goes back to its sender" },
	{ "queue.retry_first", CONF_DURATION, "1m", 100, 1 * HOUR, CONF_RELOAD,
	  "pause before the second attempt; it doubles with each" },
	{ "queue.retry_max", CONF_DURATION, "4h", 100, 2 * DAY, CONF_RELOAD, "longest pause between attempts" },
	{ "queue.warn_after", CONF_DURATION, "4h", 0, 30 * DAY, CONF_RELOAD,
	  "when the sender is told that mail is late; 0: never" },
	{ "queue.per_host", CONF_U64, "20", 1, 1000, CONF_RELOAD, "connections to one host at a time" },

	{ "queue.probe", CONF_DURATION, "10s", 100, 1 * HOUR, CONF_RELOAD,
	  "longest pause between trials of a customer's server that does not answer" },

	{ "relay.timeout", CONF_DURATION, "1m", 1 * SEC, 10 * MIN, CONF_RELOAD,
	  "how long another server may take to connect or to answer a command" },
	{ "relay.port", CONF_U64, "25", 1, 65535, CONF_RELOAD, "port of other mail exchangers" },
	{ "relay.private_mx", CONF_BOOL, "false", 0, 0, CONF_RELOAD,
	  "deliver to mail exchangers with private or loopback addresses, too" },
	{ "relay.reuse", CONF_DURATION, "5s", 0, 5 * MIN, CONF_RELOAD,
	  "how long a connection is kept for the next message" },

	{ "mover.connections", CONF_U64, "4", 1, 64, CONF_RELOAD, "mailboxes that one mover copies at a time" },

	{ "store.segment_size", CONF_SIZE, "64M", 1 * MIB, 1 * GIB, CONF_RESTART,
	  "size at which a new segment file begins" },

	{ "audit.keep", CONF_DURATION, "400d", 1 * DAY, 36500 * DAY, CONF_RELOAD,
	  "how long it is kept who changed what" },
	{ "notices.keep", CONF_DURATION, "400d", 1 * DAY, 36500 * DAY, CONF_RELOAD,
	  "how long it is kept what notices were sent to whom" },

	{ "auth.argon2_memory", CONF_SIZE, "19M", 8 * KIB, 1 * GIB, CONF_RELOAD, "memory of one Argon2id hash" },
	{ "auth.argon2_passes", CONF_U64, "2", 1, 100, CONF_RELOAD, "passes of one Argon2id hash" },
};
/* clang-format on */
const size_t conf_n_options = ARRAY_SIZE(conf_options);
