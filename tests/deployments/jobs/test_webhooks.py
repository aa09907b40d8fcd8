"""Callbacks arrive once, signed, and at public addresses alone; receivers are real servers on this machine."""

from __future__ import annotations

import asyncio
import datetime
import email.utils
import json
import logging
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from deployments.core.errors import BadInput
from deployments.jobs.addresses import is_public
from deployments.jobs.contract import JobOptions
from deployments.jobs.webhooks import DELAYS_S, Resolver, Webhooks, check_callback, sign, verify

SECRET = "a secret of the tests"
OPEN = JobOptions(webhook_secret=SecretStr(SECRET), webhook_allow_private=True)
STRICT = JobOptions(webhook_secret=SecretStr(SECRET))
BODY = {"event": "job.completed", "job_id": "ab" * 16, "text": "Grüße, 世界 \ud800", "error": None}
AT_ONCE = (0.0,) * 4
TLS = ssl.create_default_context()
"""Made once: it takes longer than a delivery."""
PATIENT_S = 60.0
"""Limit of an attempt that no test should come near."""

Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]]


def _answer(status: str = "200 OK", headers: str = "", body: bytes = b"thanks") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


async def _hangs(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def _trickles(writer: asyncio.StreamWriter) -> None:
    """A good answer whose body never ends, nor comes."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n.")
    await _hangs(writer)


async def _gushes(writer: asyncio.StreamWriter) -> None:
    """A good answer whose body comes for as long as somebody reads."""
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(bytes(65_536))
        await writer.drain()


async def _gushes_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-More: " + b"x" * 10_000 + b"\r\n")
        await writer.drain()


async def _hangs_up(writer: asyncio.StreamWriter) -> None:
    """No answer at all."""


@dataclass
class Heard:
    """One request."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What it was sent, and what it answers; the last answer again and again."""

    port: int = 0
    answers: list[Answer] = field(default_factory=lambda: [_answer()])
    heard: list[Heard] = field(default_factory=list)
    _talks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/done?token=t0ken"

    def greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._talks.add(asyncio.create_task(self._talk(reader, writer)))

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heard.append(await _read(reader))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        except (OSError, EOFError):  # the sender has heard enough
            pass
        finally:
            writer.close()

    async def close(self) -> None:
        for talk in self._talks:
            talk.cancel()
        ended = await asyncio.gather(*self._talks, return_exceptions=True)
        assert all(end is None or isinstance(end, asyncio.CancelledError) for end in ended), ended


async def _read(reader: asyncio.StreamReader) -> Heard:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    line, *fields = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in fields)}
    return Heard(line, headers, await reader.readexactly(int(headers["content-length"])))


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with await asyncio.start_server(receiver.greet, "127.0.0.1", 0) as server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver
        await receiver.close()


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Lines of the log; not caplog's, which is deaf once Ray has set its loggers up."""
    lines: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    listener, logger = Listener(), logging.getLogger("ray.serve")
    logger.addHandler(listener)
    yield lines
    logger.removeHandler(listener)


