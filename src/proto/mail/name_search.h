/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lists search for: a text anywhere in a name, whatever its case. A domain with A-labels is found by its Unicode
 * form too: "müller" and "xn--mll" both find joe@xn--mller-kva.example.
 */
#ifndef PROTO_MAIL_NAME_SEARCH_H
#define PROTO_MAIL_NAME_SEARCH_H

#include "base/arena.h"

/* NFC and case folded; what is no UTF-8 stays as it is. */
struct slice name_search_fold(struct arena *a, struct slice text);
/* Is folded (name_search_fold) somewhere in this name? An address, a domain, or any other text. */
bool name_search_holds(struct slice name, struct slice folded);

#endif
