"""The citizen's keys, request, key file and interrupted issuance, in a real Chromium under the strict policy."""

from __future__ import annotations

import asyncio
import base64
import shutil
import subprocess
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from server.issuing import AuthorityConfig, EmbeddedIssuer, create_authority
from server.ports import CertificateOrder, CertificateProfile, IssuanceRefused

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEB = Path(__file__).parents[2] / "web"
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'"
ATTRIBUTES = {"surname": "ҮЛГІБЕК", "given_names": "Әсем", "patronymic": "Үлгіқызы", "iin": "750214200018"}
PASSWORD = "green apple boat 42"
SESSION = "0b8f2c9e"


class IssuingServer:
    """The static files, and the issuance routes of docs/protocol.md over the real RA and CA."""

    def __init__(self, issuer: EmbeddedIssuer) -> None:
        self.issuer = issuer
        self.subject = issuer.subject(ATTRIBUTES)
        self.orders: dict[str, CertificateOrder] = {}
        self.certificates: dict[str, bytes] = {}
        self.saved = False
        self.requests_seen: list[dict[str, str]] = []
        self.drop_answers = 0
        self.status_without_orders = "ready"

    def reset(self) -> None:
        self.orders, self.certificates, self.saved = {}, {}, False
        self.requests_seen, self.drop_answers, self.status_without_orders = [], 0, "ready"

    def view(self) -> dict[str, Any]:
        status = "issued" if self.certificates else "requested" if self.orders else self.status_without_orders
        view: dict[str, Any] = {"status": status, "saved": self.saved, "demonstration": True}
        if status == "not_approved":
            return view
        view["subject"] = base64.b64encode(self.subject).decode()
        view["subject_text"] = ATTRIBUTES
        if self.certificates:
            view["certificates"] = {name: base64.b64encode(der).decode() for name, der in self.certificates.items()}
            view["chain"] = [base64.b64encode(der).decode() for der in self.issuer.chain()]
            view["not_after"] = self.orders["sign"].not_after.isoformat()
        return view

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(self.view())

    async def issue(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests_seen.append(body)
        requests = {name: base64.b64decode(body[name]) for name in ("sign", "auth")}
        if self.orders and {name: order.csr_der for name, order in self.orders.items()} != requests:
            return web.json_response({"error": {"code": "already_requested", "message": "."}}, status=409)
        try:
            for name, csr in requests.items():
                if name not in self.orders:
                    profile = CertificateProfile(name)
                    self.orders[name] = self.issuer.order(SESSION, profile, csr, self.subject, datetime.now(UTC))
            self.certificates = {name: await self.issuer.enrol(order) for name, order in self.orders.items()}
        except IssuanceRefused as refusal:
            return web.json_response({"error": {"code": refusal.code, "message": refusal.message}}, status=422)
        if self.drop_answers:
            self.drop_answers -= 1
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(self.view())

    async def save(self, request: web.Request) -> web.Response:
        self.saved = True
        return web.json_response(self.view())

    async def page(self, request: web.Request) -> web.Response:
        html = "<!doctype html><html lang=en><title>keys</title>"
        return web.Response(text=html, content_type="text/html")

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/", self.page)
        application.router.add_get("/api/session/issuance", self.show)
        application.router.add_post("/api/session/issuance", self.issue)
        application.router.add_post("/api/session/issuance/saved", self.save)
        application.router.add_static("/", WEB)

        async def protect(request: web.Request, response: web.StreamResponse) -> None:
            response.headers["Content-Security-Policy"] = POLICY

        application.on_response_prepare.append(protect)
        return application


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[IssuingServer, str]]:
    server = IssuingServer(create_authority(tmp_path_factory.mktemp("authority"), AuthorityConfig()))
    runner = web.AppRunner(server.application())
    await runner.setup()
    listener = web.TCPSite(runner, "127.0.0.1", 0)
    await listener.start()
    assert runner.addresses
    yield server, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.fail("No Chromium: install it (Debian: apt-get install chromium) and run the tests again.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def context(chromium: Browser) -> AsyncIterator[BrowserContext]:
    context = await chromium.new_context()
    yield context
    await context.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(site: tuple[IssuingServer, str], context: BrowserContext) -> AsyncIterator[Page]:
    server, address = site
    server.reset()
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.goto(address)
    yield page
    assert not complaints


def openssl(*arguments: str) -> str:
    outcome = subprocess.run(["openssl", *arguments], capture_output=True, timeout=60, check=False)
    # What it says of a file's protection goes to stderr; of a name's letters it prints the lower bytes.
    text = (outcome.stdout + outcome.stderr).decode("utf-8", "replace")
    assert outcome.returncode == 0, text
    return text


def spki(key: Any) -> bytes:
    content = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert isinstance(content, bytes)
    return content


def check_key_file(content: bytes, password: str, server: IssuingServer, folder: Path) -> dict[str, bytes]:
    """What openssl finds in the file: two keys, each with the certificate of its use, and the whole chain."""
    path, root, rest = folder / "keys.p12", folder / "root.pem", folder / "rest.pem"
    path.write_bytes(content)
    source = ("pkcs12", "-in", str(path), "-passin", f"pass:{password}")
    information = openssl(*source, "-info", "-noout")
    assert "MAC: sha256, Iteration 150000" in information
    # the certificates together, and each of the two keys
    assert information.count("PBES2, PBKDF2, AES-256-CBC, Iteration 150000, PRF hmacWithSHA256") == 3

    def bags(*arguments: str) -> list[tuple[str, str]]:
        """(attributes, PEM) of each bag that openssl prints."""
        found = []
        head: list[str] = []
        body: list[str] | None = None
        for line in openssl(*source, *arguments).splitlines():
            if line.startswith("-----BEGIN"):
                body = []
            if body is None:
                head.append(line)
                continue
            body.append(line)
            if line.startswith("-----END"):
                found.append(("\n".join(head), "\n".join(body) + "\n"))
                head, body = [], None
        return found

    def identifier(attributes: str) -> str:
        (line,) = [line for line in attributes.splitlines() if "localKeyID" in line]
        return line.split(":", 1)[1].strip()

    keys = {identifier(head): load_pem_private_key(pem.encode(), None) for head, pem in bags("-nocerts", "-noenc")}
    own = {identifier(head): x509.load_pem_x509_certificate(pem.encode()) for head, pem in bags("-nokeys", "-clcerts")}
    others = [x509.load_pem_x509_certificate(pem.encode()) for _, pem in bags("-nokeys", "-cacerts")]
    assert len(keys) == 2
    assert keys.keys() == own.keys()
    for name, key in keys.items():
        assert isinstance(key, rsa.RSAPrivateKey)
        assert spki(key.public_key()) == spki(own[name].public_key())
    issued = {certificate.public_bytes(Encoding.DER) for certificate in own.values()}
    assert issued == set(server.certificates.values())
    assert [certificate.public_bytes(Encoding.DER) for certificate in others] == server.issuer.chain()

    root.write_bytes(others[1].public_bytes(Encoding.PEM))
    rest.write_bytes(others[0].public_bytes(Encoding.PEM))
    for certificate in own.values():
        leaf = folder / "leaf.pem"
        leaf.write_bytes(certificate.public_bytes(Encoding.PEM))
        assert "OK" in openssl("verify", "-x509_strict", "-CAfile", str(root), "-untrusted", str(rest), str(leaf))
    return dict(server.certificates)


# --- the module itself -------------------------------------------------------------------------------------

START = """async ([session, progress]) => {
  const { Issuance } = await import("/applicant/issuance.js");
  globalThis.steps = [];
  globalThis.issuance = new Issuance({ sessionId: session, onProgress: (step) => steps.push(step) });
}"""
RUN = """async ([password, known]) => {
  try {
    const { file, fileName } = await issuance.run(password, { known });
    return { file: btoa(Array.from(file, (byte) => String.fromCharCode(byte)).join("")), fileName };
  } catch (error) {
    return { code: error.code ?? String(error) };
  }
}"""


async def start(page: Page) -> None:
    await page.evaluate(START, [SESSION, True])


async def run(page: Page, password: str = PASSWORD, known: list[str] | None = None) -> dict[str, str]:
    outcome = await page.evaluate(RUN, [password, known or []])
    assert isinstance(outcome, dict)
    return outcome


async def stage(page: Page) -> str:
    return str(await page.evaluate("async () => (await issuance.look()).stage"))


async def test_a_request_is_for_the_very_subject_and_repeats_itself(
    site: tuple[IssuingServer, str], page: Page
) -> None:
    server, _ = site
    made = await page.evaluate(
        """async (subject) => {
          const pki = await import("/shared/pki.js");
          const encode = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
          const der = Uint8Array.from(atob(subject), (character) => character.charCodeAt(0));
          const keys = await pki.generateKeys();
          const requests = [];
          for (const pair of [keys.sign, keys.auth, keys.sign]) requests.push(encode(await pki.makeRequest(pair, der)));
          return requests;
        }""",
        base64.b64encode(server.subject).decode(),
    )
    sign, auth, again = (base64.b64decode(text) for text in made)
    assert sign == again
    assert server.issuer.examine(sign, server.subject) != server.issuer.examine(auth, server.subject)
    assert server.subject in sign


async def test_a_subject_that_is_no_name_is_refused(page: Page) -> None:
    code = await page.evaluate(
        """async () => {
          const pki = await import("/shared/pki.js");
          const { sign } = await pki.generateKeys();
          const codes = [];
          for (const bytes of [[], [0x30], [0x30, 0, 0], [4, 1, 1], [0x30, 0x84, 0xff, 0xff, 0xff, 0xff]]) {
            const made = pki.makeRequest(sign, new Uint8Array(bytes));
            codes.push(await made.then(() => "made", (error) => error.code));
          }
          return codes;
        }"""
    )
    assert code == ["subject_malformed"] * 5


async def test_kept_keys_open_with_their_password_only(page: Page) -> None:
    outcome = await page.evaluate(
        """async () => {
          const pki = await import("/shared/pki.js");
          const refusal = (promise) => promise.then(() => "opened", (error) => error.code);
          const keys = await pki.generateKeys();
          const kept = await pki.protectKeys(keys, "\u04d9\u0441\u0435\u043c \u0439");
          const composed = await pki.openKeys(kept, "\u04d9\u0441\u0435\u043c \u0438\u0306");
          const same = async (profile) => {
            const [one, other] = [await pki.publicKeyOf(keys[profile]), await pki.publicKeyOf(composed[profile])];
            const message = new Uint8Array(8);
            const signature = await crypto.subtle.sign("RSASSA-PKCS1-v1_5", composed[profile].privateKey, message);
            const valid = await crypto.subtle.verify("RSASSA-PKCS1-v1_5", keys[profile].publicKey, signature, message);
            return valid && one.join() === other.join();
          };
          const plain = new Uint8Array(await crypto.subtle.exportKey("pkcs8", keys.sign.privateKey)).join();
          const swapped = { ...kept, keys: { sign: kept.keys.auth, auth: kept.keys.sign } };
          const foreign = structuredClone(kept);
          foreign.keys.sign.publicKey = foreign.keys.auth.publicKey;
          const changed = structuredClone(kept);
          changed.keys.auth.privateKey[30] ^= 1;
          return {
            sign: await same("sign"),
            auth: await same("auth"),
            iterations: kept.iterations,
            hidden: !kept.keys.sign.privateKey.join().includes(plain.slice(200, 300)),
            wrong: await refusal(pki.openKeys(kept, "\u04d9\u0441\u0435\u043c")),
            swapped: await refusal(pki.openKeys(swapped, "\u04d9\u0441\u0435\u043c \u0439")),
            foreign: await refusal(pki.openKeys(foreign, "\u04d9\u0441\u0435\u043c \u0439")),
            changed: await refusal(pki.openKeys(changed, "\u04d9\u0441\u0435\u043c \u0439")),
            empty: await refusal(pki.openKeys({}, "x")),
            endless: await refusal(pki.openKeys({ ...kept, iterations: 1e12 }, "x")),
          };
        }"""
    )
    assert outcome == {
        "sign": True,
        "auth": True,
        "iterations": 600_000,
        "hidden": True,
        "wrong": "password_wrong",
        "swapped": "password_wrong",
        "foreign": "password_wrong",
        "changed": "password_wrong",
        "empty": "keys_damaged",
        "endless": "keys_damaged",
    }


async def test_the_store_keeps_the_first_and_forgets_on_request(page: Page, context: BrowserContext) -> None:
    other = await context.new_page()
    await other.goto(page.url)
    save = """async ([session, value]) => {
      const { keyStore } = await import("/shared/pki.js");
      return keyStore.save(session, value);
    }"""
    load = 'async (session) => (await import("/shared/pki.js")).keyStore.load(session)'
    assert await page.evaluate(save, ["s1", 1]) == 1
    assert await other.evaluate(save, ["s1", 2]) == 1
    assert await other.evaluate(save, ["s2", 3]) == 3
    await page.evaluate('async () => (await import("/shared/pki.js")).keyStore.clear("s1")')
    assert await other.evaluate(load, "s1") is None
    assert await page.evaluate(load, "s2") == 3
    await other.close()


STRENGTHS: list[tuple[str, list[str], int, str]] = [
    ("", [], 0, "too_short"),
    ("aB3$xyz", [], 0, "too_short"),
    ("aaaaaaaaaaaaaaaa", [], 0, "repetitive"),
    ("121212121212", [], 0, "repetitive"),
    ("Password123", [], 0, "common"),
    ("ghbdtn2026", [], 0, "common"),
    ("құпия сөз ағашы", [], 0, "not_latin"),
    ("Specimen1990", ["SPECIMEN", "ASEM"], 0, "personal"),
    ("750214200018", ["750214200018"], 0, "personal"),
    ("abcdefgh1234", [], 1, "weak"),
    ("20110317", [], 1, "weak"),
    ("kzmfqwtn", [], 1, "weak"),
    ("tR7fkz2Lp", [], 2, "fair"),
    ("specimen glass window 7", ["SPECIMEN"], 4, "strong"),
    ("green apple boat", [], 3, "good"),
    (PASSWORD, [], 4, "strong"),
]


async def test_password_strength(page: Page) -> None:
    judged = await page.evaluate(
        """async (passwords) => {
          const { passwordStrength } = await import("/shared/pki.js");
          return passwords.map(([password, known]) => passwordStrength(password, known));
        }""",
        [[password, known] for password, known, _, _ in STRENGTHS],
    )
    expected = {password: {"score": score, "code": code} for password, _, score, code in STRENGTHS}
    assert dict(zip(expected, judged, strict=True)) == expected


# --- the whole issuance --------------------------------------------------------------------------------------


async def test_one_uninterrupted_issuance(site: tuple[IssuingServer, str], page: Page, tmp_path: Path) -> None:
    server, _ = site
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.method + " " + (request.post_data or "")))
    await start(page)
    assert await stage(page) == "choose_password"
    outcome = await run(page)
    check_key_file(base64.b64decode(outcome["file"]), PASSWORD, server, tmp_path)
    assert outcome["fileName"].endswith(".p12")
    steps = await page.evaluate("steps")
    assert [step["step"] for step in steps] == ["keys", "protecting", "requesting", "packing", "ready"]
    assert all(step["resumable"] for step in steps)

    await page.evaluate("issuance.confirmSaved()")
    assert server.saved
    assert await stage(page) == "saved"
    assert await page.evaluate(f'import("/shared/pki.js").then((pki) => pki.keyStore.load("{SESSION}"))') is None
    assert (await run(page))["code"] == "nothing_to_issue"
    # What left the browser: the two requests and the word "saved", and nothing of the file or of the password.
    assert len([line for line in requested if not line.startswith("GET")]) == 2
    assert PASSWORD not in "".join(requested)


