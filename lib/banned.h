/* SPDX-License-Identifier: Apache-2.0 */
/*
 * banned.h - makes calls that cannot be used safely into compile errors; force-included everywhere.
 */
#ifndef NESTBOX_BANNED_H
#define NESTBOX_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok gets
#pragma GCC poison localtime gmtime asctime atoi atol atoll
#pragma GCC poison tmpnam tempnam mktemp

#endif
