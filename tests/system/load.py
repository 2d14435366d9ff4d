# SPDX-License-Identifier: Apache-2.0
"""Numbered mail to some addresses over eight connections, while something happens to them."""
import collections
import re
import smtplib
import threading
import time

CONNECTIONS = 8
NUMBER = re.compile(rb"^Subject: number (\d+)\r?$", re.M)


class Load:
    """Sends until stop(). acknowledged: numbers that got 250; refused: those that got a 5xx; of others nobody knows."""

    def __init__(self, postern, recipients):
        self.postern, self.recipients = postern, recipients
        self.acknowledged, self.refused, self.later = [], [], []
        self.lock, self.ending = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self._run, args=(i,), daemon=True) for i in range(CONNECTIONS)]
        for thread in self.threads:
            thread.start()

    def _note(self, where, number, answer):
        with self.lock:
            where.append((number, answer))

    def _run(self, lane):
        number, smtp = lane, None
        while not self.ending.is_set():
            to = self.recipients[number // CONNECTIONS % len(self.recipients)]
            try:
                if smtp is None:
                    smtp = self.postern.smtp(timeout=60)
                smtp.sendmail(f"a{lane}@elsewhere.test", [to], b"Subject: number %d\r\n\r\nbody\r\n" % number)
                self._note(self.acknowledged, number, to)
            except smtplib.SMTPRecipientsRefused as e:
                code, text = e.recipients[to]
                self._note(self.refused if code >= 500 else self.later, number, (code, text))
            except smtplib.SMTPResponseException as e:
                self._note(self.refused if e.smtp_code >= 500 else self.later, number, (e.smtp_code, e.smtp_error))
            except (OSError, smtplib.SMTPException) as e:
                self._note(self.later, number, e)
                smtp = None
                time.sleep(0.05)
            number += CONNECTIONS
        if smtp:
            smtp.close()

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(150)
            assert not thread.is_alive()
        return self


def numbers(messages):
    return collections.Counter(int(NUMBER.search(m).group(1)) for m in messages if NUMBER.search(m))


def exactly_once(load, messages):
    """Every acknowledged message once, no other twice."""
    found = numbers(messages)
    lost = [n for n, _ in load.acknowledged if not found[n]]
    twice = [n for n, times in found.items() if times > 1]
    assert not lost, f"{len(lost)} of {len(load.acknowledged)} lost, such as {lost[:5]}"
    assert not twice, f"{len(twice)} twice, such as {twice[:5]}"
