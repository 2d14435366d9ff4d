# SPDX-License-Identifier: Apache-2.0
"""IMAP values (RFC 3501 9) to Python: lists, None for NIL, strings as bytes, numbers and atoms as str."""


class Malformed(ValueError):
    pass


def parse(data, atoms=False):
    """The one value that data is; Malformed where there is more, or less. atoms: other words than NIL are let through
    (of a whole FETCH answer, as str)."""
    value, at = _value(data, 0, atoms)
    if at != len(data):
        raise Malformed(f"{len(data) - at} bytes behind the value: {data[at:at + 40]!r}")
    return value


def _value(data, at, atoms):
    stack = []
    while True:
        if at >= len(data):
            raise Malformed("ends in the middle")
        c = data[at:at + 1]
        if c == b"(":
            stack.append([])
            at += 1
            continue
        if c == b")":
            if not stack:
                raise Malformed("a ) too many")
            value = stack.pop()
            at += 1
        elif c == b'"':
            value, at = _quoted(data, at)
        elif c == b"{":
            value, at = _literal(data, at)
        else:
            value, at = _atom(data, at, atoms)
        if not stack:
            return value, at
        stack[-1].append(value)
        # One space between values; none before ) and between parts of a multipart.
        if data[at:at + 1] == b" ":
            at += 1
            if data[at:at + 1] in (b")", b" ", b""):
                raise Malformed(f"a space before {data[at:at + 1]!r}")
        elif data[at:at + 1] not in (b")", b"("):
            raise Malformed(f"no space before {data[at:at + 20]!r}")


def _quoted(data, at):
    out = bytearray()
    at += 1
    while True:
        c = data[at]
        if c == 0x22:
            return bytes(out), at + 1
        if c == 0x5C:
            at += 1
            c = data[at]
            if c not in (0x22, 0x5C):
                raise Malformed("a backslash before what needs none")
        if c in (0, 0x0D, 0x0A) or c > 0x7F:
            raise Malformed(f"byte {c:#x} in a quoted string")
        out.append(c)
        at += 1


def _literal(data, at):
    end = data.index(b"}\r\n", at)
    size = int(data[at + 1:end])
    start = end + 3
    value = data[start:start + size]
    if len(value) != size or b"\0" in value:
        raise Malformed("a literal that is short or holds a NUL")
    return value, start + size


def _atom(data, at, atoms):
    end = at
    while end < len(data) and data[end:end + 1] not in (b" ", b")", b"("):
        end += 1
    word = data[at:end].decode("ascii")
    if word == "NIL":
        return None, end
    if not word or not (atoms or word.isdigit()):
        raise Malformed(f"{word!r} is neither NIL nor a number")
    return word, end


def is_part_list(body):
    return isinstance(body[0], list)


def children(body):
    """The parts of a multipart's body value."""
    count = 0
    while count < len(body) and isinstance(body[count], list):
        count += 1
    return body[:count]
