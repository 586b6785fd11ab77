/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trace.h - the timeline of a start, on both sides of the VM's boundary, as Chrome trace JSON.
 *
 * One per command. While it is off its functions do nothing.
 */
#ifndef NESTBOX_TRACE_H
#define NESTBOX_TRACE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "oci-spec.h"

#define TRACE_ANNOTATION "dev.nestbox.trace" /* "true": traces go into the state folder */

/* The command's first act: takes the time. */
void trace_clock(void);

/* Switches it on; the trace begins at trace_clock(). */
void trace_begin(void);

/* What the command did since the step before (a literal) is done now. */
void trace_step(const char *name);

/* Asks the VMM for its phases and for its counters of VM exits. */
void trace_vmm(int state_fd);

/* The guest's marks: payload of CREATED (after its pid) or of OK to START, which arrived just now.
 */
void trace_guest(const void *marks, size_t len);

/* trace_begin(), if the container's annotations ask for it. */
void trace_begin_if_asked(const struct oci_map *annotations);

/* Writes it to fd (borrowed). A failure is a warning: the container is none the worse for it. */
void trace_write(int fd);

/* The same as a file of the state folder, if it was switched on by an annotation. */
void trace_keep(int state_fd, const char *name);

#endif
