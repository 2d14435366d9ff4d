/* SPDX-License-Identifier: Apache-2.0 */
/*
 * postern doctor: looks at the instance's folder and its surroundings, changes nothing, and says in
 * words what it found: "ok", "note" (worth a look) or "wrong" (mail will not work as it should;
 * exit 1).
 */
#include "cli/doctor.h"

#include "base/err.h"
#include "base/rng.h"
#include "lib/tls/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { PATH_SPACE = 4096, PEM_MAX = 1 << 20, DNS_MS = 2000, EXPIRY_NOTE_DAYS = 21 };

static const char *const words[] = { "ok", "note", "wrong" };

void doctor_say(struct doctor *d, const char *check, enum finding finding, const char *fmt, ...)
{
	char text[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), T_(fmt), args);
	va_end(args);
	json_array_append_new(d->checks, json_pack("{s:s, s:s, s:s}", "check", check, "finding",
						   words[finding], "text", text));
	d->wrong |= finding == FINDING_WRONG;
}

/* ---- ports ---- */

static socklen_t length_of(const struct sockaddr_storage *sa)
{
	return sa->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static void address_of(const struct sockaddr_storage *sa, char *ret, size_t size)
{
	char ip[INET6_ADDRSTRLEN] = "";
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
	bool is4 = sa->ss_family == AF_INET;
	inet_ntop(sa->ss_family, is4 ? (const void *)&v4->sin_addr : (const void *)&v6->sin6_addr,
		  ip, sizeof(ip));
	snprintf(ret, size, is4 ? "%s:%d" : "[%s]:%d", ip,
		 ntohs(is4 ? v4->sin_port : v6->sin6_port));
}

static int try_socket(const struct sockaddr_storage *sa, bool connects)
{
	int one = 1, err = 0;
	int fd = socket(sa->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){ .tv_sec = 2 },
		   sizeof(struct timeval));
	if (connects
		    ? connect(fd, (const struct sockaddr *)sa, length_of(sa)) < 0
		    : bind(fd, (const struct sockaddr *)sa, length_of(sa)) < 0 || listen(fd, 1) < 0)
		err = -errno;
	close(fd);
	return err;
}

static void check_port(struct doctor *d, const char *option, const struct sockaddr_storage *sa)
{
	char where[80];
	int err = try_socket(sa, d->running);
	address_of(sa, where, sizeof(where));
	if (err == 0)
		doctor_say(d, "ports", FINDING_OK,
			   d->running ? "%s answers on %s" : "%s can listen on %s", option, where);
	else if (d->running)
		doctor_say(d, "ports", FINDING_WRONG, "%s does not answer on %s: %s", option, where,
			   err_said(err));
	else if (err == -EADDRINUSE)
		doctor_say(d, "ports", FINDING_WRONG, "%s: another program has %s", option, where);
	else if (err == -EACCES)
		doctor_say(d, "ports", FINDING_WRONG,
			   "%s: %s is for root only; start as root with run.user set, or lower "
			   "net.ipv4.ip_unprivileged_port_start with sysctl",
			   option, where);
	else
		doctor_say(d, "ports", FINDING_WRONG, "%s cannot listen on %s: %s", option, where,
			   err_said(err));
}

static void check_ports(struct doctor *d)
{
	for (size_t i = 0; i < conf_n_options; i++) {
		const struct conf_option *o = &conf_options[i];
		struct sockaddr_storage sa;
		if (o->type != CONF_ADDRESS)
			continue;
		for (const char *at = conf_str(d->conf, o->name); conf_address_next(&at, &sa) > 0;)
			check_port(d, o->name, &sa);
	}
}

/* ---- DNS ---- */

/* Any answer to "the name servers of the root" with our id shows that somebody is there (RFC
 * 1035 4.1). */