def _leads_to(*addresses: str, asked: list[tuple[str, int]] | None = None) -> Resolver:
    """All names have these addresses."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        if asked is not None:
            asked.append((host, port))
        return addresses

    return resolve


def _webhooks(
    options: JobOptions = OPEN,
    *,
    attempt_s: float = PATIENT_S,
    delays_s: Sequence[float] = AT_ONCE,
    resolve: Resolver | None = None,
) -> Webhooks:
    return Webhooks(options, attempt_s=attempt_s, delays_s=delays_s, resolve=resolve, tls=TLS)


async def test_delivery_is_signed(receiver: Receiver, logged: list[str]) -> None:
    assert await Webhooks(OPEN).deliver(receiver.url, BODY)
    [heard] = receiver.heard
    assert heard.line == "POST /done?token=t0ken HTTP/1.1"
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert json.loads(heard.body) == BODY
    signature = heard.headers["x-avatar-signature"]
    assert verify(SECRET, signature, heard.body, time.time())
    assert not verify("another secret", signature, heard.body, time.time())
    assert not verify(SECRET, signature, heard.body + b" ", time.time())
    assert not logged


async def test_tries_again_under_the_same_id(receiver: Receiver, logged: list[str]) -> None:
    receiver.answers = [_answer("500 Oops"), _answer("503 Busy"), _hangs_up, _answer("429 Slow down"), _answer()]
    assert await _webhooks().deliver(receiver.url, BODY)
    assert len(receiver.heard) == 5
    assert len({heard.headers["x-avatar-delivery"] for heard in receiver.heard}) == 1
    for heard in receiver.heard:
        assert verify(SECRET, heard.headers["x-avatar-signature"], heard.body, time.time())
    assert [line.split("attempt ")[1][:6] for line in logged] == ["1 of 5", "2 of 5", "3 of 5", "4 of 5"]
    assert "answered 500." in logged[0]


async def test_every_delivery_has_its_own_id(receiver: Receiver) -> None:
    webhooks = _webhooks()
    assert all(await asyncio.gather(*(webhooks.deliver(receiver.url, BODY) for _ in range(10))))
    assert len({heard.headers["x-avatar-delivery"] for heard in receiver.heard}) == 10


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 425, 429])
async def test_statuses_that_may_pass(receiver: Receiver, status: int) -> None:
    receiver.answers = [_answer(f"{status} No")]
    assert not await _webhooks(delays_s=(0, 0)).deliver(receiver.url, BODY)
    assert len(receiver.heard) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 422, 304])
async def test_statuses_that_stay(receiver: Receiver, logged: list[str], status: int) -> None:
    receiver.answers = [_answer(f"{status} No", body=b"")]
    assert not await _webhooks().deliver(receiver.url, BODY)
    assert len(receiver.heard) == 1
    assert len(logged) == 1
    assert f"answered {status}; given up." in logged[0]


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "204 No Content"])
async def test_statuses_that_are_good(receiver: Receiver, status: str) -> None:
    receiver.answers = [_answer(status, body=b"")]
    assert await _webhooks().deliver(receiver.url, BODY)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answers = [_answer(f"{status} Elsewhere", f"Location: {receiver.url}&again\r\n"), _answer()]
    assert not await _webhooks().deliver(receiver.url, BODY)
    assert len(receiver.heard) == 1


async def test_receiver_that_hangs_is_given_up(receiver: Receiver, logged: list[str]) -> None:
    receiver.answers = [_hangs]
    assert not await _webhooks(attempt_s=0.2, delays_s=(0, 0)).deliver(receiver.url, BODY)
    assert len(logged) == 3
    assert all("no answer within 0.2 s" in line for line in logged)


@pytest.mark.parametrize("answer", [_gushes, _trickles])
async def test_status_counts_whatever_the_body_does(receiver: Receiver, answer: Answer) -> None:
    receiver.answers = [answer]
    assert await _webhooks(attempt_s=PATIENT_S if answer is _gushes else 2).deliver(receiver.url, BODY)
    assert len(receiver.heard) == 1


@pytest.mark.parametrize("answer", [_gushes_headers, b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 two hundred\r\n\r\n"])
async def test_answer_that_is_no_http(receiver: Receiver, logged: list[str], answer: Answer) -> None:
    receiver.answers = [answer]
    assert not await _webhooks(delays_s=(0,)).deliver(receiver.url, BODY)
    assert len(receiver.heard) == 2
    assert "RemoteProtocolError" in logged[0]


async def test_nobody_listens(receiver: Receiver, logged: list[str]) -> None:
    async with await asyncio.start_server(receiver.greet, "127.0.0.1", 0) as server:
        closed = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    assert not await _webhooks(delays_s=(0,)).deliver(closed, BODY)
    assert len(logged) == 2
    assert "ConnectError" in logged[0]


async def test_cancelling_ends_it(receiver: Receiver) -> None:
    asked = asyncio.Event()

    async def hangs(writer: asyncio.StreamWriter) -> None:
        asked.set()
        await _hangs(writer)

    receiver.answers = [hangs]
    task = asyncio.create_task(_webhooks().deliver(receiver.url, BODY))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@dataclass
class Sleeps:
    """Sleeps no time."""

    asked_s: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.asked_s.append(seconds)


async def test_waits_longer_each_time(receiver: Receiver) -> None:
    receiver.answers = [_answer("500 Oops")]
    sleeps = Sleeps()
    assert not await Webhooks(OPEN, tls=TLS, sleep=sleeps).deliver(receiver.url, BODY)
    assert len(sleeps.asked_s) == len(DELAYS_S) == 4
    assert all(0 <= asked <= longest for asked, longest in zip(sleeps.asked_s, DELAYS_S, strict=True))


@pytest.mark.parametrize(
    ("header", "least_s", "most_s"),
    [
        ("7", 7, 7),
        ("999999999", 50, 50),
        ("9" * 400, 0, 0),
        (email.utils.formatdate(time.time() + 3600, usegmt=True), 50, 50),
        (email.utils.formatdate(time.time() - 3600, usegmt=True), 0, 0),
        ("soon", 0, 0),
        ("-1", 0, 0),
    ],
    ids=["seconds", "too long", "digits", "in an hour", "an hour ago", "a word", "negative"],
)
async def test_waits_as_long_as_it_is_asked_to(receiver: Receiver, header: str, least_s: float, most_s: float) -> None:
    receiver.answers = [_answer("503 Busy", f"Retry-After: {header}\r\n"), _answer()]
    sleeps = Sleeps()
    assert await Webhooks(OPEN, delays_s=(0,), retry_after_s=50, tls=TLS, sleep=sleeps).deliver(receiver.url, BODY)
    assert len(sleeps.asked_s) == 1
    assert least_s <= sleeps.asked_s[0] <= most_s


async def test_name_is_asked_for_once_and_kept(receiver: Receiver) -> None:
    """The connection goes to the address that was checked, and the receiver still sees the name."""
    asked: list[tuple[str, int]] = []
    webhooks = _webhooks(resolve=_leads_to("127.0.0.1", asked=asked))
    assert await webhooks.deliver(f"http://Receiver.Test:{receiver.port}/x", BODY)
    assert asked == [("receiver.test", receiver.port)]
    assert receiver.heard[0].headers["host"] == f"receiver.test:{receiver.port}"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["93.184.215.14", "127.0.0.1"],
        ["127.0.0.1", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"],
        ["::ffff:127.0.0.1"],
        ["10.0.0.7"],
        ["169.254.169.254"],
        ["fe80::1%1"],
        ["93.184.215.14"] * 8 + ["::1"],
    ],
)
async def test_name_that_leads_inside_is_refused(receiver: Receiver, logged: list[str], addresses: list[str]) -> None:
    asked: list[tuple[str, int]] = []
    webhooks = _webhooks(STRICT, resolve=_leads_to(*addresses, asked=asked))
    assert not await webhooks.deliver(f"http://receiver.test:{receiver.port}/x", BODY)
    assert len(asked) == 1
    assert not receiver.heard
    assert len(logged) == 1
    assert "private network" in logged[0]


async def test_private_address_is_refused_at_delivery_too(receiver: Receiver, logged: list[str]) -> None:
    """The setting has changed since the job was taken."""
    assert not await _webhooks(STRICT).deliver(receiver.url, BODY)
    assert not receiver.heard
    assert "private network" in logged[0]


async def test_address_of_ipv6(receiver: Receiver) -> None:
    try:
        server = await asyncio.start_server(receiver.greet, "::1", receiver.port)
    except OSError:
        pytest.skip("this machine has no IPv6")
    async with server:
        assert await _webhooks().deliver(f"http://[::1]:{receiver.port}/", BODY)
        assert await _webhooks(resolve=_leads_to("::1")).deliver(f"http://receiver.test:{receiver.port}/", BODY)
    assert [heard.headers["host"] for heard in receiver.heard] == [
        f"[::1]:{receiver.port}",
        f"receiver.test:{receiver.port}",
    ]


async def test_second_address_is_tried(receiver: Receiver) -> None:
    """Nobody listens at the first."""
    webhooks = _webhooks(delays_s=(), resolve=_leads_to("127.0.0.2", "127.0.0.1"))
    assert await webhooks.deliver(f"http://receiver.test:{receiver.port}/", BODY)
    assert len(receiver.heard) == 1


async def test_name_of_this_machine(receiver: Receiver) -> None:
    """Asks the system, which may know localhost as ::1 too."""
    assert await _webhooks().deliver(f"http://localhost:{receiver.port}/", BODY)


async def _unknown(host: str, port: int) -> Sequence[str]:
    raise OSError("nobody knows this name")


async def _unsayable(host: str, port: int) -> Sequence[str]:
    raise UnicodeError("label too long")


async def _silent(host: str, port: int) -> Sequence[str]:
    await asyncio.Event().wait()
    return []


@pytest.mark.parametrize(
    ("resolve", "message"),
    [
        (_unknown, "nobody knows this name"),
        (_unsayable, "label too long"),
        (_leads_to(), "no address"),
        (_leads_to("nonsense"), "nonsense"),
        (_silent, "no answer within 0.2 s"),
    ],
)
async def test_name_that_leads_nowhere(resolve: Resolver, message: str, logged: list[str]) -> None:
    webhooks = _webhooks(STRICT, attempt_s=0.2, delays_s=(0,), resolve=resolve)
    assert not await webhooks.deliver("https://receiver.test/x", BODY)
    assert len(logged) == 2
    assert all(message in line for line in logged)


async def test_proxies_of_the_environment_are_passed_over(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert await _webhooks().deliver(receiver.url, BODY)


async def test_log_holds_no_secrets(receiver: Receiver, logged: list[str]) -> None:
    receiver.answers = [_answer("500 Oops", body=SECRET.encode()), _hangs_up, _answer("404 No")]
    assert not await _webhooks().deliver(receiver.url, BODY)
    assert len(logged) == 3
    text = " ".join(logged)
    assert "127.0.0.1" in text
    assert not any(hidden in text for hidden in (SECRET, "t0ken", "/done", "v1="))


@pytest.mark.parametrize("value", [float("nan"), b"bytes", {1, 2}])
async def test_body_that_json_cannot_say(receiver: Receiver, logged: list[str], value: object) -> None:
    assert not await _webhooks().deliver(receiver.url, {"value": value})
    assert not receiver.heard
    assert len(logged) == 1


@dataclass(frozen=True)
class Certificate:
    """Of receiver.test, believed by those who believe itself."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "receiver.test")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("receiver.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path: Path = tmp_path_factory.mktemp("certificate") / "both.pem"
    public = made.public_bytes(serialization.Encoding.PEM)
    form = serialization.PrivateFormat.PKCS8
    path.write_bytes(public + key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(path)
    return Certificate(server, ssl.create_default_context(cadata=public.decode()))


@pytest.mark.parametrize(
    ("host", "good"), [("receiver.test", True), ("receiver.test.", True), ("other.test", False), ("127.0.0.1", False)]
)
async def test_certificate_is_that_of_the_name(certificate: Certificate, host: str, good: bool) -> None:
    """Not that of the address, where the connection goes; what is asked for (SNI) is the name, too."""
    receiver, names = Receiver(), list[str | None]()
    certificate.server.sni_callback = lambda _, name, __: names.append(name)
    async with await asyncio.start_server(receiver.greet, "127.0.0.1", 0, ssl=certificate.server) as server:
        url = f"https://{host}:{server.sockets[0].getsockname()[1]}/"
        webhooks = Webhooks(OPEN, delays_s=(), resolve=_leads_to("127.0.0.1"), tls=certificate.client)
        assert await webhooks.deliver(url, BODY) is good
        await receiver.close()
    assert len(receiver.heard) == good
    assert names == [None if host == "127.0.0.1" else host.removesuffix(".")]


async def test_unknown_certificate_is_refused(certificate: Certificate, logged: list[str]) -> None:
    receiver = Receiver()
    async with await asyncio.start_server(receiver.greet, "127.0.0.1", 0, ssl=certificate.server) as server:
        url = f"https://receiver.test:{server.sockets[0].getsockname()[1]}/"
        assert not await _webhooks(delays_s=(), resolve=_leads_to("127.0.0.1")).deliver(url, BODY)
        await receiver.close()
    assert not receiver.heard
    assert "CERTIFICATE_VERIFY_FAILED" in logged[0]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/done",
        "http://example.com",
        "HTTPS://Example.com:8443/a?b=c#d",
        "https://example.com./",
        "https://xn--exmple-cua.de/ü",
        "https://exämple.de/",
        "https://a_b.example.com/",
        "https://8.8.8.8/",
        "https://[2001:4860:4860::8888]:444/",
        "https://[64:ff9b::8.8.8.8]/",
        "https://[::ffff:8.8.8.8]/",
        "https://localhost.example.com/",
        f"https://example.com/{'x' * 2028}",
    ],
)
def test_good_addresses(url: str) -> None:
    check_callback(url, STRICT)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "not an http"),
        ("done", "not an http"),
        ("/done", "not an http"),
        ("//example.com/done", "not an http"),
        ("http:", "not an http"),
        ("http:///done", "not an http"),
        ("http:example.com", "not an http"),
        ("ftp://example.com/", "not an http"),
        ("file:///etc/passwd", "not an http"),
        ("javascript:alert(1)", "not an http"),
        ("http://[::1", "not an http"),
        ("http://[v1.x]/", "not an http"),
        ("http://0177.0.0.1/", "not an http"),
        ("http://a b/", "not an http"),
        ("http://%6c%6fcalhost/", "not an http"),
        ("http://[fe80::1%25eth0]/", "not an http"),
        ("http://example.com:0/", "not an http"),
        ("http://example.com:99999/", "not an http"),
        ("http://example.com:http/", "not an http"),
        ("http://example.com/\r\nX-Evil: 1", "not an http"),
        ("http://\ud800.com/", "not an http"),
        ("http://example.com/\ud800", "not an http"),
        (f"http://{'a' * 300}.com/", "not an http"),
        ("https://ann@example.com/", "user name"),
        ("https://ann:pass@example.com/", "user name"),
        ("https://:@example.com/", "user name"),
        (f"https://example.com/{'x' * 2029}", "longer than 2048"),
    ],
)
def test_bad_addresses(url: str, message: str) -> None:
    with pytest.raises(BadInput, match=f"^callback_url: .*{message}") as caught:
        check_callback(url, OPEN)
    assert caught.value.hint
    assert "ann" not in str(caught.value)


