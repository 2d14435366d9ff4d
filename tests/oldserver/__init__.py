# SPDX-License-Identifier: Apache-2.0
"""An ordinary old mail server: Debian's Postfix and Dovecot, whole state under one folder.

    with OldServer("/tmp/old", 21000, users={"joe@example.test": "secret"}) as old:
        old.fill("joe@example.test", 5000)
        imaplib.IMAP4("127.0.0.1", old.ports["imap"])

Postfix and Dovecot of the system (/etc/postfix, /etc/dovecot) are neither read nor touched.
"""
from .mailbox import DEFAULT_FOLDERS, Folder, fill
from .messages import Message, generate
from .server import OldServer, OldServerError

__all__ = ["OldServer", "OldServerError", "Folder", "DEFAULT_FOLDERS", "Message", "generate", "fill"]