async def test_the_file_opens_elsewhere(site: tuple[IssuingServer, str], page: Page) -> None:
    server, _ = site
    await start(page)
    content = base64.b64decode((await run(page))["file"])
    opened = pkcs12.load_pkcs12(content, PASSWORD.encode())
    assert opened.cert is not None
    assert isinstance(opened.key, rsa.RSAPrivateKey)
    assert spki(opened.key.public_key()) == spki(opened.cert.certificate.public_key())
    found = {opened.cert.certificate, *(one.certificate for one in opened.additional_certs)}
    assert {one.public_bytes(Encoding.DER) for one in found} == {*server.certificates.values(), *server.issuer.chain()}
    names = [one.friendly_name.decode() for one in (opened.cert, *opened.additional_certs) if one.friendly_name]
    day = server.orders["sign"].not_after.date()
    assert sorted(names) == [f"ҮЛГІБЕК Әсем AUTH {day}", f"ҮЛГІБЕК Әсем SIGN {day}"]
    with pytest.raises(ValueError, match="password"):
        pkcs12.load_pkcs12(content, b"another")


async def test_a_reload_at_any_moment_goes_on_with_the_same_keys(
    site: tuple[IssuingServer, str], page: Page, tmp_path: Path
) -> None:
    server, _ = site
    # 1. the connection dies after the server has issued, and stays dead: the page cannot finish
    await page.route(
        "**/api/session/issuance", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    await start(page)
    await page.clock.install()  # the pauses between tries pass at once
    attempt = page.evaluate(RUN, [PASSWORD, []])
    code = await advance_until(page, attempt)
    assert code["code"] in {"unreachable", "offline"}
    assert not server.orders

    # 2. the page is reloaded; the keys wait, and open with their password only
    await page.unroute("**/api/session/issuance")
    await page.reload()
    await start(page)
    assert await stage(page) == "enter_password"
    assert (await run(page, "not the password"))["code"] == "password_wrong"

    # 3. the server issues but its answer is lost: the repeated request is the same one
    server.drop_answers = 1
    first = base64.b64decode((await run(page))["file"])
    assert len(server.requests_seen) == 2
    assert server.requests_seen[0] == server.requests_seen[1]
    issued = check_key_file(first, PASSWORD, server, tmp_path)

    # 4. another reload before the file was saved: the same keys and certificates again, without a new request
    await page.reload()
    await start(page)
    assert await stage(page) == "enter_password"
    second = base64.b64decode((await run(page))["file"])
    assert len(server.requests_seen) == 2
    assert check_key_file(second, PASSWORD, server, tmp_path) == issued


async def advance_until(page: Page, attempt: Any) -> dict[str, str]:
    task = asyncio.ensure_future(attempt)
    while not task.done():
        await page.clock.run_for(1000)
        await asyncio.wait([task], timeout=0.05)
    outcome = await task
    assert isinstance(outcome, dict)
    return outcome


async def test_two_tabs_end_with_the_same_keys(
    site: tuple[IssuingServer, str], page: Page, context: BrowserContext, tmp_path: Path
) -> None:
    server, address = site
    other = await context.new_page()
    await other.goto(address)
    await start(page)
    await start(other)
    one, two = await asyncio.gather(run(page), run(other))
    assert {request["sign"] for request in server.requests_seen} == {server.requests_seen[0]["sign"]}
    for outcome in (one, two):
        check_key_file(base64.b64decode(outcome["file"]), PASSWORD, server, tmp_path)
    await other.close()


async def test_keys_of_another_browser_are_not_guessed_at(
    site: tuple[IssuingServer, str], page: Page, chromium: Browser
) -> None:
    server, address = site
    await start(page)
    await run(page)
    elsewhere = await chromium.new_context()
    other = await elsewhere.new_page()
    await other.goto(address)
    await start(other)
    assert await stage(other) == "keys_lost"
    assert (await run(other))["code"] == "keys_lost"
    assert len(server.requests_seen) == 1
    await elsewhere.close()


async def test_a_forgotten_password_can_be_left_behind_only_before_the_request(
    site: tuple[IssuingServer, str], page: Page
) -> None:
    server, _ = site
    forget = 'issuance.startOver().then(() => "forgotten", (error) => error.code)'
    await page.route(
        "**/api/session/issuance", lambda route: route.abort() if route.request.method == "POST" else route.continue_()
    )
    await start(page)
    await page.clock.install()
    await advance_until(page, page.evaluate(RUN, [PASSWORD, []]))
    await page.unroute("**/api/session/issuance")
    assert await stage(page) == "enter_password"
    assert await page.evaluate(forget) == "forgotten"
    assert await stage(page) == "choose_password"
    assert "file" in await advance_until(page, page.evaluate(RUN, ["another 58 passwords", []]))
    assert await page.evaluate(forget) == "keys_lost"
    assert server.certificates


async def test_nothing_happens_before_an_approval_or_with_a_weak_password(
    site: tuple[IssuingServer, str], page: Page
) -> None:
    server, _ = site
    await start(page)
    assert (await run(page, "12345678"))["code"] == "password_weak"
    assert (await run(page, "Specimen1990", ["SPECIMEN"]))["code"] == "password_weak"
    server.status_without_orders = "not_approved"
    assert await stage(page) == "not_approved"
    assert (await run(page))["code"] == "nothing_to_issue"
    assert not server.requests_seen


async def test_without_storage_the_page_says_that_it_must_stay(
    site: tuple[IssuingServer, str], page: Page, tmp_path: Path
) -> None:
    server, _ = site
    await page.evaluate(
        "() => { IDBFactory.prototype.open = () => { throw new DOMException('no', 'SecurityError'); }; }"
    )
    await start(page)
    server.drop_answers = 1
    content = base64.b64decode((await run(page))["file"])
    check_key_file(content, PASSWORD, server, tmp_path)
    assert not any(step["resumable"] for step in await page.evaluate("steps"))
    again = base64.b64decode((await run(page))["file"])  # the same keys as long as the page lives
    check_key_file(again, PASSWORD, server, tmp_path)
    await page.evaluate("issuance.confirmSaved()")
    assert server.saved


async def test_a_certificate_for_another_key_makes_no_file(site: tuple[IssuingServer, str], page: Page) -> None:
    server, _ = site
    await start(page)
    await run(page)
    server.certificates = {"sign": server.certificates["auth"], "auth": server.certificates["sign"]}
    assert (await run(page))["code"] == "certificate_key_mismatch"
    server.certificates = {"sign": b"0\x03\x02\x01\x01", "auth": b""}
    assert (await run(page))["code"] == "certificate_malformed"
