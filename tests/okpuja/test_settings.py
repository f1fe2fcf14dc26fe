"""The settings as a process meets them: environment, `.env`, and the refusals of a wrong one."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT

KEY = "0123456789abcdef" * 4
DEMO_KEY = "demo-only-" + "not-a-secret-" * 4


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the assembly, so that a `.env` may lie beside it."""
    copy = tmp_path_factory.mktemp("project")
    for package in ("okpuja", "guard"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def read(project: Path, expression: str = "'ok'", /, **env: str) -> subprocess.CompletedProcess[str]:
    """Read the settings in a process with this environment and print an expression over them."""
    return subprocess.run(
        [sys.executable, "-c", f"from okpuja import settings; print(({expression}))"],
        cwd=project,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The sentence with which the start was refused."""
    assert done.returncode == 1, done.stdout
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("django.core.exceptions.ImproperlyConfigured: "), done.stderr
    return last.split(": ", 1)[1]


@pytest.mark.parametrize(
    "key",
    [{}] + [{"SECRET_KEY": weak} for weak in ("", DEMO_KEY, "0123456789abcdef" * 3, "abab" * 20)],
)
def test_production_without_a_strong_secret_key_of_its_own_is_refused(
    project: Path, key: dict[str, str]
) -> None:
    told = refusal(read(project, DEBUG="0", **key))

    assert "SECRET_KEY" in told
    assert not key.get("SECRET_KEY") or key["SECRET_KEY"] not in told


def test_keys_that_were_replaced_are_read_and_none_may_be_weak(project: Path) -> None:
    old, older = KEY[::-1], "another-" * 8
    weak = refusal(read(project, SECRET_KEY=KEY, SECRET_KEY_FALLBACKS=f"{old},short"))

    done = read(
        project, "settings.SECRET_KEY_FALLBACKS", SECRET_KEY=KEY, SECRET_KEY_FALLBACKS=f"{old}, {older}"
    )

    assert read(project, "settings.SECRET_KEY_FALLBACKS", SECRET_KEY=KEY).stdout == "[]\n"
    assert done.stdout == f"{[old, older]}\n"
    assert ("SECRET_KEY_FALLBACKS" in weak, old in weak) == (True, False)


def test_development_needs_nothing(project: Path) -> None:
    done = read(project, "settings.DEBUG, settings.DATABASES['default']['ENGINE']", DEBUG="1")

    assert done.stdout == "(True, 'okpuja.embedded')\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEBUG", "perhaps"),
        ("PHONEPE_ENV", "prod"),
        ("PHONEPE_BASE_URL", "localhost:8900"),
        ("PHONEPE_OAUTH_URL", "ftp://x"),
        ("PHONEPE_MAX_RPS", "0"),
        ("PHONEPE_MAX_RPS", "many"),
        ("PAYMENT_EXPIRE_AFTER", "299"),
        ("PAYMENT_EXPIRE_AFTER", "3601"),
        ("STATUS_VERIFY_AFTER", "-1"),
        ("LATE_WATCH_HOURS", "0"),
        ("PUBLIC_URL", "shop.example"),
        ("PUBLIC_URL", "http://"),
        ("PUBLIC_URL", ""),
        ("FRONTEND_URL", "shop.example"),
        ("EMAIL_URL", "mail.example"),
        ("EMAIL_URL", "smtp://mail.example:port"),
        ("DATABASE_URL", "mysql://root@localhost/okpuja"),
        ("DATABASE_POOL", "maybe"),
        ("TRUSTED_PROXIES", "nginx"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("THROTTLES", "status_per_nobody=1"),
        ("THROTTLES", "status_per_cart=often"),
        ("THROTTLES", "status_per_cart=-1"),
        ("SUPPORT_CONTACT", "the office"),
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FILE", "/nowhere/at/all/okpuja.log"),
    ],
)
def test_a_wrong_value_is_refused_naming_its_variable(project: Path, name: str, value: str) -> None:
    assert name in refusal(read(project, SECRET_KEY=KEY, **{name: value}))


def test_the_limits_themselves_are_taken(project: Path) -> None:
    for seconds in ("300", "3600"):
        done = read(project, "settings.PAYMENT_EXPIRE_AFTER", SECRET_KEY=KEY, PAYMENT_EXPIRE_AFTER=seconds)
        assert done.stdout == f"{seconds}\n"


def test_a_log_level_may_be_written_small(project: Path) -> None:
    done = read(project, "settings.LOGGING['root']['level']", SECRET_KEY=KEY, LOG_LEVEL="warning")

    assert done.stdout == "WARNING\n"


def test_a_mail_address_and_password_may_hold_any_character(project: Path) -> None:
    url = "smtp+tls://shop%40example.com:p%40ss%2Fword@mail.example"
    shown = (
        "settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD, settings.EMAIL_PORT, settings.EMAIL_USE_TLS"
    )

    done = read(project, shown, SECRET_KEY=KEY, EMAIL_URL=url)

    assert done.stdout == "('shop@example.com', 'p@ss/word', 587, True)\n"


@pytest.mark.parametrize(
    ("given", "sender", "contact"),
    [
        ("help@shop.example", "Shop <mail@shop.example>", "help@shop.example"),
        ("+91 80 1234 5678", "Shop <mail@shop.example>", "+91 80 1234 5678"),
        ("", "Shop <mail@shop.example>", "mail@shop.example"),
        ("", "no address", ""),
    ],
)
def test_customers_are_given_the_contact_that_is_set_or_the_sender_of_mails(
    project: Path, given: str, sender: str, contact: str
) -> None:
    done = read(
        project, "settings.SUPPORT_CONTACT", SECRET_KEY=KEY, SUPPORT_CONTACT=given, DEFAULT_FROM_EMAIL=sender
    )

    assert done.stdout == f"{contact}\n"


def test_the_env_file_is_read_and_the_environment_wins(project: Path) -> None:
    env_file = project / ".env"
    env_file.write_text(f"SECRET_KEY={KEY}\nPHONEPE_MAX_RPS=7\nLATE_WATCH_HOURS=24\n")
    try:
        done = read(project, "settings.PHONEPE_MAX_RPS, settings.LATE_WATCH_HOURS", PHONEPE_MAX_RPS="9")
    finally:
        env_file.unlink()

    assert done.stdout == "(9, 24)\n"


def test_a_copy_of_the_example_is_a_valid_env_file(project: Path) -> None:
    shutil.copy(ROOT / ".env.example", project / ".env")
    try:
        done = read(project, SECRET_KEY=KEY)
    finally:
        (project / ".env").unlink()

    assert done.stdout == "ok\n", done.stderr


def test_the_example_lists_exactly_the_settings_that_are_read() -> None:
    tree = ast.parse((ROOT / "okpuja/settings.py").read_text())
    read_by_settings = {
        argument.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
        if call.func.id in ("_setting", "_within", "_address", "_origins", "_contact")
        for argument in call.args[:2]
        if isinstance(argument, ast.Constant) and re.fullmatch("[A-Z_]+", str(argument.value))
    }

    listed = set(re.findall(r"^#?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))

    assert len(read_by_settings) > 20
    read_elsewhere = {"EMBEDDED_POSTGRES_DIR"} | {
        f"SANDBOX_{name}" for name in ("WEBHOOK_URL", "STATE", "FAULTS", "SETTINGS")
    }
    assert listed == read_by_settings | read_elsewhere
