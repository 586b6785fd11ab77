/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ttrpc.h - frames of ttrpc: a header of ten bytes, then a protobuf message.
 *
 *   length   u32, big endian: of what follows the header, 4 MiB at most
 *   stream   u32, big endian: odd for requests of the client, the same in the answer
 *   type     u8: 1 request, 2 response, 3 data (of streaming calls, which nobody here makes)
 *   flags    u8
 */
#ifndef NESTBOX_SHIM_TTRPC_H
#define NESTBOX_SHIM_TTRPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cleanup.h"

#define TTRPC_HEADER 10
#define TTRPC_MAX ((size_t)4 << 20)

enum ttrpc_type {
	TTRPC_REQUEST = 1,
	TTRPC_RESPONSE = 2,
	TTRPC_DATA = 3,
};

/* Status codes, which are gRPC's. */
enum ttrpc_code {
	TTRPC_OK = 0,
	TTRPC_UNKNOWN = 2,
	TTRPC_INVALID_ARGUMENT = 3,
	TTRPC_DEADLINE_EXCEEDED = 4,
	TTRPC_NOT_FOUND = 5,
	TTRPC_ALREADY_EXISTS = 6,
	TTRPC_RESOURCE_EXHAUSTED = 8,
	TTRPC_FAILED_PRECONDITION = 9,
	TTRPC_UNIMPLEMENTED = 12,
	TTRPC_INTERNAL = 13,
};

struct ttrpc_frame {
	uint32_t len, stream;
	uint8_t type, flags;
};

void ttrpc_put_header(uint8_t to[TTRPC_HEADER], const struct ttrpc_frame *f);
struct ttrpc_frame ttrpc_get_header(const uint8_t from[TTRPC_HEADER]);

/* Bytes of a stream as they come, put together to frames. */
struct ttrpc_input {
	uint8_t header[TTRPC_HEADER];
	size_t have; /* of header and payload together */
	struct ttrpc_frame frame; /* once the header is whole */
	uint8_t *payload; /* owned; NULL while too large a frame is skipped */
};

enum ttrpc_event {
	TTRPC_MORE, /* all bytes were taken, no frame is whole */
	TTRPC_FRAME, /* in->frame and in->payload hold one; then ttrpc_input_next() */
	TTRPC_TOO_LARGE, /* a frame past TTRPC_MAX came and was skipped; likewise */
};

/* Takes bytes up to the end of a frame; *ret_used tells how many. -ENOMEM. */
warn_unused int ttrpc_input_feed(
	struct ttrpc_input *in, const uint8_t *data, size_t len, size_t *ret_used);

/* Makes room for the next frame. */
void ttrpc_input_next(struct ttrpc_input *in);

void ttrpc_input_done(struct ttrpc_input *in);

/* Bytes that wait to be written. */
struct ttrpc_output {
	uint8_t *data; /* owned */
	size_t len, size, sent;
};

/* Appends a frame whose payload is written by the caller to *ret_payload. -ENOMEM; -EMSGSIZE past
 * TTRPC_MAX; -ENOBUFS when too much waits already: the reader does not read. */
warn_unused int ttrpc_output_add(
	struct ttrpc_output *out, uint8_t type, uint32_t stream, size_t len, uint8_t **ret_payload);

/* Writes what fd takes: 1 when all is written, 0 when something waits, or the errno. */
warn_unused int ttrpc_output_write(struct ttrpc_output *out, int fd);

void ttrpc_output_done(struct ttrpc_output *out);

#endif
