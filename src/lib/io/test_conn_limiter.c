/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of one address, while who is exempt changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/io/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

static struct sockaddr_storage at(const char *text)
{
	struct sockaddr_storage a = { 0 };
	if (inet_pton(AF_INET, text, &((struct sockaddr_in *)&a)->sin_addr) == 1)
		a.ss_family = AF_INET;
	else if (inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&a)->sin6_addr) == 1)
		a.ss_family = AF_INET6;
	else
		a.ss_family = AF_UNIX;
	return a;
}

/* How many more may come; all leave again. */
static unsigned room_for(struct conn_limiter *l, const struct sockaddr_storage *who)
{
	unsigned n = 0;
	while (n < 100 && conn_limiter_enter(l, who))
		n++;
	for (unsigned i = 0; i < n; i++)
		conn_limiter_leave(l, who);
	return n;
}

static void so_many_and_no_more(void **state)
{
	struct conn_limiter *l = conn_limiter_new(3, "192.0.2.0/24");
	struct sockaddr_storage one = at("198.51.100.1"), other = at("198.51.100.2"), exempt = at("192.0.2.9");
	struct sockaddr_storage host = at("2001:db8::1"), same = at("2001:db8::2"), next = at("2001:db8:0:1::1");
	struct sockaddr_storage file = at("none");
	assert_int_equal(room_for(l, &one), 3);
	assert_int_equal(room_for(l, &one), 3);
	assert_true(conn_limiter_enter(l, &one));
	assert_int_equal(room_for(l, &one), 2);
	assert_int_equal(room_for(l, &other), 3);
	assert_int_equal(room_for(l, &exempt), 100);
	assert_int_equal(room_for(l, &file), 100);
	assert_true(conn_limiter_enter(l, &host));
	assert_int_equal(room_for(l, &same), 2);	/* whoever has one has the /64 */
	assert_int_equal(room_for(l, &next), 3);
	conn_limiter_free(&l);
}

static void exempt_no_longer(void **state)
{
	struct conn_limiter *l = conn_limiter_new(3, "192.0.2.0/24");
	struct sockaddr_storage who = at("192.0.2.9");
	for (int i = 0; i < 5; i++)
		assert_true(conn_limiter_enter(l, &who));
	conn_limiter_set(l, 3, "");
	assert_int_equal(room_for(l, &who), 0);
	for (int i = 0; i < 4; i++)
		conn_limiter_leave(l, &who);
	assert_int_equal(room_for(l, &who), 2);		/* one that came while it was exempt is still there */
	conn_limiter_leave(l, &who);
	assert_int_equal(room_for(l, &who), 3);
	conn_limiter_free(&l);
}

static void exempt_for_a_while(void **state)
{
	struct conn_limiter *l = conn_limiter_new(3, "");
	struct sockaddr_storage who = at("192.0.2.9");
	for (int i = 0; i < 3; i++)
		assert_true(conn_limiter_enter(l, &who));
	conn_limiter_set(l, 3, "192.0.2.0/24");
	assert_int_equal(room_for(l, &who), 100);
	for (int i = 0; i < 3; i++)
		conn_limiter_leave(l, &who);
	conn_limiter_set(l, 3, "");
	assert_int_equal(room_for(l, &who), 3);		/* nobody is left of those before */
	conn_limiter_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(so_many_and_no_more), cmocka_unit_test(exempt_no_longer), cmocka_unit_test(exempt_for_a_while),
	};
	return cmocka_run_group_tests_name("conn_limiter", tests, NULL, NULL);
}
