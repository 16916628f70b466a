"""Mails of the real server at aiosmtpd: with and without encryption and a password, and why one is not taken.

The certificates are made here; the server trusts the authority that `SSL_CERT_FILE` names.
"""

import datetime
import email
import email.policy
import ipaddress
import json
import os
import re
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAME, PASSWORD = "hub@example.com", "p@ss w/rd"
SIGNED_IN = ":".join(urllib.parse.quote(text, safe="") for text in [NAME, PASSWORD])
GUEST, GUEST_PASSWORD = "lena@example.com", "a long enough passphrase"


class Mailbox:
    """What was taken, as (message, whether it came encrypted), and how somebody logged in."""

    def __init__(self):
        self.mails, self.ways = [], []

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.mails.append((message, session.ssl is not None))
        return "250 OK"

    def log_in(self, server, session, envelope, mechanism, data):
        self.ways.append(mechanism)
        is_right = (data.login, data.password) == (NAME.encode(), PASSWORD.encode())
        # What is not handled here is refused by aiosmtpd.
        return AuthResult(success=is_right, handled=is_right)


def certificate(name, key, issuer, issuer_key, *, is_authority):
    named = lambda text: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
    now, day = datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(days=1)
    builder = x509.CertificateBuilder(named(issuer), named(name), key.public_key(), x509.random_serial_number(), now - day, now + day)
    builder = builder.add_extension(x509.BasicConstraints(is_authority, None), critical=True)
    if not is_authority:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two authorities, `trusted-ca.pem` and `strange-ca.pem`, and a mail server's key and certificate of each."""
    folder = tmp_path_factory.mktemp("certificates")
    pem = serialization.Encoding.PEM
    for name in ["trusted", "strange"]:
        authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        authority = certificate(f"{name} authority", authority_key, f"{name} authority", authority_key, is_authority=True)
        server = certificate("localhost", key, f"{name} authority", authority_key, is_authority=False)
        (folder / f"{name}-ca.pem").write_bytes(authority.public_bytes(pem))
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / f"{name}.pem").write_bytes(secret + server.public_bytes(pem))
    return folder


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@contextmanager
def mail_server(mailbox, port, pem=None, without=()):
    """aiosmtpd; with the certificate `pem` it takes mail only behind STARTTLS and a password, by any way but `without`."""
    settings = {}
    if pem:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pem)
        settings = {"tls_context": tls, "require_starttls": True, "auth_required": True, "authenticator": mailbox.log_in}
        settings["auth_exclude_mechanism"] = without
    # Without a name it would ask DNS for one.
    server = Controller(mailbox, "127.0.0.1", port, server_hostname="mail.test", **settings)
    server.start()
    try:
        yield
    finally:
        server.stop()


@contextmanager
def hub(smtp, folder):
    """The server, as a function that calls its management API, and its address."""
    program = ["node", str(Path(__file__).parent / "mail.mjs"), smtp]
    env = {**os.environ, "SSL_CERT_FILE": str(folder / "trusted-ca.pem")}
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        line = process.stdout.readline()
        assert line, "mail.mjs printed nothing"
        facts = json.loads(line)

        def api(method, path, body=None):
            headers = {"authorization": f"Bearer {facts['token']}", "content-type": "application/json"}
            data = None if body is None else json.dumps(body).encode()
            request = urllib.request.Request(f"{facts['url']}/api/v1{path}", data, headers, method=method)
            with urllib.request.urlopen(request) as answer:
                text = answer.read()
                return json.loads(text) if text else None

        yield api, facts["url"]
        process.stdin.close()


