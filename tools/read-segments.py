#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads segment files without Postern (docs/formats/segments.md). Needs Python and the zstd command.

  read-segments.py SEGMENT...              one line a record, JSON
  read-segments.py --extract DIR SEGMENT... writes each message to DIR/SEGMENT-OFFSET.eml
"""
import hashlib
import json
import pathlib
import struct
import subprocess
import sys

MESSAGE, STATE = 1, 2
HEADER_RAW, BODY_RAW = 1, 2
TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ 0x82F63B78 if n & 1 else n >> 1
    TABLE.append(n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def unzstd(frame, raw):
    if raw or not frame:
        return frame
    return subprocess.run(["zstd", "-dcq"], input=frame, stdout=subprocess.PIPE, check=True).stdout


def parse(data, segment, at):
    """The record at an offset, or None where there is none or it is damaged."""
    if len(data) - at < 40 or data[at:at + 4] != b"PsR1":
        return None
    crc, kind, flags, length, sequence, meta_n, head_n, body_n, meta_crc = struct.unpack_from("<IBBxxIQIIII", data, at + 4)
    size = {MESSAGE: 96, STATE: 40}.get(kind, 0)
    if not size or length != size + meta_n + head_n + body_n or at + length > len(data):
        return None
    if crc32c(data[at + 8:at + size]) != crc or sequence != segment << 32 | at:
        return None
    start = at + size
    meta = data[start:start + meta_n]
    if crc32c(meta) != meta_crc:
        return None
    record = {"kind": kind, "offset": at, "length": length, "sequence": sequence, "meta": meta}
    if kind == MESSAGE:
        head_crc, body_crc, head_raw, body_raw = struct.unpack_from("<IIQQ", data, at + 40)
        head = data[start + meta_n:start + meta_n + head_n]
        body = data[start + meta_n + head_n:at + length]
        if crc32c(head) != head_crc or crc32c(body) != body_crc:
            return None
        record["message"] = unzstd(head, flags & HEADER_RAW) + unzstd(body, flags & BODY_RAW)
        record["header_length"] = head_raw
        if len(record["message"]) != head_raw + body_raw:
            return None
        if hashlib.sha256(record["message"]).digest() != data[at + 64:at + 96]:
            return None
    return record


def records(path):
    data = pathlib.Path(path).read_bytes()
    if len(data) < 32 or data[:8] != b"PsSegmt1":
        sys.exit(f"{path}: not a segment")
    segment, at = struct.unpack_from("<I", data, 8)[0], 32
    while at < len(data):
        record = parse(data, segment, at)
        if record:
            yield segment, record
            at += record["length"]
            continue
        print(f"{path}: damaged at {at}", file=sys.stderr)
        at = data.find(b"PsR1", at + 1)
        while at >= 0 and not parse(data, segment, at):
            at = data.find(b"PsR1", at + 1)
        if at < 0:
            return


def main(args):
    out = None
    if len(args) > 1 and args[0] == "--extract":
        out = pathlib.Path(args[1])
        out.mkdir(parents=True, exist_ok=True)
        args = args[2:]
    if not args or args[0].startswith("-"):
        sys.exit(__doc__)
    for path in args:
        for segment, record in records(path):
            message = record.pop("message", None)
            if out and message is not None:
                (out / f"{segment:08x}-{record['offset']}.eml").write_bytes(message)
            if not out:
                record["meta"] = record["meta"].hex()
                if message is not None:
                    record["sha256"] = hashlib.sha256(message).hexdigest()
                    record["size"] = len(message)
                print(json.dumps(record))


if __name__ == "__main__":
    main(sys.argv[1:])
