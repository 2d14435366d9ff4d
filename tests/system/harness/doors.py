# SPDX-License-Identifier: Apache-2.0
"""Which doors a login opens."""
import imaplib
import smtplib

EVERY = {"imap": True, "pop3": True, "submission": True}
NONE = {"imap": False, "pop3": False, "submission": False}


def logs_in(postern, user, password):
    """{protocol: bool}"""
    answers = {}
    for name, door in (("imap", postern.imap), ("pop3", postern.pop3), ("submission", postern.submission)):
        try:
            session = door(user, password)
            answers[name] = True
            session.close() if name == "submission" else session.sock.close()
        except (imaplib.IMAP4.error, smtplib.SMTPAuthenticationError):
            answers[name] = False
        except Exception as e:  # poplib.error_proto
            assert "-ERR" in str(e), e
            answers[name] = False
    return answers
