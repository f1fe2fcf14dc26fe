"""`payments_doctor` beside real processes: each part of the set-up is broken in turn, and that one sentence says so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from payments.models import Checker
from tests.ports import free_port
from tests.processes import checker, manage, web
from tests.sandbox import Sandbox, wait_until

pytestmark = pytest.mark.django_db(transaction=True)

NOBODY = "http://127.0.0.1:1"


def examined(**settings: str) -> tuple[int, dict[str, str]]:
    """The exit code, and what is bad with its sentence."""
    done = manage("payments_doctor", **settings)
    assert len(done.stdout.splitlines()) == 9, done.stdout + done.stderr
    return done.returncode, dict(re.findall(r"^BAD ([\w ]+): (.*)$", done.stdout, re.MULTILINE))


def test_each_broken_part_is_named_in_a_sentence_of_its_own(sandbox: Sandbox, tmp_path: Path) -> None:
    good = {"PHONEPE_BASE_URL": sandbox.base_url}
    with web(log=tmp_path / "web.log", port=free_port(), **good) as site:
        good |= {"PUBLIC_URL": site}
        with checker(log=tmp_path / "checker.log", **good):
            wait_until(Checker.objects.exists)
            assert examined(**good) == (0, {})

            broken = {
                "PHONEPE_CLIENT_SECRET=": "PHONEPE_CLIENT_SECRET not set.",
                "PHONEPE_CLIENT_SECRET=wrong": "PHONEPE_CLIENT_ID, PHONEPE_CLIENT_SECRET or PHONEPE_CLIENT_VERSION",
                f"PHONEPE_BASE_URL={NOBODY}/apis/pg-sandbox": "PhonePe's clock cannot be read",
                "PHONEPE_OAUTH_URL=https://api.phonepe.com/x": "Set PHONEPE_ENV alone",
                f"PUBLIC_URL={NOBODY}": "cannot be reached",
                f"PUBLIC_URL={sandbox.url}": "PUBLIC_URL leads to another site",
                "PHONEPE_WEBHOOK_PASSWORD=": "Its credentials are not set",
                "PHONEPE_WEBHOOK_PASSWORD=other12345": "answered 401 to a callback with our credential.",
                "ALLOWED_HOSTS=other.example": "PUBLIC_URL's host is not in ALLOWED_HOSTS",
                "DATABASE_URL=postgresql://okpuja@127.0.0.1:1/okpuja": "Look at DATABASE_URL",
            }
            for setting, sentence in broken.items():
                name, _, value = setting.partition("=")
                code, bad = examined(**good | {name: value})
                assert (code, sentence in " ".join(bad.values())) == (1, True), (setting, bad)
                assert "sandbox-secret" not in str(bad)

        code, bad = examined(**good)
        assert (code, bad["checker"]) == (
            1, "None was seen lately. Start one: manage.py auto_complete_payments --continuous"
        )  # fmt: skip
