"""Tells a callback_url what became of a job: signed, tried again, and never into the private network."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import random
import re
import secrets
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import httpx

from deployments.core.errors import BadInput

from .addresses import callback_address, is_public, private_address
from .contract import JobOptions

logger = logging.getLogger("ray.serve")

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host and port; OSError where there are none."""

ATTEMPT_S = 10.0
"""A receiver that needs longer should answer first and work afterwards."""
DELAYS_S = (1.0, 4.0, 16.0, 64.0)
"""Longest wait before the second attempt and so on: half of their sum, the mean, outlasts a receiver's restart."""
RETRY_AFTER_S = 60.0
"""Longest wait that a receiver can ask for: the window of a usual rate limit."""
TOLERANCE_S = 300.0
"""Oldest signature that a receiver should take: wider than clocks differ, too short to be worth recording."""

_MAX_ADDRESSES = 4
"""Of a name that are tried in one attempt: two each of IPv4 and IPv6."""
_CONNECT_S = 3.0
"""For one address, so that a second one gets its turn: a lost SYN is sent again after 1 s."""
_MAX_ANSWER = 64 * 1024
"""Bytes read of an answer that nobody needs, because some receivers stop working when they are cut off."""
_AT_ONCE = 64
"""Attempts: a receiver that hangs holds a place for one attempt, not while it is waited to be tried again."""
_MAX_LOOKUPS = 4
"""Threads for names."""
_AGAIN = frozenset({408, 425, 429})
"""Statuses below 500 that say "later"."""


def check_callback(url: str, options: JobOptions) -> None:
    """Refuses what can never be delivered. Asks no name server: where a name leads is checked at delivery.

    Raises:
        BadInput: not an http or https address, too long, with a password, private, or nothing is set to sign with.
    """
    _checked(url, options)


def _checked(url: str, options: JobOptions) -> httpx.URL:
    if not _secret(options):
        raise BadInput(
            "callback_url: this server has no secret to sign callbacks with.",
            hint="Set jobs.webhook_secret (AVATAR_JOBS__WEBHOOK_SECRET), or ask for the state of the job instead.",
        )
    return callback_address(url, options.webhook_allow_private)


def _secret(options: JobOptions) -> str:
    return options.webhook_secret.get_secret_value() if options.webhook_secret else ""


def sign(secret: str, body: bytes, now_s: int) -> str:
    """The X-Avatar-Signature header of a body that is sent at a Unix time."""
    return f"t={now_s},v1={_digest(secret, body, now_s)}"


def _digest(secret: str, body: bytes, now_s: int) -> str:
    return hmac.new(secret.encode(), f"{now_s}.".encode() + body, hashlib.sha256).hexdigest()


def verify(secret: str, header: str, body: bytes, now_s: float, tolerance_s: float = TOLERANCE_S) -> bool:
    """What a receiver does before it believes a body.

    Args:
        secret: jobs.webhook_secret.
        header: X-Avatar-Signature; of several v1, one must fit, so that secrets can be changed.
        body: the bytes as they came, before they are parsed.
        now_s: Unix time.
        tolerance_s: seconds that the signature may be old, or ahead of the own clock.
    """
    fields = [field.strip().partition("=") for field in header.split(",")]
    times = [value for name, _, value in fields if name == "t"]
    if len(times) != 1 or not re.fullmatch(r"[0-9]{1,12}", times[0]):
        return False
    if abs(now_s - int(times[0])) > tolerance_s:
        return False
    right = _digest(secret, body, int(times[0])).encode()
    given = [value.encode(errors="replace") for name, _, value in fields if name == "v1"]
    return any(hmac.compare_digest(right, value) for value in given)


@dataclass(frozen=True)
class _Letter:
    """One delivery."""

    url: httpx.URL
    content: bytes
    delivery_id: str


@dataclass(frozen=True)
class _Outcome:
    """Of one attempt."""

    failure: str | None
    """None: delivered."""
    again: bool = True
    """Whether another attempt may go better."""
    retry_after_s: float = 0