PRIVATE_HOSTS = [
    *("localhost", "LOCALHOST", "localhost.", "app.localhost", "127.0.0.1", "127.0.0.1.", "127.1", "127.9.9.9"),
    *("2130706433", "0x7f000001", "0x7f.1", "017700000001", "127。0。0。1", "0", "0.0.0.0", "0x0"),
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0xa9fea9fe", "100.64.0.1", "100.100.100.200"),
    *("192.0.0.192", "168.63.129.16", "198.18.0.1", "203.0.113.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("[::]", "[::1]", "[0:0:0:0:0:0:0:1]", "[fe80::1]", "[fec0::1]", "[fd00:ec2::254]", "[ff02::1]", "[100::1]"),
    *("[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[::127.0.0.1]", "[::ffff:0:127.0.0.1]", "[2001:db8::1]"),
    *("[64:ff9b::7f00:1]", "[64:ff9b::10.0.0.1]", "[64:ff9b:1::1]", "[2002:7f00:1::]", "[2002:808:808::1]"),
    *("[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "[3fff::1]", "[5f00::1]", "[4000::1]"),
]


@pytest.mark.parametrize("host", PRIVATE_HOSTS)
def test_private_addresses(host: str) -> None:
    with pytest.raises(BadInput, match=r"^callback_url: leads to this machine") as caught:
        check_callback(f"https://{host}:8443/done", STRICT)
    assert "webhook_allow_private" in str(caught.value.hint)
    check_callback(f"https://{host}:8443/done", OPEN)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("secret", [None, SecretStr("")])
async def test_nothing_is_sent_unsigned(receiver: Receiver, logged: list[str], secret: SecretStr | None) -> None:
    options = JobOptions(webhook_secret=secret, webhook_allow_private=True)
    with pytest.raises(BadInput, match=r"^callback_url: .*no secret") as caught:
        check_callback("https://example.com/", options)
    assert "AVATAR_JOBS__WEBHOOK_SECRET" in str(caught.value.hint)
    assert not await _webhooks(options).deliver(receiver.url, BODY)
    assert not receiver.heard
    assert len(logged) == 1


DIGEST = "8ad37ba156048ae0e0a5533c75cdf26fee88b07f93cb57ee4c80adb053012032"


def test_signature_is_the_documented_one() -> None:
    """printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac whsec"""
    assert sign("whsec", b'{"a":1}', 1_700_000_000) == f"t=1700000000,v1={DIGEST}"


@pytest.mark.parametrize(
    ("header", "now_s", "good"),
    [
        (f"t=1700000000,v1={DIGEST}", 1_700_000_000, True),
        (f"t=1700000000,v1={DIGEST}", 1_700_000_300, True),
        (f"t=1700000000,v1={DIGEST}", 1_700_000_301, False),
        (f"t=1700000000,v1={DIGEST}", 1_699_999_699, False),
        (f"t=1700000001,v1={DIGEST}", 1_700_000_000, False),
        (f"v1={'0' * 64}, v0=x, v1={DIGEST}, t=1700000000", 1_700_000_000, True),
        (f"t=1700000000,v0={DIGEST}", 1_700_000_000, False),
        (f"t=1700000000,v1={DIGEST[:-1]}", 1_700_000_000, False),
        (f"t=1700000000,v1={DIGEST.upper()}", 1_700_000_000, False),
        (f"t=1700000000,t=1700000000,v1={DIGEST}", 1_700_000_000, False),
        (f"v1={DIGEST}", 1_700_000_000, False),
        ("t=1700000000", 1_700_000_000, False),
        (f"t={'9' * 5000},v1={DIGEST}", 1_700_000_000, False),
        (f"t=١٧٠٠٠٠٠٠٠٠,v1={DIGEST}", 1_700_000_000, False),
        ("t=1700000000,v1=ü\ud800", 1_700_000_000, False),
        ("", 1_700_000_000, False),
    ],
)
def test_what_a_receiver_believes(header: str, now_s: float, good: bool) -> None:
    assert verify("whsec", header, b'{"a":1}', now_s) is good
