# SPDX-License-Identifier: Apache-2.0
"""ENVELOPE and BODYSTRUCTURE values of two servers, in one form, and where they differ."""
import json
import pathlib

import imap_value

HERE = pathlib.Path(__file__).resolve().parent


def text(value):
    if isinstance(value, list):
        return [text(v) for v in value]
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _fold(value):
    return value.lower() if isinstance(value, str) else value


def _params(p):
    return sorted((p[i].lower(), p[i + 1]) for i in range(0, len(p), 2)) if p else None


def _disposition(d):
    return [_fold(d[0]), _params(d[1])] if d else None


def structure(b):
    """A BODYSTRUCTURE value with its fields named; what has no case in one, parameters sorted."""
    if imap_value.is_part_list(b):
        parts = imap_value.children(b)
        rest = b[len(parts):] + [None] * 4
        return {"parts": [structure(p) for p in parts], "subtype": _fold(rest[0]), "params": _params(rest[1]),
                "disposition": _disposition(rest[2]), "language": rest[3]}
    ret = {"type": _fold(b[0]), "subtype": _fold(b[1]), "params": _params(b[2]), "id": b[3], "description": b[4],
           "encoding": _fold(b[5]), "size": b[6]}
    at = 7
    if ret["type"] == "text":
        ret["lines"] = b[7]
        at = 8
    elif (ret["type"], ret["subtype"]) in (("message", "rfc822"), ("message", "global")):
        ret.update(envelope=b[7], body=structure(b[8]), lines=b[9])
        at = 10
    rest = b[at:] + [None] * 4
    ret.update(md5=rest[0], disposition=_disposition(rest[1]), language=rest[2], location=rest[3])
    return ret


def tree(s):
    """Only what parts there are and how large."""
    if "parts" in s:
        return [s["subtype"]] + [tree(p) for p in s["parts"]]
    ret = [f"{s['type']}/{s['subtype']}", s["size"], s.get("lines")]
    return ret + [tree(s["body"])] if "body" in s else ret


def differences(a, b, path):
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(set(a) | set(b)):
            yield from differences(a.get(key), b.get(key), f"{path}.{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            yield from differences(x, y, f"{path}[{i}]")
    elif a != b:
        yield path, a, b


def answers(path):
    """file -> answer, of an answers-*.jsonl."""
    with open(path, encoding="utf-8") as lines:
        return {a["file"]: a for a in map(json.loads, lines)}


def accepted(name):
    """{(file, path prefix): reason} of a list beside this file."""
    ret = {}
    for line in (HERE / name).read_text().splitlines():
        if line and not line.startswith("#"):
            file, path, reason = line.split("\t")
            ret[file, path] = reason
    return ret


class Judge:
    """Collects differences; what the list accepts is only noted as used."""

    def __init__(self, name):
        self.accepted = accepted(name)
        self.used = set()
        self.bad = []

    def see(self, file, differing):
        for path, ours, theirs in differing:
            hits = [(f, p) for f, p in self.accepted if f == file and path.startswith(p)]
            self.used.update(hits)
            if not hits:
                self.bad.append(f"{file} {path}: ours {str(ours)[:200]} theirs {str(theirs)[:200]}")

    def verdict(self):
        unused = sorted(set(self.accepted) - self.used)
        return self.bad + [f"{f} {p}: listed as different, but agrees" for f, p in unused]
