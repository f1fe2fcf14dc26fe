"""A shop that is not OkPuja: it sells seats in courses and installs nothing of ours but `payments` and `phonepe_pg`.

Both pages of `docs/integration.md` quote it. `python -m tests.othershop` runs the engine's tests, and its own, in it.
"""
