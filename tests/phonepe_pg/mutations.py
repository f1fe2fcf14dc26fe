"""Ways to spoil a real answer, and what may honestly be read from what comes of it."""

import copy
import json

from hypothesis import strategies as st

PAID = '"state":"COMPLETED"'
ALMOST_COMPLETED = (
    *(
        "completed",
        "Completed",
        "COMPLETEd",
        "COMPLETE",
        "COMPLETEDD",
        "NOT_COMPLETED",
        "COMPLETED_",
        "SUCCESS",
    ),
    *(" COMPLETED", "COMPLETED ", "COMPLETED\n", "\tCOMPLETED", "COMPLETED\0", "\0COMPLETED", "COM PLETED"),
    *("\ufeffCOMPLETED", "COMPLETED\u200b", "COMPLETED\u00a0", "COMPLETED\ud800", "COM\udc00PLETED"),
    *("С\u041eMPLETED", "CОMPLETED", "COMPLETΕD", "ＣＯＭＰＬＥＴＥＤ", "COMPLE\u0301TED"),
    *(
        '"COMPLETED"',
        "'COMPLETED'",
        "PENDING,COMPLETED",
        "COMPLETED,PENDING",
        "%43OMPLETED",
        r"\u0043OMPLETED",
    ),
    *("", True, False, 0, 1, 1.5, None, [], {}),
    *(["COMPLETED"], [["COMPLETED"]], ["PENDING", "COMPLETED"], {"state": "COMPLETED"}, {"COMPLETED": True}),
)
ALMOST_STATE = (
    *("State", "STATE", "statE", "state ", " state", "state\n", "state\0", "\ufeffstate", "state\u200b"),
    *(
        "stat\u0435",
        "ｓtate",
        "state\ud800",
        "st ate",
        '"state"',
        "$.state",
        "payload.state",
        "state[]",
        "/state",
    ),
    *("status", "orderState", "paymentState", "code", "success", "", "states", "_state", "st\u0301ate"),
)


def says_completed(body):
    """Whether the root is an object whose every `state` is exactly the text COMPLETED.

    Written apart from the client: objects stay lists of pairs, so that no duplicate can hide.
    """
    try:
        root = json.loads(body, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        return False
    return isinstance(root, _Pairs) and {repr(value) for name, value in root if name == "state"} == {
        "'COMPLETED'"
    }


class _Pairs(list):
    """An object as the pairs that were written."""


def paths(value, here=()):
    """The way to every value inside."""
    if here:
        yield here
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in pairs:
        yield from paths(item, (*here, name))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("COMPLETED"),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
strange_names = st.sampled_from(["state", "paymentDetails", "payload", "data", *ALMOST_STATE]) | st.text(
    max_size=5
)
strange_values = st.sampled_from(["COMPLETED", {"state": "COMPLETED"}, *ALMOST_COMPLETED]) | json_values


@st.composite
def rewritten(draw, body):
    """The body with some values replaced, removed, renamed or added at any level, the root's `state` too."""
    body = copy.deepcopy(body)
    for _ in range(draw(st.integers(1, 4))):
        places = list(paths(body))
        if not places:
            break
        # Every second change meets the root's state, which a draw among all places would seldom do.
        near = [place for place in places if place == ("state",)]
        place = draw(st.sampled_from(near if near and draw(st.booleans()) else places))
        holder = body
        for name in place[:-1]:
            holder = holder[name]
        _change(draw, holder, place[-1])
    return body


def _change(draw, holder, name):
    change = draw(st.sampled_from(["replace", "remove", "rename", "add", "push down"]))
    if change == "replace":
        holder[name] = copy.deepcopy(draw(strange_values))  # it may be changed in its turn
    elif change == "remove":
        del holder[name]
    elif change == "push down":
        holder[name] = {"state": holder[name]}
    elif isinstance(holder, dict):
        value = holder.pop(name) if change == "rename" else copy.deepcopy(draw(strange_values))
        holder[draw(strange_names)] = value


@st.composite
def spoilt(draw, body):
    """Bytes: the body rewritten or not, then written oddly, cut, flipped or spliced, or none of these."""
    tree = draw(rewritten(body)) if draw(st.booleans()) else body
    text = json.dumps(tree, ensure_ascii=draw(st.booleans()), separators=(",", ":"))
    raw = draw(st.sampled_from([_as_it_is, _twice_named, _wrapped]))(draw, text)
    return draw(st.sampled_from([_whole, _whole, _cut, _flipped, _spliced]))(draw, raw)


def _as_it_is(draw, text):
    return _encoded(draw, text)


def _twice_named(draw, text):
    """A second `state` in some object, before or after what is there; in escapes at times."""
    pair = draw(st.sampled_from([PAID, r'"\u0073tate":"COMPLETED"', r'"state":"\u0043OMPLETED"']))
    brace = draw(st.sampled_from([n for n, sign in enumerate(text) if sign in "{}"] or [0]))
    if text[brace] == "{":
        return _encoded(draw, text[: brace + 1] + pair + "," + text[brace + 1 :])
    return _encoded(draw, text[:brace] + "," + pair + text[brace:])


def _wrapped(draw, text):
    shape = draw(
        st.sampled_from(
            [
                "[%s]",
                '{"payload":%s}',
                '{"data":%s}',
                "%s{" + PAID + "}",
                "{" + PAID + "}%s",
                "%s\n%s",
                "//x\n%s",
            ]
        )
    )
    return _encoded(draw, shape.replace("%s", text))


def _encoded(draw, text):
    form = draw(st.sampled_from(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"]))
    return text.encode(form, "surrogatepass")


def _whole(draw, raw):
    return raw


def _cut(draw, raw):
    start = draw(st.sampled_from([0, 0, draw(st.integers(0, len(raw)))]))
    return raw[start : draw(st.integers(start, len(raw)))]


def _flipped(draw, raw):
    raw = bytearray(raw)
    for _ in range(draw(st.integers(1, 4))):
        raw[draw(st.integers(0, len(raw) - 1))] ^= 1 << draw(st.integers(0, 7))
    return bytes(raw)


def _spliced(draw, raw):
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        end = start + draw(st.integers(0, 40))
        raw = raw[:start] + draw(st.binary(max_size=10) | st.just(PAID.encode())) + raw[end:]
    return raw
