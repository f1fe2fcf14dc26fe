"""`--state FILE`: everything survives a restart, also the hard way."""

import shutil
import sqlite3
from contextlib import closing, suppress

import pytest

from tests.phonepe_sandbox.processes import emulator, start
from tests.sandbox import wait_until


def fill(one):
    """An order of every kind, a refund, a fault, a setting and a moved clock."""
    links = {name: one.pay(name)["redirectUrl"] for name in ("PAID", "FAILED", "OPEN")}
    one.control("POST", "/orders/PAID/outcome", {"outcome": "success", "paymentMode": "CARD"})
    one.control("POST", "/orders/FAILED/outcome", {"outcome": "failure"})
    one.control("POST", "/orders/OPEN/outcome", {"outcome": "retry"})
    one.control("POST", "/settings", {"refund_confirm_after": 500, "token_life": 777})
    refund = {"merchantRefundId": "R-1", "originalMerchantOrderId": "PAID", "amount": 1000}
    one.api("POST", "/payments/v2/refund", refund)
    one.control("POST", "/faults", {"on": "pay", "kind": "rate_limited", "count": 3, "oneIn": 2})
    one.control("POST", "/clock", {"advance": 60})
    return links


def seen(one):
    """All that a merchant and a test may see."""
    orders = one.control("GET", "/orders")["orders"]
    shown = [order | {"payPageUrl": order["payPageUrl"].partition("/transact")[2]} for order in orders]
    statuses = [one.status(name) for name in ("PAID", "FAILED", "OPEN")]
    refund = one.api("GET", "/payments/v2/refund/R-1/status")[1]
    rest = [one.control("GET", path) for path in ("/faults", "/settings")]
    return shown, statuses, refund, rest


def is_saved(file, kind):
    """Whether a call of this kind would be in the file if the emulator that has it locked were killed now."""
    copy = f"{file}-copy"
    for end in ("", "-journal"):  # in this order: what is half written is undone by its journal
        with suppress(FileNotFoundError):
            shutil.copyfile(file + end, copy + end)
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(copy)) as database:
        kinds = "SELECT count(*) FROM exchanges WHERE json_extract(body, '$.kind') = ?"
        return database.execute(kinds, [kind]).fetchone()[0] > 0
    return False


@pytest.mark.parametrize("ending", ["terminate", "kill"])
def test_state_when_restarted_then_all_is_as_it_was(tmp_path, ending):
    file = str(tmp_path / "state")
    with emulator("--state", file) as one:
        fill(one)
        before, token = seen(one), one.token()
        wait_until(
            lambda: is_saved(file, "refund_status")
        )  # the last: what is only looked at is saved a little later
        getattr(one.process, ending)()
        one.process.wait(10)

    with emulator("--state", file) as two:
        after = seen(two.as_merchant_with(token))
        requests = two.control("GET", "/requests?merchantOrderId=PAID")["requests"]

    def without_calls(found):
        return [{k: v for k, v in order.items() if k != "calls"} for order in found[0]], *found[1:]

    assert without_calls(after) == without_calls(before)
    assert [r["kind"] for r in requests] == [
        *("refund_status", "status", "refund_status", "status", "refund", "customer", "pay")
    ]
    assert [o["calls"]["status"] for o in after[0]] == [o["calls"]["status"] + 1 for o in before[0]]


def test_state_when_killed_right_after_an_answer_then_the_order_is_there(tmp_path):
    file = str(tmp_path / "state")
    with emulator("--state", file) as one:
        created = one.pay("ORD-1")
        one.process.kill()
        one.process.wait(10)

    with emulator("--state", file) as two:
        assert two.status("ORD-1")["orderId"] == created["orderId"]


def test_state_when_restarted_then_time_goes_on_with_its_orders(tmp_path):
    file = str(tmp_path / "state")
    with emulator("--state", file) as one:
        links = fill(one)
        one.process.terminate()
        one.process.wait(10)

    with emulator("--state", file) as two:
        page = links["OPEN"].partition("/transact")[2]
        opened, _ = two.call("GET", f"/transact{page}")
        two.control("POST", "/clock", {"advance": 900})
        state, refund = two.status("OPEN"), two.api("GET", "/payments/v2/refund/R-1/status")[1]
    assert (opened, state["detailedErrorCode"], refund["state"]) == (200, "ORDER_EXPIRED", "COMPLETED")


def test_state_when_reset_then_the_file_forgets_too(tmp_path):
    file = str(tmp_path / "state")
    with emulator("--state", file) as one:
        fill(one)
        one.control("POST", "/reset", {})
        one.process.kill()
        one.process.wait(10)

    with emulator("--state", file) as two:
        told = (two.control("GET", "/orders")["total"], two.control("GET", "/faults"))
        assert told == (0, {"faults": []})


def restarted(file, *argv, **env):
    """Faults and switches of an emulator that was steered, ended, and started again with something said."""
    with emulator("--state", file, SANDBOX_FAULTS='[{"on": "pay", "kind": "reset", "oneIn": 1000}]') as one:
        one.control("POST", "/settings", {"max_rps": 50_000, "merchant_name": "Steered", "token_life": 777})
        one.control("POST", "/faults", {"on": "status", "kind": "rate_limited", "count": 3})
        one.process.terminate()
        one.process.wait(10)
    with emulator("--state", file, *argv, **env) as two:
        switches = two.control("GET", "/settings")
        faults = [(rule["on"], rule["kind"]) for rule in two.control("GET", "/faults")["faults"]]
        two.process.terminate()
        two.process.wait(10)
        return faults, [switches[name] for name in ("max_rps", "merchant_name", "token_life")]


