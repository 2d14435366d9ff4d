# SPDX-License-Identifier: Apache-2.0
"""Every wait has an end."""
import time


def wait_until(question, seconds=30, what="", every=0.02):
    """The first true answer of question(); AssertionError behind the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what or question}")
        time.sleep(every)
