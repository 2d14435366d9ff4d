/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords that the program makes: 100 random bits in letters that are hard to confuse, "4ynuq-nhj2k-2fqzh-7ahpq". */
#ifndef PROTO_PASS_RANDOM_H
#define PROTO_PASS_RANDOM_H

enum { PASS_RANDOM_TEXT = 24 };	/* with the NUL */

void pass_random(char ret[PASS_RANDOM_TEXT]);	/* whoever asks wipes it */

#endif