static int ask_resolver(const struct sockaddr_storage *sa)
{
	uint8_t query[] = { 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1 }, answer[1232];
	rng_bytes(query, 2);
	int fd = socket(sa->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;
	if (fd < 0)
		return -errno;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n = -1;
	if (connect(fd, (const struct sockaddr *)sa, length_of(sa)) < 0 ||
	    send(fd, query, sizeof(query), 0) < 0)
		err = -errno;
	else if (poll(&p, 1, DNS_MS) <= 0)
		err = ERR_TIMEOUT;
	else if ((n = recv(fd, answer, sizeof(answer), 0)) < 0)
		err = -errno;
	else if (n < 12 || memcmp(answer, query, 2) || !(answer[2] & 0x80))
		err = ERR_SYNTAX;
	close(fd);
	return err;
}

/* "nameserver 192.0.2.53" lines as one list of addresses with ports. */
static void system_resolvers(struct buf *out)
{
	char line[512];
	FILE *f = fopen("/etc/resolv.conf", "re");
	while (f && fgets(line, sizeof(line), f)) {
		struct slice s = slice_trim(slice_str(line));
		if (!slice_starts(s, SLICE("nameserver")))
			continue;
		s = slice_trim(slice_sub(s, 10, s.n));
		bool v6 = slice_find_byte(s, ':', 0) >= 0;
		buf_printf(out, v6 ? "[" SLICE_FMT "]:53 " : SLICE_FMT ":53 ", SLICE_ARG(s));
	}
	if (f)
		fclose(f);
}

/* The option's words have their port or not. */
static void configured_resolvers(const char *servers, struct buf *out)
{
	while (*servers) {
		size_t n = strcspn(servers, " \t");
		struct slice word = slice_of(servers, n);
		ptrdiff_t colon = slice_find_byte(word, ':', 0);
		bool v6 = colon >= 0 && word.p[0] != '[' &&
			  slice_find_byte(word, ':', (size_t)colon + 1) >= 0;
		if (v6)
			buf_printf(out, "[" SLICE_FMT "]:53 ", SLICE_ARG(word));
		else if (n)
			buf_printf(out, SLICE_FMT "%s ", SLICE_ARG(word), colon < 0 ? ":53" : "");
		servers += n + strspn(servers + n, " \t");
	}
}

static void check_dns(struct doctor *d)
{
	struct buf list = BUF_INIT(8192);
	struct sockaddr_storage sa;
	unsigned good = 0, all = 0;
	const char *servers = conf_str(d->conf, "dns.servers");
	if (*servers)
		configured_resolvers(servers, &list);
	else
		system_resolvers(&list);
	for (const char *at = buf_cstr(&list); conf_address_next(&at, &sa) > 0; all++) {
		char where[80];
		int err = ask_resolver(&sa);
		address_of(&sa, where, sizeof(where));
		good += err == 0;
		if (err < 0)
			doctor_say(d, "dns", FINDING_NOTE, "the resolver %s does not answer: %s",
				   where, err_said(err));
	}
	if (good)
		doctor_say(d, "dns", FINDING_OK,
			   all == 1 ? "%u of %u resolver answers" : "%u of %u resolvers answer", good, all);
	else
		doctor_say(d, "dns", FINDING_WRONG,
			   all ? "no resolver answers: mail to other servers will wait"
			       : "there is no resolver: set dns.servers or /etc/resolv.conf");
	buf_fini(&list);
}

/* ---- certificate ---- */

static int read_pem(struct doctor *d, const char *option, struct buf *out, struct stat *ret_st)
{
	char path[PATH_SPACE];
	const char *name = conf_str(d->conf, option);
	snprintf(path, sizeof(path), "%s%s%s", name[0] == '/' ? "" : d->dir,
		 name[0] == '/' ? "" : "/", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
	if (fd < 0 || fstat(fd, ret_st) < 0)
		err = -errno;
	while (err == 0) {
		uint8_t *at = buf_reserve(out, 4096);
		ssize_t n = at ? read(fd, at, 4096) : -1;
		if (n < 0)
			err = ERR_TOO_BIG;
		if (n <= 0)
			break;
		buf_added(out, (size_t)n);
	}
	if (fd >= 0)
		close(fd);
	if (err < 0)
		doctor_say(d, "certificate", FINDING_WRONG, "%s: %s: %s", option, path,
			   err_said(err));
	return err;
}

/* Every alternate name of a domain is one label below the base: "x" stands for them all. */
static void check_names(struct doctor *d, X509 *x)
{
	const char *host = conf_str(d->conf, "host.name"), *base = conf_str(d->conf, "domain.alternate_base");
	char alternate[256];
	if (X509_check_host(x, host, 0, 0, NULL) != 1)
		doctor_say(d, "certificate", FINDING_NOTE,
			   "the certificate does not name %s (host.name)", host);
	snprintf(alternate, sizeof(alternate), "x.%s", base);
	if (*base && X509_check_host(x, alternate, 0, 0, NULL) != 1)
		doctor_say(d, "certificate", FINDING_NOTE,
			   "the certificate does not name *.%s (domain.alternate_base): browsers warn under the alternate "
			   "names of domains", base);
}

static void check_expiry(struct doctor *d, struct slice pem)
{
	int days = 0, seconds = 0;
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *x = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
	if (!x || !ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(x))) {
		doctor_say(d, "certificate", FINDING_WRONG, "the certificate cannot be read");
	} else if (days < 0 || seconds < 0) {
		doctor_say(d, "certificate", FINDING_WRONG,
			   days == -1 ? "the certificate ran out %d day ago" : "the certificate ran out %d days ago", -days);
	} else if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0) {
		doctor_say(d, "certificate", FINDING_WRONG,
			   "the certificate is not valid yet: look at the clock");
	} else {
		doctor_say(d, "certificate", days < EXPIRY_NOTE_DAYS ? FINDING_NOTE : FINDING_OK,
			   days == 1 ? "the certificate is valid for %d more day" :
				       "the certificate is valid for %d more days", days);
		check_names(d, x);
		if (X509_check_issued(x, x) == X509_V_OK)
			doctor_say(d, "certificate", FINDING_NOTE,
				   "the certificate is self-signed: clients will ask before they "
				   "trust it");
	}
	X509_free(x);
	BIO_free(bio);
}

