/* SPDX-License-Identifier: Apache-2.0 */
/*
 * info.c - the -info option: a RuntimeInfo on stdout, with what `nestbox features` says.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "actions.h"
#include "io.h"
#include "jobs.h"
#include "pb-text.h"

#define LIMIT_NS 10000000000ull
#define FEATURES_TYPE "types.containerd.io/opencontainers/runtime-spec/1/features/Features"

static char *features; /* owned; NULL when the command failed */

static void on_end(void *arg, const struct job_end *end)
{
	(void)arg;
	features = end->status == 0 ? strdup(end->output) : NULL;
}

int action_info(const char *command, struct err *e)
{
	struct job_spec spec = { .argv = { command, "features" },
		.fds = { -EBADF, -EBADF, -EBADF },
		.deadline_ns = io_now_ns() + LIMIT_NS,
		.done = on_end };
	Pb__RuntimeInfo info = PB__RUNTIME_INFO__INIT;
	Pb__RuntimeVersion version = PB__RUNTIME_VERSION__INIT;
	Pb__Any any = PB__ANY__INIT;
	cleanup(free) uint8_t *data = NULL;
	int r = 0;

	r = job_run(&spec, e);
	if (r < 0)
		return r;
	version.version = pb_text(NESTBOX_VERSION);
	info.name = pb_text(SHIM_NAME);
	info.version = &version;
	if (features) {
		any.type_url = pb_text(FEATURES_TYPE);
		any.value = (ProtobufCBinaryData){ strlen(features), (uint8_t *)features };
		info.features = &any;
	}
	data = malloc(pb__runtime_info__get_packed_size(&info) + 1);
	r = data ? io_write_full(STDOUT_FILENO, data, pb__runtime_info__pack(&info, data))
		 : -ENOMEM;
	free(features);
	return r < 0 ? err_sys(e, r, "standard output") : 0;
}
