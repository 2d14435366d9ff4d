# SPDX-License-Identifier: Apache-2.0
"""The digest of every message of the corpus: whole, nested, rendered, and compared with other servers."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import compare  # noqa: E402
import imap_value  # noqa: E402
from digester import CORPUS, Digester, messages, with_crlf  # noqa: E402

DIGEST_MAX = 160 * 1024

pytestmark = pytest.mark.skipif(
    not CORPUS.is_dir(), reason=f"NO CORPUS at {CORPUS}: the digests of real messages are NOT tested")


def check_parts(parts, size):
    assert parts[0][:2] == [0, 0] and parts[0][3] == size
    for i, (parent, header, body, end, _lines, _flags) in enumerate(parts):
        assert header <= body <= end <= size
        if i:
            assert parent < i
            outer = parts[parent]
            assert outer[2] <= header and end <= outer[3]
    for i, (parent, header, *_rest) in enumerate(parts[1:], 1):
        # Siblings follow one another without overlap.
        before = [p for p in parts[1:i] if p[0] == parent]
        assert all(p[3] <= header for p in before)


def check_lines(parts, message):
    for _parent, _header, body, end, lines, _flags in parts:
        assert lines == message[body:end].count(b"\n")


def check_against_body(value, structure):
    """BODY is BODYSTRUCTURE without its extensions."""
    if imap_value.is_part_list(value):
        inner = imap_value.children(value)
        assert len(value) == len(inner) + 1
        for a, b in zip(inner, structure):
            check_against_body(a, b)
    else:
        assert value == structure[:len(value)] or value[:8] == structure[:8]


def check(dump, message):
    assert dump.facts["size"] == len(message)
    assert dump.facts["packed"] <= DIGEST_MAX
    check_parts(dump.parts, len(message))
    check_lines(dump.parts, message)
    assert len(imap_value.parse(dump.envelope)) == 10
    check_against_body(imap_value.parse(dump.body), imap_value.parse(dump.bodystructure))


@pytest.mark.parametrize("form", ["as it is", "CRLF", "LF", "CR"])
def test_every_message(form):
    change = {"as it is": lambda m: m, "CRLF": with_crlf, "LF": lambda m: m.replace(b"\r\n", b"\n"),
              "CR": lambda m: m.replace(b"\r\n", b"\r").replace(b"\n", b"\r")}[form]
    count = 0
    with Digester() as digester:
        for name, message in messages():
            message = change(message)
            try:
                check(digester.dump(message), message)
            except (AssertionError, ValueError) as why:
                raise AssertionError(f"{name} ({form}): {why!r}") from why
            count += 1
    assert count > 1800


def test_line_ends_do_not_change_the_tree():
    """LF and CRLF give the same parts; only sizes differ."""
    def shape(dump):
        return [[p[0], p[4], p[5]] for p in dump.parts]
    with Digester() as digester:
        for name, message in messages(("mime-odd", "jmap-email-get")):
            lf = message.replace(b"\r\n", b"\n")
            assert shape(digester.dump(lf)) == shape(digester.dump(with_crlf(lf))), name


def compare_all(answers, judge, pick):
    with Digester() as digester:
        for file, answer in answers.items():
            message = with_crlf((CORPUS / "mime-odd" / "messages" / file).read_bytes())
            assert len(message) == answer["size"], file
            dump = digester.dump(message)
            envelope = compare.text(imap_value.parse(dump.envelope))
            body = compare.structure(compare.text(imap_value.parse(dump.bodystructure)))
            judge.see(file, pick(envelope, body, answer["envelope"], compare.structure(answer["bodystructure"])))


def test_agrees_with_dovecot():
    def everything(envelope, body, their_envelope, their_body):
        yield from compare.differences(envelope, their_envelope, "ENV")
        yield from compare.differences(body, their_body, "BS")
    judge = compare.Judge("dovecot-differences.tsv")
    compare_all(compare.answers(CORPUS / "mime-odd" / "answers-dovecot.jsonl"), judge, everything)
    assert not judge.verdict(), "\n".join(judge.verdict())


def test_part_tree_agrees_with_cyrus():
    def only_tree(_envelope, body, _their_envelope, their_body):
        yield from compare.differences(compare.tree(body), compare.tree(their_body), "BS")
    judge = compare.Judge("cyrus-differences.tsv")
    compare_all(compare.answers(CORPUS / "mime-odd" / "answers-cyrus.jsonl"), judge, only_tree)
    assert not judge.verdict(), "\n".join(judge.verdict())
