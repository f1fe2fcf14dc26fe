"""PostgreSQL that comes with the requirements, for machines where nobody has installed one.

`base.py` is the Django database backend (`ENGINE = "okpuja.embedded"`); `server.py` starts, finds
and stops the server under `var/postgres`; `keeper.py` ends it when its last user is gone.
"""
