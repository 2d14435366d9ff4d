/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RUN_SUPERVISOR_H
#define RUN_SUPERVISOR_H

/* Runs the instance in dir in the foreground until SIGTERM or SIGINT. Returns the process's exit code:
 * 0 stopped in order; 1 could not start (configuration, certificate, a port in use, another one running),
 * said on stderr; nothing is left running then. */
int supervisor_main(const char *dir);

#endif
