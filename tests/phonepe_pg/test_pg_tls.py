"""HTTPS: whose certificate is trusted, seen from a program of its own."""

import asyncio
import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

ASKS = """
import asyncio, sys
from phonepe_pg import Client, Credentials, Hosts, PhonePeError

async def main(base):
    async with Client(Credentials("client-7", "secret"), Hosts(pg=base, oauth=base)) as client:
        try:
            await client.check_credentials()
        except PhonePeError as error:
            return f"{type(error).__name__} {error.sent} {error}"
        return "trusted"

print(asyncio.run(main(sys.argv[1])))
"""
TOKEN = b'{"access_token": "t", "issued_at": 1, "expires_at": 9999}'


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A folder with a certificate for localhost, its key, and the authority that signed it."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new = ("req", "-newkey", "rsa:2048", "-nodes")
    usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")  # Python 3.13 insists on it
    name = ("-subj", "/CN=Our own authority")
    openssl(*new, "-x509", "-keyout", "ca.key", "-out", "ca.pem", *name, *usage, "-days", "2")
    openssl(*new, "-keyout", "site.key", "-out", "site.csr", "-subj", "/CN=localhost")
    known = "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    (folder / "site.ext").write_text(f"subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n{known}")
    signed_by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "site.ext")
    openssl("x509", "-req", "-in", "site.csr", "-out", "site.pem", *signed_by)
    return folder


async def told_by_a_program(authority, **environment):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "site.pem", authority / "site.key")

    async def answers(reader, writer):
        await reader.read(65_536)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(TOKEN), TOKEN))
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answers, "127.0.0.1", 0, ssl=context) as server:
        base = f"https://localhost:{server.sockets[0].getsockname()[1]}"
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", ASKS, base),
            cwd=Path(__file__).resolve().parents[2],
            env=os.environ | environment,
            stdout=asyncio.subprocess.PIPE,
        )
        told, _ = await program.communicate()
    return told.decode().strip()


async def test_certificate_of_an_unknown_authority_is_refused_before_anything_is_sent(authority):
    told = await told_by_a_program(authority)

    assert told.startswith("Unavailable False token: cannot connect: ")
    assert "certificate" in told


async def test_authority_named_by_ssl_cert_file_is_trusted(authority):
    assert await told_by_a_program(authority, SSL_CERT_FILE=str(authority / "ca.pem")) == "trusted"
