/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SMTP room: mail exchanger ("smtp") and submission ("submission"). It hears the internet and has no
 * disk: a message goes from the client into a memfd, then to filter, store and queue. Limits come from
 * postern.conf; what a change of it or of the certificate touches are new connections.
 */
#include "room/smtpd/smtpd_priv.h"

enum {
	TARPIT_MS = 1000,
	DATA_MS = 60000,
	DATA_WINDOW_MIN = 6000,			/* octets in DATA_MS: 100 a second */
	DATA_TOTAL_MS = 3600 * 1000,
	STOP_MS = 7000,
};

static struct smtpd me;

static void configure(struct smtpd *d)
{
	const struct conf *conf = d->room->conf;
	char *host = (char *)d->mx.host;
	struct smtp_server_config c = {
		.host = strdup(conf_str(conf, "host.name")),
		.max_size = conf_u64(conf, "smtp.max_size"),
		.max_recipients = (unsigned)conf_u64(conf, "smtp.max_recipients"),
		.max_errors = (unsigned)conf_u64(conf, "smtp.max_errors"),
		.greet_ms = (unsigned)conf_u64(conf, "smtp.greet_pause"),
		.tarpit_ms = TARPIT_MS,
		.idle_ms = (unsigned)conf_u64(conf, "smtp.timeout"),
		.data_ms = DATA_MS,
		.data_window_min = DATA_WINDOW_MIN,
		.data_total_ms = DATA_TOTAL_MS,
	};
	bug_if(!c.host);
	if (c.idle_ms < c.data_ms)
		c.data_ms = c.idle_ms;
	d->mx = d->trusted = d->submission = c;
	d->trusted.greet_ms = d->trusted.tarpit_ms = 0;
	d->submission.submission = true;
	d->submission.greet_ms = 0;
	free(host);
	d->body_max = conf_u64(conf, "smtp.body_memory");
}

static int init(struct room *room)
{
	room->state = &me;
	me.room = room;
	list_init(&me.conns);
	list_init(&me.deliveries);
	configure(&me);
	front_init(&me.front, room);
	return 0;
}

static void on_mx_conn(void *ctx, int fd, const struct sockaddr_storage *peer)
{
	conn_accept(ctx, false, fd, peer);
}

static void on_submission_conn(void *ctx, int fd, const struct sockaddr_storage *peer)
{
	conn_accept(ctx, true, fd, peer);
}

static void on_listener(struct room *room, const char *name, int fd)
{
	bool submission = strcmp(name, "submission") == 0;
	front_listen(&me.front, fd, submission ? on_submission_conn : on_mx_conn, &me);
}

static void on_tls(struct room *room, struct slice pem)
{
	front_certificate(&me.front, pem);
}

/* Open sessions see the new values too; their certificate stays. */
static void on_reload(struct room *room)
{
	configure(&me);
	front_reload(&me.front);
}

void smtpd_maybe_exit(struct smtpd *d)
{
	if (d->room->stopping && list_empty(&d->conns) && list_empty(&d->deliveries))
		room_exit(d->room, 0);
}

static void on_stop(struct room *room)
{
	front_stop(&me.front, STOP_MS);
	conn_stop_all(&me);
	smtpd_maybe_exit(&me);
}

static void on_stats(struct room *room, struct stats *stats)
{
	front_stats(&me.front, stats);
	stats_add(stats, "messages", me.count.messages);
	stats_add(stats, "octets", me.count.octets);
	stats_add(stats, "messages.refused", me.count.refused_messages);
	stats_add(stats, "messages.deferred", me.count.deferred_messages);
	stats_add(stats, "recipients.refused", me.count.refused_recipients);
	stats_add(stats, "logins", me.count.logins);
	stats_add(stats, "logins.failed", me.count.failed_logins);
	stats_add(stats, "starttls", me.count.starttls);
	stats_add(stats, "body.octets", (int64_t)me.body_octets);
}

static const struct sandbox_policy policy = { .allow = SANDBOX_ACCEPT, .nofile = 16384 };

const struct room_ops smtpd_ops = {
	.sandbox = &policy,
	.init = init,
	.on_listener = on_listener,
	.on_tls = on_tls,
	.on_reload = on_reload,
	.on_stop = on_stop,
	.on_stats = on_stats,
};
