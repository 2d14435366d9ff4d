/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FETCH in two halves: cmd_fetch.c asks the store for batches of messages and knows where it is; fetch_write.c turns
 * one message into its line. A line is text with gaps; what fills a gap is read from the batch's memfd when it
 * is written, piece by piece, so a 50 MB body takes no more memory than a small one.
 */
#ifndef ROOM_IMAPD_FETCH_PRIV_H
#define ROOM_IMAPD_FETCH_PRIV_H

#include "proto/imap/fetch_args.h"
#include "room/imapd/imapd_priv.h"

enum {
	LINE_TEXT_MAX = 8 << 20,
	GAPS_MAX = IMAP_SECTIONS_MAX,
	GAP_LEAST = 16384,	/* shorter ones are copied into the text, which goes out gathered */
	PIECE = 65536,		/* read and written at a time */
};

struct gap {
	size_t at;		/* behind so many bytes of text */
	uint64_t offset, n;	/* in the memfd */
};

struct fetch_line {
	struct arena *arena;	/* the digest, while the line is made */
	struct buf text;
	size_t written;		/* of text */
	struct gap gaps[GAPS_MAX];
	size_t n_gaps, gap;
	uint64_t gap_done;
};

/* A batch's memfd: header, then body of each message, as the items say. */
struct fetch_bytes {
	int fd;
	struct slice map;	/* only headers are looked at through it */
};

/* item: NULL where nothing but the view is needed. told: flags that the client was not told of go along. */
void fetch_line_make(struct fetch_line *l, struct conn *c, const struct imap_fetch_args *args, size_t at, bool uid,
		     const Postern__FetchItem *item, const struct fetch_bytes *bytes);

/* 1 the line is out; 0 the client reads slowly: again when drained; < 0 the memfd failed. */
NODISCARD int fetch_line_write(struct fetch_line *l, struct conn *c, const struct fetch_bytes *bytes);

/* What of a message its sections and items need. */
enum { FETCH_DIGEST = 1, FETCH_HEADER = 2, FETCH_BODY = 4 };
unsigned fetch_needs(const struct imap_fetch_args *args);

#endif
