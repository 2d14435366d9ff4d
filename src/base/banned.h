/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions that this tree does not call: unbounded copies, hidden state,
 * number parsers that do not tell an error, shells. Using one does not compile.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <ctype.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok strtok_r
#pragma GCC poison atoi atol atoll atof strtol strtoul strtoll strtoull sscanf
#pragma GCC poison gets tmpnam tempnam mktemp system popen
#pragma GCC poison localtime gmtime ctime asctime srand drand48

#endif
