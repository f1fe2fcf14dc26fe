"""The TypeScript of `docs/frontend.md`, checked against the types that front ends really get."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.browser.conftest import NODE_MODULES
from tests.browser.frontend_doc import FILES, TEXT
from tests.missing import missing
from tests.processes import ROOT

STATIC = ROOT / "storefront" / "static" / "storefront"
DOM, PLAIN = ["ES2022", "DOM", "DOM.Iterable"], ["ES2022"]
USE = """
import { watchPayment, type PaymentStatus } from './lib/payment-status.mjs';

const stop: () => void = watchPayment('cart', {
  onSuccess: (status) => { const booked: string = status.booking_id; const all: PaymentStatus = status; },
  onFailed: (status) => { if (status.payment_status === 'EXPIRED') stop(); },
  onTrouble: (error) => { const status: number | undefined = error.status; },
});
// @ts-expect-error: there may be no booking yet
watchPayment('cart', { onPending: (status) => { const booked: string = status.booking_id; } });
// @ts-expect-error: a state that does not exist
watchPayment('cart', { onFailed: (status) => status.payment_status === 'PAID' });
"""


@pytest.fixture(scope="session")
def tsc() -> Path:
    """TypeScript's compiler, as `make npm` has installed it."""
    compiler = NODE_MODULES / "typescript" / "bin" / "tsc"
    if not (compiler.exists() and shutil.which("node")):
        missing("no TypeScript: make npm")
    return compiler


def check(tsc: Path, folder: Path, files: dict[str, str], *, lib: list[str], **options: object) -> str:
    """What the strict compiler finds in these files beside `lib/payment-status.*`; "" when nothing."""
    shutil.copytree(STATIC, folder / "lib", ignore=shutil.ignore_patterns("*.css", "*.svg", "waiting*"))
    (folder / "node_modules").symlink_to(NODE_MODULES)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    settings = {
        "strict": True,
        "noEmit": True,
        "target": "ES2022",
        "module": "ESNext",
        "moduleResolution": "Bundler",
        "jsx": "react-jsx",
        "lib": lib,
        "paths": {"@/*": ["./*"]},
        "noUnusedLocals": True,
        "noUncheckedSideEffectImports": True,
    }
    project = {"compilerOptions": settings | options, "files": list(files)}
    (folder / "tsconfig.json").write_text(json.dumps(project))
    done = subprocess.run(
        ["node", str(tsc), "--project", str(folder)], capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def next_files() -> dict[str, str]:
    return {name: code for name, code in FILES.items() if name.startswith(("app/", "lib/"))}


def native_files() -> dict[str, str]:
    return {name: FILES[name] for name in ("lib/okpuja.ts", "PaymentScreen.tsx")}


NEXT = {"lib": DOM, "types": ["node", "react"], "skipLibCheck": True}
NATIVE = {"lib": PLAIN, "types": ["react", "react-native"], "skipLibCheck": True}


def test_every_block_of_code_in_the_document_has_a_name_by_which_it_is_tested():
    blocks = TEXT.count("```html") + TEXT.count("```ts") + TEXT.count("```javascript")

    assert len(FILES) == blocks == 9


def test_types_of_the_script_are_right_in_themselves(tsc: Path, tmp_path: Path) -> None:
    assert check(tsc, tmp_path, {"use.ts": USE}, lib=PLAIN, types=[], noUnusedLocals=False) == ""


def test_next_js_of_the_document_is_right(tsc: Path, tmp_path: Path) -> None:
    assert check(tsc, tmp_path, next_files(), **NEXT) == ""


def test_react_native_of_the_document_is_right(tsc: Path, tmp_path: Path) -> None:
    assert check(tsc, tmp_path, native_files(), **NATIVE) == ""


@pytest.mark.parametrize(
    ("name", "right", "wrong", "told"),
    [
        ("app/payment-pending/[cartId]/waiting.tsx", "booking_id", "bookingId", "bookingId"),
        ("app/payment-pending/[cartId]/waiting.tsx", "router.replace", "router.replaces", "replaces"),
        ("PaymentScreen.tsx", "Linking.openURL", "Linking.openUrl", "openUrl"),
    ],
)
def test_mistake_in_the_document_would_be_found(
    tsc: Path, tmp_path: Path, name: str, right: str, wrong: str, told: str
) -> None:
    files, how = (next_files(), NEXT) if name.startswith("app/") else (native_files(), NATIVE)
    files[name] = files[name].replace(right, wrong)

    assert told in check(tsc, tmp_path, files, **how)


def test_polling_example_is_the_one_of_the_readme():
    assert FILES["polling.js"] in (ROOT / "README.md").read_text(encoding="utf-8")