def test_state_when_restarted_with_nothing_said_then_faults_and_switches_of_the_file(tmp_path):
    faults, switches = restarted(str(tmp_path / "state"), SANDBOX_FAULTS="", SANDBOX_SETTINGS="")

    assert faults == [("pay", "reset"), ("status", "rate_limited")]
    assert switches == [50_000, "Steered", 777]


@pytest.mark.parametrize(
    ("said", "expected"),
    [('[{"on": "refund", "kind": "hang"}]', [("refund", "hang")]), ("[]", [])],
    ids=["others", "none"],
)
def test_state_when_restarted_with_faults_then_they_replace_those_of_the_file(tmp_path, said, expected):
    faults, switches = restarted(str(tmp_path / "state"), SANDBOX_FAULTS=said)

    assert (faults, switches) == (expected, [50_000, "Steered", 777])


def test_state_when_restarted_with_switches_then_they_win_and_the_others_are_of_the_file(tmp_path):
    said = '{"max_rps": null, "merchant_name": "Said"}'
    faults, switches = restarted(str(tmp_path / "state"), SANDBOX_SETTINGS=said)

    assert faults == [("pay", "reset"), ("status", "rate_limited")]
    assert switches == [None, "Said", 777]


def test_state_when_restarted_with_a_switch_of_its_own_option_then_it_wins(tmp_path):
    assert restarted(str(tmp_path / "state"), "--token-life", "3600")[1] == [50_000, "Steered", 3600]


def test_state_when_a_switch_was_said_once_then_the_next_start_without_it_has_the_default(tmp_path):
    file = str(tmp_path / "state")
    restarted(file, SANDBOX_SETTINGS='{"max_rps": 9}')

    with emulator("--state", file) as three:
        assert three.control("GET", "/settings")["max_rps"] is None


def test_state_when_faults_were_said_then_a_reset_returns_to_them_and_not_to_the_file(tmp_path):
    file = str(tmp_path / "state")
    restarted(file)

    with emulator("--state", file, SANDBOX_FAULTS='[{"on": "refund", "kind": "hang"}]') as three:
        three.control("POST", "/reset", {})
        [rule] = three.control("GET", "/faults")["faults"]
    assert (rule["on"], rule["kind"]) == ("refund", "hang")


def foreign_database(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE shop (id INTEGER)")
    database.close()


def spoilt_order(path):
    with emulator("--state", str(path)) as one:
        one.pay()
        one.process.terminate()
        one.process.wait(10)
    with sqlite3.connect(path) as database:
        database.execute("UPDATE orders SET body = '{\"amount\": 1}'")
    database.close()


SPOILT = {
    "text": lambda path: path.write_text("{not a database}" * 100),
    "directory": lambda path: path.mkdir(),
    "foreign": foreign_database,
    "spoilt order": spoilt_order,
}


@pytest.mark.parametrize("kind", SPOILT)
def test_state_when_the_file_is_corrupt_then_one_clear_line_and_exit_1(tmp_path, kind):
    file = tmp_path / "state"
    SPOILT[kind](file)

    with start("--state", str(file)) as process:
        out, err = process.communicate(timeout=20)

    assert (process.returncode, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"phonepe_sandbox: the state file {file} cannot be used: ")


def test_state_when_another_emulator_uses_the_file_then_refused(tmp_path):
    file = str(tmp_path / "state")
    with emulator("--state", file) as one:
        with start("--state", file) as process:
            _, err = process.communicate(timeout=20)

        assert (process.returncode, "database is locked" in err) == (1, True)
        assert one.pay()["state"] == "PENDING"


# -- start-up by the environment ------------------------------------------------------------


def test_environment_sets_faults_and_switches_and_a_reset_returns_to_them():
    faults = '[{"on": "pay", "kind": "rate_limited", "count": 1}]'
    with emulator(SANDBOX_FAULTS=faults, SANDBOX_SETTINGS='{"merchant_name": "Tea & Co"}') as one:
        codes = [one.pay("A").get("code"), one.pay("A").get("code")]
        name = one.control("GET", "/settings")["merchant_name"]
        one.control("POST", "/reset", {})
        [again] = one.control("GET", "/faults")["faults"]

    assert (codes, name, again["count"]) == (["TOO_MANY_REQUESTS", None], "Tea & Co", 1)


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("SANDBOX_FAULTS", "[", "--faults is not JSON"),
        ("SANDBOX_FAULTS", "{}", "--faults must be a JSON list"),
        ("SANDBOX_FAULTS", '[{"on": "pay", "kind": "explode"}]', "kind must be one of"),
        ("SANDBOX_FAULTS", "[1]", "a rule is a JSON object"),
        ("SANDBOX_SETTINGS", '{"colour": "red"}', "there is no setting 'colour'"),
    ],
)
def test_environment_when_wrong_then_it_says_so_and_exits_2(variable, value, told):
    with start(**{variable: value}) as process:
        _, err = process.communicate(timeout=20)

    assert (process.returncode, told in err) == (2, True)


def test_seed_makes_ids_and_chances_repeat(tmp_path):
    def run(seed):
        rules = '[{"on": "status", "kind": "rate_limited", "rate": 0.5}]'
        with emulator("--seed", seed, SANDBOX_FAULTS=rules) as one:
            order_id = one.pay()["orderId"][-10:]
            return order_id, [one.status().get("code") for _ in range(30)]

    first, again, other = run("7"), run("7"), run("8")
    assert first == again
    assert first != other
