/* SPDX-License-Identifier: Apache-2.0 */
/* Channels against themselves, and against a peer that breaks the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/err.h"
#include "ipc/auth.pb-c.h"
#include "ipc/filter.pb-c.h"
#include "ipc/queue.pb-c.h"
#include "lib/ipc/frame_priv.h"
#include "lib/ipc/memfd.h"

#include <fcntl.h>
#include <sys/socket.h>

static uv_loop_t loop;
static struct ipc_call *held;
static int handled, closed, closed_err, told, told_err;

static void turns(int n)
{
	while (n--)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static struct ipc_chan *serving, *asking;
static struct ipc_call *kept[100];	/* more than is read in one turn */
static size_t n_kept;
static uint64_t judge(struct ipc_chan *c, const char *origin, unsigned deadline);

static void h_judge(struct ipc_call *call, void *ctx)
{
	const Postern__JudgeRequest *req = (const Postern__JudgeRequest *)call->req;
	Postern__JudgeReply reply = POSTERN__JUDGE_REPLY__INIT;
	struct slice body;
	handled++;
	if (strcmp(req->origin, "hold") == 0) {
		held = call;
		return;
	}
	if (strcmp(req->origin, "keep") == 0) {
		kept[n_kept++] = call;
		return;
	}
	if (strcmp(req->origin, "last") == 0) {
		ipc_cancel(asking, judge(asking, "never read", 0));
		reply.digest = (ProtobufCBinaryData){ 4, (uint8_t *)"last" };
		while (n_kept)
			ipc_reply(kept[--n_kept], &reply.base, -1);
		ipc_reply(call, &reply.base, -1);
		ipc_chan_free(&serving);
		return;
	}
	if (strcmp(req->origin, "no") == 0) {
		ipc_fail(call, ERR_DENIED, "because");
		return;
	}
	assert_int_equal(memfd_map(call->fds[0], 1000, &body), 0);
	reply.digest.data = (uint8_t *)body.p;
	reply.digest.len = body.n;
	ipc_reply(call, &reply.base, -1);
	memfd_unmap(&body);
}

static void on_closed(struct ipc_chan *chan, int err, void *ctx)
{
	closed++;
	closed_err = err;
	if (ctx)
		*(struct ipc_chan **)ctx = NULL;
}

static ipc_handler_fn *const handlers[] = { NULL, h_judge };
static const struct ipc_handlers server = { .by_op = handlers, .on_closed = on_closed };
static const struct ipc_handlers client = { .on_closed = on_closed };
static char answer[64];

static void on_reply(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	told++;
	told_err = err;
	assert_int_equal(fd, -1);
	if (err == 0) {
		const Postern__JudgeReply *r = (const Postern__JudgeReply *)msg;
		snprintf(answer, sizeof(answer), "%.*s", (int)r->digest.len, (char *)r->digest.data);
	} else {
		snprintf(answer, sizeof(answer), "%s", text);
	}
}

static uint64_t judge(struct ipc_chan *c, const char *origin, unsigned deadline)
{
	Postern__JudgeRequest req = POSTERN__JUDGE_REQUEST__INIT;
	int fd;
	req.origin = (char *)origin;
	assert_int_equal(memfd_of("test", SLICE("body"), &fd), 0);
	uint64_t id = ipc_call(c, POSTERN__FILTER_OP__FILTER_JUDGE, &req.base, &fd, 1, deadline, on_reply, NULL);
	close(fd);
	return id;
}

static int setup(void **state)
{
	assert_int_equal(uv_loop_init(&loop), 0);
	handled = closed = closed_err = told = told_err = 0;
	held = NULL;
	return 0;
}

static int teardown(void **state)
{
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	return 0;
}

static void make_pair(void)
{
	int fds[2];
	assert_int_equal(ipc_pair(fds), 0);
	serving = ipc_chan_new(&loop, fds[0], &filter_contract, true, ROLE_SMTPD, 0, &server, &serving);
	asking = ipc_chan_new(&loop, fds[1], &filter_contract, false, ROLE_FILTER, 0, &client, &asking);
}

static void call_and_answer(void **state)
{
	make_pair();
	judge(asking, "smtp", 1000);
	assert_int_equal(told, 0);
	turns(3);
	assert_int_equal(told, 1);
	assert_string_equal(answer, "body");
	judge(asking, "no", 1000);
	turns(3);
	assert_int_equal(told_err, ERR_DENIED);
	assert_string_equal(answer, "because");
	ipc_chan_free(&asking);
	turns(3);
	assert_int_equal(closed, 1);
	assert_null(serving);
}

static void deadline_and_late_answer(void **state)
{
	make_pair();
	judge(asking, "hold", 60);
	while (!told)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(told_err, ERR_TIMEOUT);
	ipc_fail(held, ERR_FULL, NULL);
	turns(3);
	assert_int_equal(told, 1);
	assert_int_equal(closed, 0);
	ipc_chan_free(&asking);
}