def soon(found):
    """What `found` finds, once it does."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if what := found():
            return what
        time.sleep(0.05)
    raise AssertionError("it did not happen")


def invite(api):
    made = api("POST", "/teams/current/invitations", {"email": GUEST, "role": "member"})
    assert made["state"] == "open"


def untaken(api):
    """The mail that waits, once it was tried."""
    mail = soon(lambda: next((row for row in api("GET", "/mail/outbox")["data"] if row["last_error"]), None))
    assert mail["state"] == "waits" and PASSWORD not in json.dumps(mail)
    (alert,) = [row for row in api("GET", "/alerts")["data"] if row["kind"] == "mail_failing"]
    assert mail["last_error"] in alert["message"]
    return mail


def join_by(message, api, url):
    """Signs up by the link in `message`."""
    link = re.search(rf"{url}/invite/\S+", message.get_body(("plain",)).get_content()).group()
    with urllib.request.urlopen(link) as page:
        assert GUEST in page.read().decode()
    form = {"token": link.rsplit("/", 1)[1], "email": GUEST, "password": GUEST_PASSWORD}
    headers = {"sec-fetch-site": "same-origin"}
    request = urllib.request.Request(f"{url}/fn/sign_up_invited", urllib.parse.urlencode(form).encode(), headers)
    urllib.request.urlopen(request).close()
    members = api("GET", "/teams/current/members")["data"]
    assert GUEST in [member["email"] for member in members]


def test_an_invitation_arrives_and_its_link_opens_the_team(folder):
    mailbox, port = Mailbox(), free_port()
    with mail_server(mailbox, port), hub(f"smtp://127.0.0.1:{port}", folder) as (api, url):
        invite(api)
        message, is_encrypted = soon(lambda: mailbox.mails)[0]
        assert (message["to"], is_encrypted) == (GUEST, False)
        join_by(message, api, url)


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN"])
def test_a_mail_goes_behind_starttls_and_a_password_in_either_way(folder, way):
    mailbox, port = Mailbox(), free_port()
    other = {"PLAIN": "LOGIN", "LOGIN": "PLAIN"}[way]
    server = mail_server(mailbox, port, folder / "trusted.pem", [other])
    with server, hub(f"smtp://{SIGNED_IN}@localhost:{port}?tls=required", folder) as (api, url):
        invite(api)
        message, is_encrypted = soon(lambda: mailbox.mails)[0]
        assert (message["to"], is_encrypted, mailbox.ways) == (GUEST, True, [way])
        join_by(message, api, url)


def test_a_certificate_of_a_stranger_gets_neither_mail_nor_password(folder):
    mailbox, port = Mailbox(), free_port()
    server = mail_server(mailbox, port, folder / "strange.pem")
    with server, hub(f"smtp://{SIGNED_IN}@localhost:{port}?tls=required", folder) as (api, _):
        invite(api)
        assert "certificate" in untaken(api)["last_error"]
    assert not mailbox.mails and not mailbox.ways


def test_a_server_without_encryption_gets_nothing_where_that_is_required(folder):
    mailbox, port = Mailbox(), free_port()
    with mail_server(mailbox, port), hub(f"smtp://{SIGNED_IN}@localhost:{port}?tls=required", folder) as (api, _):
        invite(api)
        assert "STARTTLS" in untaken(api)["last_error"]
    assert not mailbox.mails


def test_a_mail_that_was_not_taken_waits_and_goes_once_somebody_listens(folder):
    mailbox, port = Mailbox(), free_port()
    with hub(f"smtp://127.0.0.1:{port}", folder) as (api, _):
        invite(api)
        waiting = untaken(api)
        with mail_server(mailbox, port):
            api("POST", f"/mail/outbox/{waiting['id']}/retry")
            soon(lambda: mailbox.mails)
        assert soon(lambda: [row for row in api("GET", "/mail/outbox")["data"] if row["state"] == "sent"])
        soon(lambda: not [row for row in api("GET", "/alerts")["data"] if row["kind"] == "mail_failing"])


def test_a_wrong_password_is_told_of_without_saying_it(folder):
    mailbox, port = Mailbox(), free_port()
    server = mail_server(mailbox, port, folder / "trusted.pem")
    with server, hub(f"smtp://{NAME.replace('@', '%40')}:wrong-canary@localhost:{port}?tls=required", folder) as (api, _):
        invite(api)
        mail = untaken(api)
        assert "535" in mail["last_error"] and "canary" not in json.dumps(mail)
    assert not mailbox.mails
