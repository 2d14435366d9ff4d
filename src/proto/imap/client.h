/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other side of IMAP (RFC 3501, 9051): what a client reads and writes, without I/O. The parser takes the
 * server's bytes in any pieces and gives one response at a time. It keeps one line at most; the content of a
 * message (BODY[], RFC822) never enters it but runs through on_body. The server may lie: every size has a limit.
 *
 *   while ((r = imapc_next(p, in, &used, &resp)) == 1) { ... resp ...; in = rest behind used; }
 *
 * Slices of a response point into the parser and live until its next call.
 */
#ifndef PROTO_IMAP_CLIENT_H
#define PROTO_IMAP_CLIENT_H

#include "base/buf.h"

enum {
	IMAPC_LINE_MAX = 64 * 1024,	/* kept of one response, its small literals included */
	IMAPC_DRAIN_MAX = 16 << 20,	/* a longer response is read past up to this, and marked cut */
	IMAPC_NAMESPACES_MAX = 16,
	IMAPC_STRING_MAX = 8192,	/* what a command may carry in one string */
	IMAPC_STOPS_MAX = 4,
};

enum imapc_kind {
	IMAPC_STATUS,		/* * OK, NO, BAD, BYE, PREAUTH; or tagged OK, NO, BAD */
	IMAPC_CONTINUE,		/* + */
	IMAPC_CAPABILITY,	/* words */
	IMAPC_LIST,
	IMAPC_LSUB,
	IMAPC_MAILBOX_STATUS,	/* * STATUS */
	IMAPC_NAMESPACE,
	IMAPC_EXISTS,
	IMAPC_EXPUNGE,
	IMAPC_RECENT,
	IMAPC_FLAGS,		/* flags */
	IMAPC_FETCH,
	IMAPC_OTHER,		/* something else, or cut before its kind was known */
};

enum imapc_condition { IMAPC_OK, IMAPC_NO, IMAPC_BAD, IMAPC_BYE, IMAPC_PREAUTH };

/* Bits of imapc_response.flag_bits are those of session.proto; these are the LIST attributes. */
enum {
	IMAPC_ALL = 1,
	IMAPC_ARCHIVE = 2,
	IMAPC_DRAFTS = 4,
	IMAPC_FLAGGED = 8,
	IMAPC_JUNK = 16,
	IMAPC_SENT = 32,
	IMAPC_TRASH = 64,
	IMAPC_SPECIAL_USE = 127,
	IMAPC_NOSELECT = 128,		/* \Noselect or \NonExistent */
	IMAPC_SUBSCRIBED = 256,
};
enum { IMAPC_HAS_MESSAGES = 1, IMAPC_HAS_UIDNEXT = 2, IMAPC_HAS_UIDVALIDITY = 4 };
enum { IMAPC_HAS_UID = 1, IMAPC_HAS_FLAGS = 2, IMAPC_HAS_DATE = 4, IMAPC_HAS_SIZE = 8, IMAPC_HAS_BODY = 16 };

struct imapc_namespace {
	int kind;			/* 0 personal, 1 other users', 2 shared */
	struct slice prefix;
	char delimiter;			/* 0: none */
};

struct imapc_response {
	enum imapc_kind kind;
	bool cut;			/* longer than IMAPC_LINE_MAX: only its beginning is here, kind may be right */
	struct slice tag;		/* empty: untagged */
	enum imapc_condition condition;
	struct slice code;		/* of [code], without the brackets */
	struct slice text;		/* human's part; for CAPABILITY, FLAGS the words */
	uint32_t number;		/* EXISTS, EXPUNGE, RECENT; the sequence number of FETCH */
	struct {
		unsigned attributes;
		char delimiter;		/* 0: NIL */
		struct slice name;	/* as sent: modified UTF-7; also of STATUS */
	} list;
	struct {
		unsigned has;
		uint64_t messages, uidnext, uidvalidity;
	} status;
	struct {
		struct imapc_namespace items[IMAPC_NAMESPACES_MAX];
		size_t n;
	} namespaces;
	struct {
		unsigned has;
		uint32_t uid;
		unsigned flag_bits;
		struct slice flags;	/* the words between the parentheses: imapc_word */
		struct slice date;	/* INTERNALDATE as sent, without quotes: imap_date_time_parse */
		uint64_t size;
		bool streamed;		/* the content went through body_ops; else it is in body: */
		struct slice body;	/* a short content that came as a quoted string */
	} fetch;
};

struct imapc_parser;

/* Content of the message whose FETCH is being read. begin once, before the bytes; the end is the FETCH response.
 * < 0 ends the parsing with that error. */
struct imapc_body_ops {
	NODISCARD int (*begin)(void *ctx, uint64_t size);
	NODISCARD int (*bytes)(void *ctx, struct slice bytes);
};

/* body_max: a larger message is ERR_TOO_BIG. */
struct imapc_parser *imapc_parser_new(uint64_t body_max, const struct imapc_body_ops *ops, void *ctx);
void imapc_parser_free(struct imapc_parser **p);	/* accepts NULL; leaves NULL */

/* 1: *ret is a response, *used bytes are gone. 0: all of in is taken (*used == in.n), more is needed.
 * ERR_SYNTAX, ERR_TOO_BIG, or what a body callback said: the connection is of no use any more. */
NODISCARD int imapc_next(struct imapc_parser *p, struct slice in, size_t *used, struct imapc_response *ret);

/* Is something begun that is not whole? */
bool imapc_in_response(const struct imapc_parser *p);

/* The next word of a blank-separated list; false at its end. */
bool imapc_word(struct slice *rest, struct slice *ret);
/* Is word among words (case folded)? */
bool imapc_has_word(struct slice words, const char *word);
/* The bits of session.proto for a system flag (1 \Seen 2 \Answered 4 \Flagged 8 \Deleted 16 \Draft), 0 for others. */
unsigned imapc_flag_bit(struct slice flag);
/* "UIDVALIDITY 7" with name "UIDVALIDITY" gives 7. */
bool imapc_code_number(struct slice code, const char *name, uint64_t max, uint64_t *ret);

/*
 * A command. Strings are quoted where they can be and literals else; a string with CR, LF or NUL is refused
 * (ERR_INVALID sticks in err and nothing of the command may be sent). A literal without LITERAL+ is a stop: what
 * is behind stops[i] is sent only after the server's "+".
 */
struct imapc_command {
	struct buf out;
	bool literal_plus;
	size_t stops[IMAPC_STOPS_MAX];
	size_t n_stops;
	int err;
};

void imapc_command_init(struct imapc_command *c, bool literal_plus);
void imapc_command_fini(struct imapc_command *c);
void imapc_put(struct imapc_command *c, const char *raw);	/* our own words; never a peer's bytes */
void imapc_put_string(struct imapc_command *c, struct slice s);
void imapc_put_u64(struct imapc_command *c, uint64_t v);
/* "1:3,7" of ascending numbers; at most n. */
void imapc_put_set(struct imapc_command *c, const uint32_t *uids, size_t n);
/* CRLF behind it; the command's error or 0. */
NODISCARD int imapc_command_end(struct imapc_command *c);

/* SASL PLAIN (RFC 4616), base64, without CRLF: ERR_INVALID where a part holds NUL. */
NODISCARD int imapc_sasl_plain(struct buf *out, struct slice authzid, struct slice authcid, struct slice password);

#endif
