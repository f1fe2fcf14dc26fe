"""`make chaos`: many orders through real processes that are killed, a database that crashes and a gateway that lies.

`plan.py` says what becomes of each order, `bulk.py` and `customers.py` bring the orders, `crowd.py` hammers
the web site, `wrecker.py` kills, `weather.py` makes the gateway fail, `settling.py` waits in the calm
afterwards, and `verdict.py` compares our tables with the emulator's books. `play.py` puts them together.

The same SEED gives the same orders with the same outcomes and the same order of kills and faults. What meets
what is up to the machine's timing: two runs of one seed are not the same run.
"""
