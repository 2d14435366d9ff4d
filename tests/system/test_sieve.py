# SPDX-License-Identifier: Apache-2.0
"""Rules of a mailbox: the scripts that are kept for it (docs/formats/sieve.md)."""
import itertools

import pytest

PASSWORD = "Correct-horse-1"
numbers = itertools.count(1)


class House:
    """A domain of its own in the shared instance, with mailboxes joe and mary."""

    def __init__(self, postern):
        self.postern = postern
        self.domain = f"sieve{next(numbers)}.test"
        postern.add_domain(self.domain)
        for name in ("joe", "mary"):
            postern.add_mailbox(self[name], PASSWORD)

    def __getitem__(self, name):
        return f"{name}@{self.domain}"

    def put(self, text, who="joe", name="rules", active=True):
        path = self.postern.write_file(f"script{next(numbers)}.sieve", text)
        return self.postern.cli("sieve", "put", self[who], name, path, *(["--active"] if active else []))


@pytest.fixture
def house(shared_postern):
    return House(shared_postern)


def scripts(house, who="joe"):
    return {s["name"]: s["active"] for s in house.postern.json("sieve", "list", house[who])["items"]}


def test_scripts_are_kept_read_and_switched(house):
    postern, joe = house.postern, house["joe"]
    text = "require \"fileinto\";\n# Grüße\nfileinto \"Läden\";\n"
    house.put(text, active=False)
    house.put("keep;", name="other")
    assert scripts(house) == {"rules": False, "other": True}
    assert postern.cli("sieve", "get", joe, "rules") == text        # byte for byte
    postern.cli("sieve", "activate", joe, "rules")
    assert scripts(house) == {"rules": True, "other": False}
    assert "deactivate" in postern.refused("sieve", "remove", joe, "rules")
    postern.cli("sieve", "rename", joe, "rules", "My rules")
    assert scripts(house) == {"My rules": True, "other": False}
    postern.cli("sieve", "deactivate", joe)
    postern.cli("sieve", "remove", joe, "My rules")
    assert scripts(house) == {"other": False}
    assert scripts(house, "mary") == {}


def test_a_broken_script_is_refused_with_line_column_and_rule(house):
    postern = house.postern
    house.put("keep;")
    path = postern.write_file("broken.sieve", "keep;\nif header \"Subject\" \"x\" { fileinto \"a\"; }\n")
    for words in (("put", house["joe"], "rules", path), ("put", house["joe"], "rules", path, "--dry-run"), ("check", path)):
        said = postern.refused("sieve", *words)
        assert "line 2, column 27: this needs require \"fileinto\" at the beginning of the script" in said, words
    assert postern.cli("sieve", "get", house["joe"], "rules") == "keep;"    # as it was
    good = postern.write_file("good.sieve", "require \"fileinto\"; fileinto \"a\";")
    postern.cli("sieve", "check", good)
    postern.cli("sieve", "put", house["joe"], "new", good, "--dry-run")
    assert scripts(house) == {"rules": True}


def test_limits_of_scripts(house):
    postern, most = house.postern, 64 * 1024
    house.put("keep;" + " " * (most - 5), active=False)
    path = postern.write_file("big.sieve", "keep;" + " " * (most - 4))
    assert "bigger than 64 KiB" in postern.refused("sieve", "put", house["joe"], "more", path)
    house.put("stop;" + " " * (most - 5), name="second", active=False)
    path = postern.write_file("one.sieve", " ")
    assert "131072" in postern.refused("sieve", "put", house["joe"], "third", path)
    postern.cli("sieve", "remove", house["joe"], "second")
    postern.cli("sieve", "put", house["joe"], "third", path)


def test_scripts_go_with_their_mailbox(house):
    house.put("keep;")
    house.postern.cli("mailbox", "remove", house["joe"])
    house.postern.add_mailbox(house["joe"], PASSWORD)
    assert scripts(house) == {}
