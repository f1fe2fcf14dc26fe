"""What of a running emulator goes into the state file, and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from phonepe_sandbox.settings import BadSetting
from phonepe_sandbox.store import StateError, Store

if TYPE_CHECKING:
    from phonepe_sandbox.sandbox import Sandbox


class Keeper:
    """Fills an emulator from its state file, and writes there what changes.

    What command line and environment say at a start wins over the file: fault rules as a whole, each
    switch by its name. What they leave unsaid is as it was when the file was written.
    """

    def __init__(self, sandbox: "Sandbox", path: Path) -> None:
        """Restore. Raises StateError."""
        self._sandbox = sandbox
        self._store = Store(path)
        self._written: dict[str, Any] = {}
        machine = self._store.machine()
        try:
            self._restore(machine)
        except (KeyError, TypeError, ValueError, AttributeError, BadSetting) as error:
            raise StateError(f"the state file {path} cannot be used: {error!r}") from error
        self._attend()

    def begin(self) -> None:
        """The emulator was reset: forget what was, keep what comes. Raises StateError."""
        self._store.clear()
        self._written = {}
        self._attend()

    def close(self) -> None:
        self._store.close()

    def _attend(self) -> None:
        sandbox = self._sandbox
        sandbox.book.keeps_touched = sandbox.journal.keeps_fresh = sandbox.postman.keeps_fresh = True

    def _restore(self, machine: dict[str, Any]) -> None:
        sandbox = self._sandbox
        if "settings" in machine:
            said = sandbox.config.said
            sandbox.change_settings({k: v for k, v in machine["settings"].items() if k not in said})
            if sandbox.config.faults is None:
                sandbox.faults.restore(machine["faults"])
            sandbox.clock.advance(machine["offset_s"])
            sandbox.tokens.alive_until.update(machine["tokens"])
        for order in self._store.orders():
            sandbox.book.restore(order)
        for name, counted in self._store.calls().items():
            if name:
                sandbox.journal.by_order[name] = counted
            else:
                sandbox.journal.totals = counted
        for exchange in self._store.exchanges():
            sandbox.journal.restore(exchange)
        for delivery in self._store.deliveries():
            sandbox.postman.remember(delivery)

    def save(self) -> None:
        """Write what changed since the last time. Raises StateError."""
        sandbox = self._sandbox
        book, journal, postman = sandbox.book, sandbox.journal, sandbox.postman
        machine = {
            "settings": dict(sandbox.changed),
            "faults": sandbox.faults.saved(),
            "offset_s": sandbox.clock.offset_s,
            "tokens": dict(sandbox.tokens.alive_until),
        }
        news = {name: value for name, value in machine.items() if self._written.get(name) != value}
        if not (news or book.touched or journal.fresh or postman.fresh):
            return
        named = {entry.merchant_order_id for entry in journal.fresh}
        calls = {name: journal.by_order[name] for name in named if name and name in journal.by_order}
        self._store.write(
            machine=news,
            orders=book.touched.values(),
            calls={"": journal.totals, **calls},
            exchanges=journal.fresh,
            deliveries=postman.fresh,
        )
        self._written |= news
        book.touched.clear()
        journal.fresh.clear()
        postman.fresh.clear()
