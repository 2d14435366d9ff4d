/* SPDX-License-Identifier: Apache-2.0 */
#include "run/topology.h"

const struct topology_room topology_rooms[] = {
	{ ROLE_STORE, "rooms.store", "store", 2 },
	{ ROLE_DIRECTORY, NULL, "directory", 2 },
	{ ROLE_QUEUE, NULL, "queue", 1 },
	{ ROLE_FILTER, "rooms.filter", NULL, 1 },
	{ ROLE_AUTH, "rooms.auth", NULL, 1 },
	{ ROLE_RELAY, "rooms.relay", NULL, 0 },
	{ ROLE_MOVER, "rooms.mover", NULL, 0 },
	{ ROLE_SMTPD, "rooms.smtpd", NULL, 0 },
	{ ROLE_IMAPD, "rooms.imapd", NULL, 0 },
	{ ROLE_POP3D, NULL, NULL, 0 },
	{ ROLE_SIEVED, NULL, NULL, 0 },
	{ ROLE_HTTPD, NULL, NULL, 0 },
	{ ROLE_ADMIND, NULL, NULL, 0 },
};
const size_t topology_n_rooms = ARRAY_SIZE(topology_rooms);

const struct topology_edge topology_edges[] = {
	{ ROLE_SMTPD, ROLE_DIRECTORY }, { ROLE_SMTPD, ROLE_AUTH },	{ ROLE_SMTPD, ROLE_FILTER },
	{ ROLE_SMTPD, ROLE_STORE },	{ ROLE_SMTPD, ROLE_QUEUE },

	{ ROLE_IMAPD, ROLE_AUTH },	{ ROLE_IMAPD, ROLE_FILTER },

	{ ROLE_POP3D, ROLE_AUTH },

	{ ROLE_SIEVED, ROLE_AUTH },	{ ROLE_SIEVED, ROLE_DIRECTORY },

	{ ROLE_HTTPD, ROLE_DIRECTORY }, { ROLE_HTTPD, ROLE_AUTH },

	{ ROLE_ADMIND, ROLE_DIRECTORY },

	{ ROLE_AUTH, ROLE_DIRECTORY },

	{ ROLE_QUEUE, ROLE_DIRECTORY }, { ROLE_QUEUE, ROLE_FILTER },	{ ROLE_QUEUE, ROLE_STORE },
	{ ROLE_QUEUE, ROLE_RELAY },

	{ ROLE_MOVER, ROLE_DIRECTORY }, { ROLE_MOVER, ROLE_FILTER },

	{ ROLE_DIRECTORY, ROLE_STORE }, { ROLE_DIRECTORY, ROLE_QUEUE }, { ROLE_DIRECTORY, ROLE_MOVER },
	{ ROLE_DIRECTORY, ROLE_AUTH },

	{ ROLE_STORE, ROLE_DIRECTORY },
};
const size_t topology_n_edges = ARRAY_SIZE(topology_edges);

const struct topology_listener topology_listeners[] = {
	{ "smtp", "smtp.listen", ROLE_SMTPD, false },
	{ "submission", "submission.listen", ROLE_SMTPD, false },
	{ "imaps", "imap.listen", ROLE_IMAPD, false },
	{ "pop3s", "pop3.listen", ROLE_POP3D, false },
	{ "sieve", "sieve.listen", ROLE_SIEVED, false },
	{ "https", "https.listen", ROLE_HTTPD, false },
	{ "http", "http.listen", ROLE_HTTPD, false },
	{ "admin", "admin.socket", ROLE_ADMIND, true },
};
const size_t topology_n_listeners = ARRAY_SIZE(topology_listeners);
