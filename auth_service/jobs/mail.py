"""The sending job: it claims the mails of the outbox that are due, one at a time, and sends them.

Failure policy: a mail is removed after the server has accepted it. If the process dies between these two, the mail is
sent once more when the claim ends, with the same Message-ID. A claim is for one mail, so a killed process causes at
most one duplicate and loses nothing. Several processes may run the job: a claimed mail is not due for the others.
"""

import random
import threading
from collections.abc import Callable
from typing import Literal

import structlog

from auth_service.mail.composer import Composer
from auth_service.mail.outbox import MailOutbox, QueuedMail
from auth_service.mail.retry_policy import delay_after, is_too_old, pause_after
from auth_service.mail.texts import TemplateProblem
from auth_service.mail.transports.interface import MailDelayed, MailRejected, Transport, TransportUnavailable
from chassis.clock import Clock

INTERVAL = 1.0
"""Seconds between two runs."""
CLAIM_SECONDS = 600.0
"""Seconds after which a claim ends.

Longer than any attempt, which takes at most eight minutes with the longest SMTP_TIMEOUT.
"""

MailResult = Literal["sent", "dropped", "delayed", "server_unavailable", "failed"]
"""The result of an attempt to send a mail."""

_log = structlog.get_logger("mail")


class MailSender:
    """Sends the mails of an outbox. One thread runs it; `stop` may be called by another."""

    def __init__(
        self,
        outbox: MailOutbox,
        composer: Composer,
        transport: Transport,
        clock: Clock,
        chance: Callable[[], float] = random.random,
        count: Callable[[MailResult], None] = lambda _: None,
    ) -> None:
        """Call `count` with the result of each attempt to send a mail."""
        self._outbox = outbox
        self._composer = composer
        self._transport = transport
        self._clock = clock
        self._chance = chance
        self._count = count
        self._stopping = threading.Event()
        self._done: list[QueuedMail] = []
        """Mails that were sent and could not be removed, because the database did not answer."""
        self._failures = 0
        """Failed connections in a row."""
        self._paused_until = 0.0

    def stop(self) -> None:
        """End the run after the current mail."""
        self._stopping.set()

    def send_due(self) -> int:
        """Send every mail that is due and return how many were sent. Raises StoreUnavailable.

        While the server is unavailable, nothing is sent for a pause, and the mails stay due.
        """
        sent = 0
        try:
            while not self._stopping.is_set() and self._clock() >= self._paused_until:
                self._remove_done()
                now = self._clock()
                mail = self._outbox.claim(now, now + CLAIM_SECONDS)
                if mail is None:
                    break
                sent += self._send(mail)
        finally:
            self._transport.close()
        return sent

    def _remove_done(self) -> None:
        while self._done:
            self._outbox.remove(self._done[-1])
            self._done.pop()

    def _send(self, mail: QueuedMail) -> bool:
        """Send a claimed mail and return whether it was sent."""
        try:
            message = self._composer.compose(mail, self._clock())
            if message is None:
                self._outbox.remove(mail)
                self._count("dropped")
                _log.info("mail_dropped", mail=mail.id.hex, kind=mail.kind.value)
                return False
            receipt = self._transport.send(message)
        except TransportUnavailable as error:
            self._pause(mail, error)
        except (MailDelayed, TemplateProblem) as error:
            self._delay(mail, str(error))
        except (MailRejected, ValueError) as error:
            self._give_up(mail, str(error))
        else:
            self._failures = 0
            self._count("sent")
            self._done.append(mail)
            attempts, seconds = mail.attempts + 1, round(self._clock() - mail.created_at, 1)
            _log.info(
                "mail_sent",
                mail=mail.id.hex,
                kind=mail.kind.value,
                attempts=attempts,
                seconds=seconds,
                receipt=receipt,
            )
            self._remove_done()
            return True
        return False

    def _pause(self, mail: QueuedMail, error: TransportUnavailable) -> None:
        """Send nothing for a while, because the server is unavailable. The mail is not to blame and stays due."""
        now = self._clock()
        self._failures += 1
        self._count("server_unavailable")
        pause = pause_after(self._failures, self._chance())
        self._paused_until = now + pause
        if is_too_old(mail.created_at, now):
            self._give_up(mail, str(error))
        else:
            self._outbox.release(mail, now)
        _log.warning(
            "mail_server_unavailable",
            error=str(error),
            failures=self._failures,
            retry_in=round(pause),
            waiting=self._outbox.waiting(),
        )

    def _delay(self, mail: QueuedMail, reason: str) -> None:
        now = self._clock()
        if is_too_old(mail.created_at, now):
            self._give_up(mail, reason)
            return
        attempts = mail.attempts + 1
        self._count("delayed")
        delay = delay_after(attempts, self._chance())
        self._outbox.postpone(mail, now + delay)
        _log.warning(
            "mail_delayed",
            mail=mail.id.hex,
            kind=mail.kind.value,
            attempts=attempts,
            error=reason,
            retry_in=round(delay),
        )

    def _give_up(self, mail: QueuedMail, reason: str) -> None:
        self._outbox.fail(mail, self._clock())
        self._count("failed")
        _log.error("mail_failed", mail=mail.id.hex, kind=mail.kind.value, attempts=mail.attempts + 1, error=reason)
