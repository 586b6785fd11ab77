/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warm.h - a container that runs nothing, once, before the VM is saved as a template.
 */
#ifndef NESTBOX_WARM_H
#define NESTBOX_WARM_H

#include <stdbool.h>

/* Builds it, runs it, and removes it without a trace; nothing else may be going on. What fails is
 * told on the console and costs clones some speed. */
void warm_up(void);

/* Whether this is the program of that container; then it is done. */
bool warm_is_program(const char *argv0);

#endif
