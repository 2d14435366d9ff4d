/* SPDX-License-Identifier: Apache-2.0 */
/* Calls whose peer dies, and comes back before or after that is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "ipc/directory.pb-c.h"
#include "lib/room/room_priv.h"

static uv_loop_t loop;
static struct peers *peers;
static int served, told, told_err;
static char order[16];	/* the names that were asked for */

/* A directory: one that answers, and one that dies with what it was asked. */
struct place {
	struct ipc_chan *chan;
	bool holds;
	struct ipc_call *held[4];
	size_t n_held;
};

static void turns(int n)
{
	while (n--)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static void h_host(struct ipc_call *call, void *ctx)
{
	struct place *place = ctx;
	const Postern__HostRequest *req = (const Postern__HostRequest *)call->req;
	Postern__HostReply reply = POSTERN__HOST_REPLY__INIT;
	if (place->holds) {
		assert_true(place->n_held < ARRAY_SIZE(place->held));
		place->held[place->n_held++] = call;
		return;
	}
	served++;
	if (req->name.len)
		order[strlen(order)] = (char)req->name.data[0];
	reply.served = true;
	ipc_reply(call, &reply.base, -1);
}

static void h_admin(struct ipc_call *call, void *ctx)
{
	Postern__AdminReply reply = POSTERN__ADMIN_REPLY__INIT;
	served++;
	ipc_reply(call, &reply.base, -1);
}

static void on_caller_closed(struct ipc_chan *chan, int err, void *ctx)
{
	((struct place *)ctx)->chan = NULL;
}

static ipc_handler_fn *by_op[POSTERN__DIRECTORY_OP__DIRECTORY_HOST + 1] = {
	[POSTERN__DIRECTORY_OP__DIRECTORY_HOST] = h_host,
	[POSTERN__DIRECTORY_OP__DIRECTORY_ADMIN] = h_admin,
};
static ipc_handler_fn *all_ops[64];
static const struct ipc_handlers callers = { .by_op = all_ops, .on_closed = on_caller_closed };

static void on_peer_closed(struct ipc_chan *chan, int err, void *ctx)
{
	peers_gone(peers, chan);
}

static const struct ipc_handlers peer_handlers = { .on_closed = on_peer_closed };

static void on_reply(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	told++;
	told_err = err;
	assert_true(err < 0 || ((const Postern__HostReply *)reply)->served);
}

static int setup(void **state)
{
	assert_int_equal(uv_loop_init(&loop), 0);
	assert_true(directory_contract.n_ops <= ARRAY_SIZE(all_ops));
	memcpy(all_ops, by_op, sizeof(by_op));
	peers = peers_new(&loop);
	served = told = told_err = 0;
	memset(order, 0, sizeof(order));
	return 0;
}

/* A new channel as the supervisor hands it out; its other end is the room's. */
static struct ipc_chan *connect_to(struct place *place)
{
	int fds[2];
	assert_int_equal(ipc_pair(fds), 0);
	place->chan = ipc_chan_new(&loop, fds[0], &directory_contract, true, ROLE_HTTPD, 0, &callers, place);
	return ipc_chan_new(&loop, fds[1], &directory_contract, false, ROLE_DIRECTORY, 0, &peer_handlers, NULL);
}

static void die(struct place *place)
{
	ipc_chan_free(&place->chan);
	while (place->n_held)
		ipc_fail(place->held[--place->n_held], ERR_CLOSED, NULL);
}

static void ask_for(const char *name, ipc_reply_fn *fn)
{
	Postern__HostRequest m = POSTERN__HOST_REQUEST__INIT;
	m.name = (ProtobufCBinaryData){ strlen(name), (uint8_t *)name };
	peers_call(peers, ROLE_DIRECTORY, 0, &directory_contract, POSTERN__DIRECTORY_OP__DIRECTORY_HOST, &m.base, NULL, 0,
		   10000, fn, NULL);
}

static void ask(void)
{
	ask_for("", on_reply);
}

static void on_reply_ask(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	ask_for("c", on_reply);
}

/* The channels' own and the sweeper; then the loop can close. */
static void finish(struct place *place)
{
	die(place);
	turns(3);
	assert_null(peers_find(peers, ROLE_DIRECTORY, 0));
	peers_free(&peers);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

/* The room is back: the one call that waited is served once. */
static void answered_by_the_next_one(void)
{
	struct place fresh = { 0 };
	peers_add(peers, connect_to(&fresh));
	turns(3);
	assert_int_equal(told, 1);
	assert_int_equal(told_err, 0);
	assert_int_equal(served, 1);
	finish(&fresh);
}

static void back_after_it_was_seen(void **state)
{
	struct place old = { .holds = true };
	ask();
	assert_int_equal(peers_waiting(peers), 1);
	peers_add(peers, connect_to(&old));
	turns(2);
	assert_int_equal(old.n_held, 1);
	die(&old);
	turns(3);
	assert_int_equal(peers_waiting(peers), 1);
	assert_int_equal(told, 0);
	answered_by_the_next_one();
}

/* The new channel is read from the supervisor's before the old one's end: what was in flight goes to the new one at once,
 * and does not wait for a third until its deadline. */
static void back_before_it_was_seen(void **state)
{
	struct place old = { .holds = true }, fresh = { 0 };
	peers_add(peers, connect_to(&old));
	ask();
	ask();
	turns(2);
	assert_int_equal(old.n_held, 2);
	die(&old);
	peers_add(peers, connect_to(&fresh));
	ask();
	turns(4);
	assert_int_equal(peers_waiting(peers), 0);
	assert_int_equal(told, 3);
	assert_int_equal(told_err, 0);
	assert_int_equal(served, 3);
	finish(&fresh);
}

/* The same, but for one that was answered: that is not asked again. */
static void answered_before_it_died(void **state)
{
	struct place old = { .holds = true }, fresh = { 0 };
	Postern__HostReply reply = POSTERN__HOST_REPLY__INIT;
	peers_add(peers, connect_to(&old));
	ask();
	ask();
	turns(2);
	assert_int_equal(old.n_held, 2);
	reply.served = true;
	ipc_reply(old.held[--old.n_held], &reply.base, -1);
	die(&old);
	peers_add(peers, connect_to(&fresh));
	turns(4);
	assert_int_equal(told, 2);
	assert_int_equal(told_err, 0);
	assert_int_equal(served, 1);
	finish(&fresh);
}

static void on_admin_reply(void *ctx, int err, const ProtobufCMessage *reply, int fd, const char *text)
{
	told++;
	told_err = err;
}

/* What must not be asked twice, asked of a room that died a moment ago: it was never asked, so it waits for the next one. */
static void died_before_it_was_asked(void **state)
{
	Postern__AdminRequest m = POSTERN__ADMIN_REQUEST__INIT;
	int fds[2];
	assert_int_equal(ipc_pair(fds), 0);
	peers_add(peers, ipc_chan_new(&loop, fds[1], &directory_contract, false, ROLE_DIRECTORY, 0, &peer_handlers, NULL));
	close(fds[0]);
	peers_call(peers, ROLE_DIRECTORY, 0, &directory_contract, POSTERN__DIRECTORY_OP__DIRECTORY_ADMIN, &m.base, NULL, 0,
		   10000, on_admin_reply, NULL);
	assert_int_equal(peers_waiting(peers), 1);
	turns(3);
	assert_int_equal(told, 0);
	answered_by_the_next_one();
}

/* A grant must not slip past a revocation that was sent behind it: what is asked a second time comes first. */
static void in_the_order_of_asking(void **state)
{
	struct place old = { .holds = true }, fresh = { 0 };
	Postern__HostReply reply = POSTERN__HOST_REPLY__INIT;
	peers_add(peers, connect_to(&old));
	ask_for("", on_reply_ask);
	ask_for("a", on_reply);
	ask_for("b", on_reply);
	turns(2);
	assert_int_equal(old.n_held, 3);
	ipc_reply(old.held[0], &reply.base, -1); /* and whoever reads that asks for "c" */
	memmove(old.held, old.held + 1, --old.n_held * sizeof(old.held[0]));
	die(&old);
	peers_add(peers, connect_to(&fresh));
	ask_for("d", on_reply);
	turns(4);
	assert_int_equal(told, 4);
	assert_string_equal(order, "abcd");
	finish(&fresh);
}

/* Whoever takes the request dies of it: not for ever. */
static void given_up(void **state)
{
	struct place place[5] = { { .holds = true }, { .holds = true }, { .holds = true }, { .holds = true }, { 0 } };
	ask();
	for (int i = 0; i < 4; i++) {
		assert_int_equal(told, 0);
		peers_add(peers, connect_to(&place[i]));
		turns(2);
		assert_int_equal(place[i].n_held, 1);
		die(&place[i]);
		turns(3);
	}
	assert_int_equal(told, 1);
	assert_int_equal(told_err, ERR_UNAVAILABLE);
	assert_int_equal(peers_waiting(peers), 0);
	peers_add(peers, connect_to(&place[4]));
	turns(3);
	assert_int_equal(served, 0);
	finish(&place[4]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(back_after_it_was_seen, setup),
		cmocka_unit_test_setup(back_before_it_was_seen, setup),
		cmocka_unit_test_setup(answered_before_it_died, setup),
		cmocka_unit_test_setup(died_before_it_was_asked, setup),
		cmocka_unit_test_setup(in_the_order_of_asking, setup),
		cmocka_unit_test_setup(given_up, setup),
	};
	return cmocka_run_group_tests_name("peers", tests, NULL, NULL);
}
