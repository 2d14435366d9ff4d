/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames as a compromised room could send them: one byte picks contract, direction and sender, the rest
 * is the packet. Whatever frame_parse lets through is unpacked by the table's type and packed again.
 */
#include "base/arena.h"
#include "lib/ipc/frame_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *alloc(void *arena, size_t n)
{
	return arena_alloc(arena, n);
}

static void no_free(void *arena UNUSED, void *p UNUSED)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ipc_contract *const contracts[] = { &control_contract, &directory_contract, &auth_contract,
								&filter_contract,  &store_contract,	&session_contract,
								&queue_contract,   &relay_contract,	&mover_contract };
	struct frame_head head;
	struct slice payload;
	if (size < 3)
		return 0;
	const struct ipc_contract *contract = contracts[data[0] % ARRAY_SIZE(contracts)];
	bool serves = data[1] & 1;
	enum role peer = (enum role)(data[1] >> 1) % ROLE_COUNT;
	if (frame_parse(slice_of(data + 3, size - 3), data[2] % (IPC_FDS_MAX + 1), contract, serves, peer, &head, &payload) < 0)
		return 0;
	const struct ipc_op *op = &contract->ops[head.op];
	const ProtobufCMessageDescriptor *type = head.kind == FRAME_REPLY ? op->reply : op->request;
	struct arena *arena = arena_new();
	ProtobufCAllocator allocator = { alloc, no_free, arena };
	ProtobufCMessage *msg = protobuf_c_message_unpack(type, &allocator, payload.n, payload.p);
	if (msg) {
		size_t n = protobuf_c_message_get_packed_size(msg);
		uint8_t *packed = malloc(n + 1);
		bug_if(!packed || protobuf_c_message_pack(msg, packed) != n);
		free(packed);
	}
	arena_free(&arena);
	return 0;
}
