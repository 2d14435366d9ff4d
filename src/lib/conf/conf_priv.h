/* SPDX-License-Identifier: Apache-2.0 */
/* Values of options: shared by the parser, the dump and their tests. */
#ifndef LIB_CONF_CONF_PRIV_H
#define LIB_CONF_CONF_PRIV_H

#include "lib/conf/conf.h"

/* Whether text is a value of the option; numbers, sizes, durations and booleans as a number in
 * *ret. */
NODISCARD int conf_value(const struct conf_option *option, struct slice text, uint64_t *ret);

#endif