static void peer_dies(void **state)
{
	make_pair();
	judge(asking, "hold", 0);
	turns(2);
	ipc_chan_free(&serving);
	assert_int_equal(told, 0);
	turns(3);
	assert_int_equal(told, 1);
	assert_int_equal(told_err, ERR_CLOSED);
	assert_int_equal(closed, 1);
	assert_null(asking);
	assert_true(ipc_peer_gone(held));
	ipc_fail(held, ERR_FULL, NULL); /* harmless, frees the call */
}

/* What it said before it died is heard, although it died with requests that it had not read. */
static void last_words(void **state)
{
	make_pair();
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
		judge(asking, "keep", 0);
	turns(5);
	judge(asking, "last", 0);
	turns(5);
	assert_int_equal(handled, ARRAY_SIZE(kept) + 1);
	assert_int_equal(told, ARRAY_SIZE(kept) + 1);
	assert_int_equal(told_err, 0);
	assert_string_equal(answer, "last");
	assert_int_equal(closed, 1);
	assert_int_equal(closed_err, ERR_CLOSED);
	assert_null(asking);
}

static void on_reply_free(void *ctx, int err, const ProtobufCMessage *msg, int fd, const char *text)
{
	told++;
	ipc_chan_free(ctx);
}

/* Whoever lets go of a channel when its call fails is not told of its end on top: what on_closed is given is gone. */
static void freed_in_the_answer(void **state)
{
	Postern__JudgeRequest req = POSTERN__JUDGE_REQUEST__INIT;
	int fd;
	make_pair();
	req.origin = "hold";
	assert_int_equal(memfd_of("test", SLICE("body"), &fd), 0);
	ipc_call(asking, POSTERN__FILTER_OP__FILTER_JUDGE, &req.base, &fd, 1, 0, on_reply_free, &asking);
	close(fd);
	turns(2);
	ipc_chan_free(&serving);
	turns(3);
	assert_int_equal(told, 1);
	assert_null(asking);
	assert_int_equal(closed, 0);
	ipc_fail(held, ERR_FULL, NULL);
}

static void cancel(void **state)
{
	make_pair();
	uint64_t id = judge(asking, "smtp", 0);
	ipc_cancel(asking, id);
	turns(3);
	assert_int_equal(handled, 1);
	assert_int_equal(told, 0);
	ipc_chan_free(&asking);
}

static void many_large_calls(void **state)
{
	make_pair();
	static char big[60000];
	memset(big, 'x', sizeof(big) - 1);
	for (int i = 0; i < 200; i++)
		judge(asking, big, 0);
	assert_true(ipc_out_pending(asking) > 0);
	while (told < 200)
		uv_run(&loop, UV_RUN_ONCE);
	assert_int_equal(handled, 200);
	ipc_chan_free(&asking);
}

/* What a compromised room may send: each ends the channel, none reaches a handler. */
static void broken_frames(void **state)
{
	Postern__JudgeRequest req = POSTERN__JUDGE_REQUEST__INIT;
	req.origin = (char *)"smtp";
	uint8_t payload[64];
	size_t n = postern__judge_request__pack(&req, payload);
	const struct frame_head good = { FRAME_MAGIC, POSTERN__FILTER_OP__FILTER_JUDGE, FRAME_REQUEST, 1, 1, 0, 0 };
	for (int broken = 0; broken < 12; broken++) {
		int fds[2], fd;
		uint8_t packet[sizeof(good) + 64];
		struct frame_head head = good;
		size_t size = sizeof(head) + n;
		bool send_fd = true;
		enum role peer = ROLE_SMTPD;
		closed = handled = 0;
		switch (broken) {
		case 1: head.magic ^= 1; break;
		case 2: head.op = 0; break;
		case 3: head.op = 2; break;
		case 4: head.kind = 0; break;
		case 5: head.kind = FRAME_REPLY; break;
		case 6: head.kind = FRAME_NOTICE; break;
		case 7: head.n_fds = 2; break;
		case 8: head.n_fds = 0, send_fd = false; break;
		case 9: head.id = 0; break;
		case 10: size = sizeof(head) - 1; break;
		case 11: peer = ROLE_POP3D; break; /* not in the table of callers */
		default: break;
		}
		memcpy(packet, &head, sizeof(head));
		memcpy(packet + sizeof(head), payload, n);
		assert_int_equal(ipc_pair(fds), 0);
		serving = ipc_chan_new(&loop, fds[0], &filter_contract, true, peer, 0, &server, &serving);
		assert_int_equal(memfd_of("test", SLICE("body"), &fd), 0);
		struct iovec iov = { packet, size };
		union {
			char space[CMSG_SPACE(sizeof(int))];
			struct cmsghdr align;
		} control = { 0 };
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		if (send_fd) {
			msg.msg_control = &control;
			msg.msg_controllen = sizeof(control);
			struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
			*cm = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
			memcpy(CMSG_DATA(cm), &fd, sizeof(fd));
		}
		assert_true(sendmsg(fds[1], &msg, 0) > 0);
		close(fd);
		turns(3);
		assert_int_equal(handled, broken == 0);
		assert_int_equal(closed, broken != 0);
		if (broken)
			assert_int_equal(closed_err, ERR_SYNTAX);
		ipc_chan_free(&serving);
		close(fds[1]);
		turns(3);
	}
}

