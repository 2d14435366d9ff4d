# SPDX-License-Identifier: Apache-2.0
"""What an authenticator app does (RFC 6238)."""
import base64
import hashlib
import hmac
import struct

STEP = 30


def code(secret, at, steps=0):
    """Of a base32 secret, at a time in seconds, so many steps later."""
    counter = struct.pack(">Q", int(at) // STEP + steps)
    digest = hmac.new(base64.b32decode(secret), counter, hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at:at + 4])[0] & 0x7fffffff) % 10**6:06d}"


def stay(postern, at):
    """It is that time, in seconds, once more: so no step ends between two questions, however long they take."""
    postern.travel(seconds=at - postern.now())


def begin_step(postern):
    """A second into the next step, whence it is; that time."""
    at = (int(postern.now()) // STEP + 1) * STEP + 1
    stay(postern, at)
    return at


def wrong_code(secret, at):
    """None of those around that time."""
    near = {code(secret, at, i) for i in range(-3, 4)}
    return next(c for c in ("111111", "222222", "333333", "444444", "555555", "666666", "777777", "888888") if c not in near)


def turn_on(postern, login, password):
    """(secret, recovery codes); the code of the current step is used up."""
    secret = postern.json("totp", "start", login, "--password-stdin", stdin=password + "\n")["secret"]
    done = postern.json("totp", "confirm", login, "--code-stdin", stdin=code(secret, postern.now()) + "\n")
    return secret, done["recovery_codes"]
