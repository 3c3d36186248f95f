"""A bank's interface for debits: files pushed, and single debits asked after, both ways proven by Standard Webhooks.

    POST <url>/files                      the file's bytes; webhook-id is its message id
    GET  <url>/files/<message id>         200 when the bank has the file, 404 when it never got it
    GET  <url>/debits/<end-to-end id>     200 {"status": "RJCT", "reason": "AM04"}, 404 for one it does not know

A file is asked after before it is sent: an answer that got lost must not make two of it.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

import httpx

from banks.collections import pain002
from banks.errors import TransferError, Unreadable
from banks.records import Verdict
from banks.signatures import StandardWebhooks
from gateway.bank_settings import BankSettings
from gateway.secrets import secret
from gateway.wiring import Wiring

_CONNECT_SECONDS, _READ_SECONDS = 5.0, 30.0
_MOST_ANSWER = 65_536
_SCHEME = StandardWebhooks()
_TYPES = {".xml": "application/xml", ".csv": "text/csv"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a bank says of one debit it was asked after."""

    verdict: Verdict
    status: str
    reason: str


class DebitApi:
    """One bank's interface, for the length of a `with` block; raises TransferError for whatever is no clear answer."""

    def __init__(self, wiring: Wiring, bank: BankSettings, url: str) -> None:
        self._url, self._clock = url.rstrip("/"), wiring.clock
        self._keys = secret(wiring.settings, f"{bank.name}_debits_secret")
        timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
        self._client = httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False)

    def __enter__(self) -> "DebitApi":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._client.close()

    def push(self, message_id: str, file: Path) -> None:
        """Let the bank have a file, once however often it is pushed."""
        asked = self._ask("GET", f"/files/{quote(message_id)}", message_id)
        if asked.status_code == httpx.codes.OK:
            return
        if asked.status_code != httpx.codes.NOT_FOUND:
            raise self._unclear(asked, "whether it has the file: expected 200 or 404")
        sent = self._ask("POST", "/files", message_id, file.read_bytes(), _TYPES[file.suffix])
        if not sent.is_success and sent.status_code != httpx.codes.CONFLICT:
            raise self._unclear(sent, "on the file: expected 2xx, or 409 for one it has")

    def ask(self, end_to_end_id: str) -> Answer | None:
        """Ask what became of a debit; None when the bank does not know it."""
        asked = self._ask("GET", f"/debits/{quote(end_to_end_id, safe='')}", end_to_end_id)
        if asked.status_code == httpx.codes.NOT_FOUND:
            return None
        if asked.status_code != httpx.codes.OK:
            raise self._unclear(asked, "on a debit: expected 200 or 404")
        try:
            told = asked.json()
            status, reason = str(told["status"]), str(told.get("reason", ""))
            return Answer(pain002.verdict_of(status), status[:35], reason[:35])
        except (ValueError, KeyError, TypeError, AttributeError, Unreadable) as error:
            raise TransferError(f"{self._url}: expected the status of a debit, got something else") from error

    def _ask(self, method: str, path: str, name: str, body: bytes = b"", kind: str = "") -> httpx.Response:
        headers = _SCHEME.headers(name, body, _seconds(self._clock()), self._keys)
        if kind:
            headers["content-type"] = kind
        try:
            with self._client.stream(method, self._url + path, headers=headers, content=body) as answer:
                read = b""
                for block in answer.iter_bytes():
                    read += block
                    if len(read) > _MOST_ANSWER:
                        raise TransferError(f"{self._url}: expected an answer of at most {_MOST_ANSWER} bytes")
                return httpx.Response(answer.status_code, content=read)
        except httpx.HTTPError as error:
            raise TransferError(f"{self._url}: {type(error).__name__}") from error

    def _unclear(self, answer: httpx.Response, on: str) -> TransferError:
        return TransferError(f"{self._url}: the bank's word {on}, got {answer.status_code}")


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
