/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/delivery/senders.h"

#include "base/codec.h"
#include "base/err.h"
#include "base/text.h"
#include "proto/mail/digest.h"

static void add(Postern__SenderRequest *req, const ProtobufCBinaryData *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		req->addresses[req->n_addresses++] = list[i];
}

int senders_question(struct arena *a, uint64_t account, struct slice sender, struct slice digest,
		     Postern__SenderRequest *ret)
{
	Postern__Digest *d;
	int err = digest_unpack_in(a, digest, &d);
	if (err < 0)
		return err;
	postern__sender_request__init(ret);
	ret->account_id = account;
	ret->address = (ProtobufCBinaryData){ sender.n, (uint8_t *)sender.p };
	ret->addresses = ARENA_ARRAY(a, ProtobufCBinaryData, d->n_authors + d->n_senders + d->n_author_names + 1);
	add(ret, d->authors, d->n_authors);
	add(ret, d->senders, d->n_senders);
	add(ret, d->author_names, d->n_author_names);
	return 0;
}

const char *senders_refusal(struct arena *a, const char *language, struct slice address)
{
	if (!ascii_only(address) || address.n > SENDERS_TEXT_MAX - 32)
		return text_in(language, N_("You may not send as this address"));
	return arena_printf(a, text_in(language, "You may not send as <%.*s>"), SLICE_ARG(address));
}
