/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations as HTTP carries them: fields from a query (RFC 3986 3.4,
 * application/x-www-form-urlencoded escapes) and from a JSON object (RFC 8259), failures as
 * problem+json (RFC 9457), and the OpenAPI 3.1 document. Threats: bodies and queries of any bytes.
 * What may come in is bounded by the constants below.
 */
#ifndef PROTO_API_HTTP_H
#define PROTO_API_HTTP_H

#include "proto/api/api.h"

enum {
	API_JSON_MAX = 1 << 20,    /* bytes of a JSON body */
	API_BULK_MAX = 1000,       /* items of a bulk request */
	API_QUERY_MAX = 8192,      /* bytes of a query */
	API_OPENAPI_MAX = 1 << 20, /* bytes of the document */
};

#define API_BULK_PATH "/api/v1/bulk"

/* Fields of one request; the memory is the arena's. */
struct api_fields {
	struct arena *arena;
	struct api_field *v;
	size_t n, cap;
};

/* ERR_TOO_BIG past API_FIELDS_MAX. */
NODISCARD int api_fields_add(struct api_fields *f, struct slice name, struct slice value);

/* "a=1&b=%20"; empty values stay, "+" is a space. ERR_SYNTAX, ERR_TOO_BIG; ERR_INVALID where it
 * names a secret. */
NODISCARD int api_fields_from_query(struct api_fields *f, const struct api_op *op,
				    struct slice query, struct api_error *ret_error);

/* {"a": "x", "b": 7, "c": true, "to": ["x", "y"], "d": null}; null is as if absent. ERR_SYNTAX,
 * ERR_TOO_BIG. */
NODISCARD int api_fields_from_json(struct api_fields *f, struct slice body,
				   struct api_error *ret_error);

/* "NAME BASE64": a secret of an operation whose body is a file, in the header API_SECRET_HEADER. ERR_SYNTAX; ERR_INVALID
 * where it is no secret of the operation. */
#define API_SECRET_HEADER "Postern-Secret"
NODISCARD int api_fields_from_secret(struct api_fields *f, const struct api_op *op, struct slice value,
				     struct api_error *ret_error);
/* The reverse: the header with its name, or nothing where there is no secret. */
void api_secret_header(const struct api_op *op, const struct api_field *fields, size_t n, struct buf *out);

/* The items of {"items": [{"operation": "mailbox.set", "address": "...", ...}, ...]}: *ret is an array of JSON texts, each
 * item as one, without "operation" and "if_match", which are apart. */
struct api_bulk_item {
	const struct api_op *op;	/* NULL: none of that name, or not one for bulk */
	struct slice name, if_match, fields;
};
NODISCARD int api_bulk(struct slice body, struct arena *a, struct api_bulk_item **ret, size_t *ret_n,
		       struct api_error *ret_error);

/* The reverse, for a client: members are texts, or lists of texts; what stands in the path is left
 * out. */
void api_fields_to_json(const struct api_op *op, const struct api_field *fields, size_t n,
			struct buf *out);

/* op's path with fields in it, percent-encoded, and for GET and DELETE (or in_query) the rest as
 * query. */
void api_request_target(const struct api_op *op, const struct api_field *fields, size_t n,
			bool in_query, struct buf *out);
bool api_in_path(const struct api_op *op, struct slice field);

/* In the language of text_current(). {"type": "about:blank", "title", "status", "detail", "field"}; detail and field may be NULL or
 * "". */
/* The password was right, and a code of the second factor is missing or wrong. */
void api_problem_second(unsigned status, const char *detail, const char *field, struct buf *out);
void api_problem(unsigned status, const char *title, const char *detail, const char *field,
		 struct buf *out);

/* The same of a field that did not fit: with "value" and "rule". */
void api_problem_error(unsigned status, const struct api_error *error, struct buf *out);

/* The HTTP status that fits an error of ours. */
unsigned api_status_of(int err);
const char *api_status_title(unsigned status);

/* The OpenAPI 3.1 document of the whole table. */
void api_openapi(const char *version, struct buf *out);

#endif