class Webhooks:
    """Delivers; belongs to one event loop."""

    def __init__(
        self,
        options: JobOptions,
        *,
        attempt_s: float = ATTEMPT_S,
        delays_s: Sequence[float] = DELAYS_S,
        retry_after_s: float = RETRY_AFTER_S,
        resolve: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            options: the secret, and whether private addresses are allowed.
            attempt_s: seconds that one attempt may take, from the name to the end of the answer.
            delays_s: longest waits between attempts, in seconds; there is one attempt more.
            retry_after_s: longest wait in seconds that a receiver can ask for.
            resolve: finds the addresses of names; the system unless given.
            tls: whose certificates are believed; those of certifi, or SSL_CERT_FILE, unless given.
            sleep: waits so many seconds.
        """
        self._options = options
        self._attempt_s, self._delays_s, self._retry_after_s = attempt_s, tuple(delays_s), retry_after_s
        self._resolve = resolve or self._look_up
        self._tls = tls or httpx.create_ssl_context()
        self._sleep = sleep
        self._places = asyncio.Semaphore(_AT_ONCE)
        # Not the threads of the event loop: a name server that hangs would hold up everything that uses those.
        self._lookups = ThreadPoolExecutor(_MAX_LOOKUPS, thread_name_prefix="webhook-names")

    async def deliver(self, url: str, body: Mapping[str, Any]) -> bool:
        """Posts a body as JSON until the receiver has it; every failure is logged.

        Args:
            url: a callback_url.
            body: what JSON can say.

        Returns:
            Whether the receiver answered 2xx. False: it refused, the address is not allowed, or all attempts failed.
        """
        try:
            content = json.dumps(dict(body), allow_nan=False, separators=(",", ":")).encode()
            letter = _Letter(_checked(url, self._options), content, secrets.token_hex(16))
        except (BadInput, TypeError, ValueError) as error:
            logger.warning("Webhook not sent: %s", error)
            return False
        for number, delay_s in enumerate((*self._delays_s, None), start=1):
            async with self._places:
                outcome = await self._attempt(letter)
            if outcome.failure is None:
                return True
            last = delay_s is None or not outcome.again
            self._log(letter, number, outcome.failure, last)
            if delay_s is None or last:
                break
            await self._sleep(max(random.uniform(0, delay_s), min(outcome.retry_after_s, self._retry_after_s)))
        return False

    def _log(self, letter: _Letter, number: int, failure: str, last: bool) -> None:
        """Names the host alone: the rest of an address is often a secret."""
        logger.warning(
            "Webhook %s to %s, attempt %d of %d: %s%s",
            *(letter.delivery_id, letter.url.raw_host.decode(), number, len(self._delays_s) + 1),
            *(" ".join(failure.split())[:200], "; given up." if last else "."),
        )

    async def _attempt(self, letter: _Letter) -> _Outcome:
        try:
            # The transport alone: a client knows redirects, proxies, cookies and compression, and logs addresses.
            async with httpx.AsyncHTTPTransport(verify=self._tls, trust_env=False) as transport:
                async with asyncio.timeout(self._attempt_s) as limit:
                    response = await self._post(transport, letter)
                await _hear_out(response, limit.when())
                return _judge(response)
        except BadInput as error:
            return _Outcome(str(error), again=False)
        except TimeoutError:
            return _Outcome(f"no answer within {self._attempt_s:g} s")
        except Exception as error:  # whatever the network or a receiver makes httpx raise
            return _Outcome(f"{type(error).__name__}: {error}")

    async def _post(self, transport: httpx.AsyncHTTPTransport, letter: _Letter) -> httpx.Response:
        """The head of the answer of the first address that takes a connection."""
        *others, last = (self._request(letter, address) for address in await self._addresses(letter.url))
        for request in others:
            with contextlib.suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await transport.handle_async_request(request)
        return await transport.handle_async_request(last)

    async def _addresses(self, url: httpx.URL) -> list[str]:
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        found = list(dict.fromkeys(await self._resolve(url.raw_host.decode(), port)))
        if not found:
            raise OSError("the name has no address")
        if not self._options.webhook_allow_private and not all(map(is_public, found)):
            raise private_address()
        return found[:_MAX_ADDRESSES]

    async def _look_up(self, host: str, port: int) -> list[str]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._lookups, ask)
        return [str(entry[4][0]) for entry in found]

    def _request(self, letter: _Letter, address: str) -> httpx.Request:
        """To an address that has been checked; the name, asked for again, could lead elsewhere by now."""
        host = letter.url.raw_host.decode()
        return httpx.Request(
            "POST",
            letter.url.copy_with(host=address),
            content=letter.content,
            headers={
                "Host": letter.url.netloc.decode(),
                "Connection": "close",
                "Content-Type": "application/json",
                "User-Agent": "avatar-serve",
                "X-Avatar-Delivery": letter.delivery_id,
                "X-Avatar-Signature": sign(_secret(self._options), letter.content, int(time.time())),
            },
            # The certificate is checked against sni_hostname.
            extensions={"sni_hostname": host.removesuffix("."), "timeout": {"connect": _CONNECT_S}},
        )


async def _hear_out(response: httpx.Response, until: float | None) -> None:
    """Reads an answer up to a bound; its status counts, however it ends."""
    left = _MAX_ANSWER
    with contextlib.suppress(TimeoutError, httpx.HTTPError):
        async with asyncio.timeout_at(until):
            async for part in response.aiter_raw():
                left -= len(part)
                if left <= 0:
                    break


def _judge(response: httpx.Response) -> _Outcome:
    status = response.status_code
    if 200 <= status < 300:
        return _Outcome(None)
    again = status >= 500 or status in _AGAIN
    return _Outcome(f"answered {status}", again, _retry_after_s(response.headers.get("Retry-After", "")))


def _retry_after_s(header: str) -> float:
    """Seconds that a receiver asks for, as a number or a date; 0 for none."""
    if re.fullmatch(r"[0-9]{1,9}", header):
        return float(header)
    try:
        return max(parsedate_to_datetime(header).timestamp() - time.time(), 0.0)
    except (ValueError, OverflowError):
        return 0.0
