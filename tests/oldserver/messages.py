# SPDX-License-Identifier: Apache-2.0
"""Mail that looks like mail, made from a seed: the same seed gives the same bytes."""
import base64
import email.utils
import random
from dataclasses import dataclass, field

WORDS = """the of and a to in that is was he for it with as his on be at by this had not are but from or have
an they which one you were her all she there would their we him been has when who will more no if out so said
what up its about into than them can only other new some could time these two may then do first any my now such
like our over man me even most made after also did many before must through back years where much your way well
invoice offer meeting contract delivery project garden kitchen window harvest bridge river ticket station letter
Angebot Rechnung Lieferung Besprechung Vertrag Garten Fenster Brücke Bahnhof Größe Straße Übergabe""".split()
FIRST = "Ada Ben Clara David Emma Felix Greta Hugo Ida Jonas Klara Lena Max Nora Otto Paula".split()
LAST = "Adler Berg Clausen Dorn Eder Falk Graf Huber Jensen Krämer Lang Möller Nagel Ott Peters".split()
KEYWORDS = ("$Label1", "$Forwarded", "Work", "$MDNSent", "Receipts")


@dataclass
class Message:
    data: bytes                 # CRLF line ends
    date: int                   # internal date, seconds since 1970
    flags: str = ""             # Maildir letters: D draft F flagged R answered S seen T deleted
    keywords: tuple = field(default_factory=tuple)


def _words(rng, count):
    return " ".join(rng.choices(WORDS, k=count))


def _paragraphs(rng, count):
    return "\n\n".join("\n".join(_words(rng, 11) for _ in range(rng.randint(2, 7))) for _ in range(count))


def _header(text):
    if text.isascii():
        return text
    return "=?utf-8?B?" + base64.b64encode(text.encode()).decode() + "?="


def _base64(data):
    return base64.encodebytes(data).decode().replace("\n", "\r\n")


def _plain(rng, size):
    text = _paragraphs(rng, max(1, size // 320)).replace("\n", "\r\n") + "\r\n"
    return "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n", text


def _alternative(rng, size):
    mark = f"alt-{rng.getrandbits(64):016x}"
    text = _paragraphs(rng, max(1, size // 640)).replace("\n", "\r\n")
    page = "<html><body><p>" + text.replace("\r\n\r\n", "</p>\r\n<p>") + "</p></body></html>"
    return (f'Content-Type: multipart/alternative; boundary="{mark}"\r\n',
            f"--{mark}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
            f"--{mark}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{page}\r\n"
            f"--{mark}--\r\n")


def _attachment(rng, size):
    mark = f"mix-{rng.getrandbits(64):016x}"
    name, kind = rng.choice((("offer.pdf", "application/pdf"), ("photo.jpg", "image/jpeg"),
                             ("Größen.ods", "application/vnd.oasis.opendocument.spreadsheet")))
    data = rng.randbytes(max(size, 4000) * 3 // 4)
    return (f'Content-Type: multipart/mixed; boundary="{mark}"\r\n',
            f"--{mark}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
            + _paragraphs(rng, 1).replace("\n", "\r\n")
            + f'\r\n--{mark}\r\nContent-Type: {kind}; name="{_header(name)}"\r\n'
            "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; "
            f'filename="{_header(name)}"\r\n\r\n' + _base64(data) + f"--{mark}--\r\n")


def _body(rng, size):
    if size is not None:
        return _plain(rng, size)
    kind = rng.random()
    if kind < 0.06:
        return _attachment(rng, rng.choice((15_000, 40_000, 120_000)))
    if kind < 0.35:
        return _alternative(rng, rng.randint(1500, 7000))
    return _plain(rng, rng.randint(400, 4000))


def _flags(rng):
    flags = "S" if rng.random() < 0.8 else ""
    if rng.random() < 0.2:
        flags += "R"
    if rng.random() < 0.08:
        flags += "F"
    return "".join(sorted(flags))


def generate(count, to, seed=1, newest=1_790_000_000, size=None):
    """Yields count messages to the address, oldest first, about two hours apart."""
    rng = random.Random(f"{seed}/{to}")
    domain = to.rpartition("@")[2]
    last_id = None
    for number in range(count):
        date = newest - (count - number) * 7200 + rng.randint(0, 3600)
        name = f"{rng.choice(FIRST)} {rng.choice(LAST)}"
        sender = f"{name.split()[0].lower()}.{number % 97}@elsewhere.test"
        subject = _words(rng, rng.randint(3, 8)).capitalize()
        this_id = f"<{rng.getrandbits(80):020x}.{number}@elsewhere.test>"
        head = [f"Return-Path: <{sender}>",
                f"Received: from mx.elsewhere.test (mx.elsewhere.test [192.0.2.25])\r\n\tby mail.{domain} with ESMTPS"
                f"\r\n\tfor <{to}>; {email.utils.formatdate(date)}",
                f"From: {_header(name)} <{sender}>", f"To: <{to}>", f"Subject: {_header(subject)}",
                f"Date: {email.utils.formatdate(date - 3)}", f"Message-ID: {this_id}", "MIME-Version: 1.0"]
        if last_id and rng.random() < 0.3:
            head += [f"In-Reply-To: {last_id}", f"References: {last_id}"]
        last_id = this_id
        more, body = _body(rng, size)
        data = ("\r\n".join(head) + "\r\n" + more + "\r\n" + body).encode()
        keywords = tuple(sorted(rng.sample(KEYWORDS, 1 + (number % 11 == 0)))) if rng.random() < 0.1 else ()
        yield Message(data, date, _flags(rng), keywords)