static void check_certificate(struct doctor *d)
{
	struct buf pem = BUF_INIT(PEM_MAX);
	struct stat st;
	struct tls_ctx *tls = NULL;
	if (read_pem(d, "tls.certificate", &pem, &st) == 0) {
		check_expiry(d, buf_view(&pem));
		if (read_pem(d, "tls.key", &pem, &st) == 0) {
			if (st.st_mode & 077)
				doctor_say(d, "certificate", FINDING_WRONG,
					   "others than its owner may read the key: chmod 600 %s",
					   conf_str(d->conf, "tls.key"));
			if (tls_server_new(buf_view(&pem), &tls) < 0)
				doctor_say(d, "certificate", FINDING_WRONG,
					   "certificate and key do not belong together");
			tls_unref(&tls);
		}
	}
	if (pem.p)
		explicit_bzero(pem.p, pem.cap);
	buf_fini(&pem);
}

/* ---- the whole ---- */

static void print(const struct doctor *d)
{
	size_t i;
	json_t *check;
	struct table *t = table_new(3);
	json_array_foreach(d->checks, i, check) {
		table_cell(t, word_said(json_string_value(json_object_get(check, "finding"))), false);
		table_cell(t, word_said(json_string_value(json_object_get(check, "check"))), false);
		table_cell(t, json_string_value(json_object_get(check, "text")), false);
	}
	table_print(t);
	table_free(&t);
}

static void examine(struct doctor *d)
{
	doctor_say(d, "instance", FINDING_OK,
		   d->running ? "the instance in %s runs" : "the instance in %s does not run",
		   d->dir);
	check_certificate(d);
	check_ports(d);
	check_dns(d);
	doctor_clock(d);
	doctor_disk(d);
	doctor_limits(d);
	doctor_memory(d);
	doctor_sandbox(d);
}

int cli_doctor(struct cli *c)
{
	char path[PATH_SPACE];
	struct conf *conf = NULL;
	struct buf error = BUF_INIT(4096);
	const char *dir = cli_dir(c);
	if (!dir)
		return CLI_USAGE;
	if (c->n)
		return cli_usage("\"%s\" is one word too many", c->words[0]);
	struct doctor d = { .dir = dir, .running = cli_is_running(dir), .checks = json_array() };
	snprintf(path, sizeof(path), "%s/postern.conf", dir);
	if (conf_load(path, &conf, &error) < 0) {
		doctor_say(&d, "configuration", FINDING_WRONG, "%s", buf_cstr(&error));
	} else {
		d.conf = conf;
		doctor_say(&d, "configuration", FINDING_OK, "%s is valid", path);
		examine(&d);
	}
	if (c->json) {
		json_t *whole = json_pack("{s:b, s:O}", "ok", !d.wrong, "checks", d.checks);
		show_json(whole);
		json_decref(whole);
	} else {
		print(&d);
	}
	json_decref(d.checks);
	conf_free(&conf);
	buf_fini(&error);
	return d.wrong ? cli_refuse("something is wrong, see above") : CLI_DONE;
}
