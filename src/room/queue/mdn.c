/* SPDX-License-Identifier: Apache-2.0 */
#include "room/queue/mdn.h"

#include "base/codec.h"
#include "base/text.h"
#include "proto/mail/compose.h"
#include "proto/mail/header.h"
#include "room/queue/report.h"

enum { FIELDS_MAX = 64 * 1024, TEXT_MAX = 1 << 20, ID_MAX = 900 };

static const char subject[] = N_("Your mail was refused"),
		  text[] = N_("A rule of the recipient below refused your message. It was not kept.\n");

/* One with its brackets, without blanks; else there is no id to refer to. */
static struct slice message_id(struct slice header)
{
	struct header_field f;
	if (!header_find(header, SLICE("Message-ID"), &f))
		return (struct slice){ 0 };
	struct slice id = slice_trim(f.value);
	bool ok = id.n > 2 && id.n < ID_MAX && id.p[0] == '<' && id.p[id.n - 1] == '>';
	for (size_t i = 0; ok && i < id.n; i++)
		ok = id.p[i] > ' ' && id.p[i] < 0x7f;
	return ok ? id : (struct slice){ 0 };
}

/* In every language that is here: the queue does not know in which one the sender reads. */
static void put_subject(struct buf *out)
{
	buf_str(out, subject);
	for (size_t i = 0; i < text_n_catalogs; i++)
		buf_printf(out, " / %s", text_in(text_catalogs[i].language, subject));
}

static void text_part(struct buf *out, const struct mdn *m)
{
	struct buf body = BUF_INIT(TEXT_MAX);
	report_words(&body, 0, text);
	for (size_t i = 0; i < text_n_catalogs; i++) {
		buf_str(&body, "\r\n");
		report_words(&body, 0, text_in(text_catalogs[i].language, text));
	}
	buf_str(&body, "\r\n");
	compose_lines(&body, "    ", report_cut(m->recipient));
	report_lines(&body, slice_sub(m->reason, 0, REPORT_REASON_MAX));
	compose_text(out, "text/plain", buf_view(&body));
	buf_fini(&body);
}

static void write_fields(struct buf *out, const struct mdn *m, struct slice id)
{
	struct buf agent = BUF_INIT(512);
	buf_printf(&agent, "%.255s; Postern", m->host);
	report_field(out, "Reporting-UA", "", buf_view(&agent));
	report_original_recipient(out, m->orcpt);
	report_final_recipient(out, m->recipient);
	if (id.n)
		compose_plain(out, "Original-Message-ID", id);
	buf_str(out, "Disposition: automatic-action/MDN-sent-automatically; deleted\r\n");
	buf_fini(&agent);
}

void mdn_write(struct buf *out, const struct mdn *m)
{
	struct buf fields = BUF_INIT(FIELDS_MAX), title = BUF_INIT(1024);
	struct slice id = message_id(m->header);
	put_subject(&title);
	struct compose c = { .from = m->recipient, .to = m->to, .subject = buf_view(&title), .date_ms = m->now_ms,
			     .id = m->boundary, .host = m->host, .auto_submitted = "auto-replied",
			     .in_reply_to = id, .references = id };
	write_fields(&fields, m, id);
	bool utf8 = !ascii_only(buf_view(&fields));
	compose_head(out, &c);
	compose_multipart(out, "report; report-type=disposition-notification", m->boundary, utf8 || !ascii_only(m->header));
	compose_part(out, m->boundary);
	text_part(out, m);
	compose_part(out, m->boundary);
	compose_as_is(out, utf8 ? "message/global-disposition-notification" : "message/disposition-notification",
		      buf_view(&fields));
	compose_part(out, m->boundary);
	compose_as_is(out, report_original_type(m->header, true), m->header);
	compose_end(out, m->boundary);
	buf_fini(&fields);
	buf_fini(&title);
}
