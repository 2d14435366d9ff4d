# SPDX-License-Identifier: Apache-2.0
"""Which doors a login opens."""
import imaplib
import smtplib

EVERY = {"imap": True, "pop3": True, "submission": True}
NONE = {"imap": False, "pop3": False, "submission": False}


def hang_up(session):
    """Without a farewell. Closing `session.sock` alone would keep the connection: the file that reads it holds it open."""
    session.shutdown() if isinstance(session, imaplib.IMAP4) else session.close()


def logs_in(postern, user, password):
    """{protocol: bool}"""
    answers = {}
    for name, door in (("imap", postern.imap), ("pop3", postern.pop3), ("submission", postern.submission)):
        try:
            session = door(user, password)
            answers[name] = True
            hang_up(session)
        except (imaplib.IMAP4.error, smtplib.SMTPAuthenticationError):
            answers[name] = False
        except Exception as e:  # poplib.error_proto
            assert "-ERR" in str(e), e
            answers[name] = False
    return answers