static void garbage_payload(void **state)
{
	int fds[2];
	struct frame_head head = { FRAME_MAGIC, POSTERN__AUTH_OP__AUTH_LOGIN, FRAME_REQUEST, 0, 1, 0, 0 };
	uint8_t packet[sizeof(head) + 3] = { 0 };
	memcpy(packet, &head, sizeof(head));
	memcpy(packet + sizeof(head), "\x0a\xff\xff", 3); /* a string that claims to be longer than the frame */
	assert_int_equal(ipc_pair(fds), 0);
	serving = ipc_chan_new(&loop, fds[0], &auth_contract, true, ROLE_IMAPD, 0, &server, &serving);
	assert_int_equal(send(fds[1], packet, sizeof(packet), 0), sizeof(packet));
	turns(3);
	assert_int_equal(closed_err, ERR_SYNTAX);
	close(fds[1]);
}

/* A packet of n bytes that are no frame, with that many copies of fd. */
static void send_with_fds(int chan, size_t n, int fd, size_t n_fds)
{
	uint8_t byte = 0;
	struct iovec iov = { &byte, n };
	union {
		char space[CMSG_SPACE(sizeof(int) * (IPC_FDS_MAX + 1))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = CMSG_SPACE(sizeof(int) * n_fds) };
	struct cmsghdr *cm = CMSG_FIRSTHDR(&msg);
	*cm = (struct cmsghdr){ CMSG_LEN(sizeof(int) * n_fds), SOL_SOCKET, SCM_RIGHTS };
	for (size_t i = 0; i < n_fds; i++)
		memcpy(CMSG_DATA(cm) + i * sizeof(fd), &fd, sizeof(fd));
	assert_int_equal(sendmsg(chan, &msg, 0), n);
}

/* What comes with a packet that is refused is closed: an empty one, which looks like the end, with as many as there may
 * be, and with one more. */
static void refused_fds_are_closed(void **state)
{
	for (size_t n = 0; n < 2; n++)
		for (size_t n_fds = 1; n_fds <= IPC_FDS_MAX + 1; n_fds++) {
			int fds[2], ends[2];
			char byte;
			closed = 0;
			assert_int_equal(ipc_pair(fds), 0);
			assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
			serving = ipc_chan_new(&loop, fds[0], &filter_contract, true, ROLE_SMTPD, 0, &server, &serving);
			send_with_fds(fds[1], n, ends[1], n_fds);
			close(ends[1]);
			turns(3);
			assert_int_equal(closed, 1);
			assert_int_equal(closed_err, n ? ERR_SYNTAX : ERR_CLOSED);
			assert_int_equal(read(ends[0], &byte, 1), 0); /* nobody could write any more */
			close(ends[0]);
			close(fds[1]);
		}
}

static void memfd_seals(void **state)
{
	int fd;
	uint64_t size;
	struct slice s;
	assert_int_equal(memfd_new("t", &fd), 0);
	assert_int_equal(memfd_write(fd, SLICE("12345")), 0);
	assert_int_equal(memfd_check(fd, 5, &size), ERR_INVALID); /* could still change under the reader */
	assert_int_equal(memfd_seal(fd), 0);
	assert_int_equal(memfd_check(fd, 5, &size), 0);
	assert_int_equal(memfd_check(fd, 4, &size), ERR_TOO_BIG);
	assert_true(memfd_write(fd, SLICE("6")) < 0);
	assert_int_equal(memfd_map(fd, 5, &s), 0);
	assert_true(slice_eq(s, SLICE("12345")));
	memfd_unmap(&s);
	close(fd);
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_int_equal(memfd_check(fd, 5, &size), ERR_INVALID);
	close(fd);
}

/* Small ones are copied, larger ones mapped: the same bytes at either side of the line, and of a page. */
static void memfd_sizes(void **state)
{
	static const size_t sizes[] = { 1, 4095, 4096, 4097, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 1 << 20 };
	static uint8_t bytes[1 << 20];
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct slice s, want = slice_of(bytes, sizes[i]);
		int fd;
		assert_int_equal(memfd_of("t", want, &fd), 0);
		assert_int_equal(memfd_map(fd, sizes[i] - 1, &s), ERR_TOO_BIG);
		assert_int_equal(memfd_map(fd, sizes[i], &s), 0);
		close(fd);
		assert_true(slice_eq(s, want));
		memfd_unmap(&s);
		assert_int_equal(s.n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(call_and_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(deadline_and_late_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(peer_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(last_words, setup, teardown),
		cmocka_unit_test_setup_teardown(freed_in_the_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(cancel, setup, teardown),
		cmocka_unit_test_setup_teardown(many_large_calls, setup, teardown),
		cmocka_unit_test_setup_teardown(broken_frames, setup, teardown),
		cmocka_unit_test_setup_teardown(garbage_payload, setup, teardown),
		cmocka_unit_test_setup_teardown(refused_fds_are_closed, setup, teardown),
		cmocka_unit_test(memfd_seals),
		cmocka_unit_test(memfd_sizes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
