/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-ttrpc.c - a stream of bytes as the shim's server takes it: pieces to frames, frames to
 * requests, requests to messages. The first byte says how long the pieces are.
 */
#include <assert.h>

#include "fuzz.h"

#include "shim-api.pb-c.h"
#include "ttrpc.h"

/* The messages with the most in them; what they mean is not looked at. */
static const ProtobufCMessageDescriptor *const messages[] = {
	&pb__create_task_request__descriptor,
	&pb__exec_process_request__descriptor,
	&pb__bootstrap_params__descriptor,
	&pb__runc_options__descriptor,
	&pb__response__descriptor,
};

static void take_request(const uint8_t *data, size_t len)
{
	Pb__Request *r = pb__request__unpack(NULL, len, data);

	for (size_t i = 0; r && i < sizeof(messages) / sizeof(messages[0]); i++) {
		ProtobufCMessage *m = protobuf_c_message_unpack(
			messages[i], NULL, r->payload.len, r->payload.data);

		if (m)
			protobuf_c_message_free_unpacked(m, NULL);
	}
	if (r)
		pb__request__free_unpacked(r, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ttrpc_input in = { 0 };
	size_t piece = size > 0 ? data[0] + 1u : 1, at = size > 0 ? 1 : 0;

	while (at < size) {
		size_t n = size - at < piece ? size - at : piece, used = 0;
		int event = ttrpc_input_feed(&in, data + at, n, &used);

		if (event < 0)
			break;
		assert(used <= n && (event != TTRPC_MORE || used == n));
		at += used;
		if (event == TTRPC_MORE)
			continue;
		assert((event == TTRPC_FRAME) == (in.frame.len <= TTRPC_MAX));
		if (event == TTRPC_FRAME && in.frame.type == TTRPC_REQUEST)
			take_request(in.payload, in.frame.len);
		ttrpc_input_next(&in);
	}
	ttrpc_input_done(&in);
	return 0;
}
