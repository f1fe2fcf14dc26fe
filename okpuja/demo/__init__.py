"""`make demo`: every part as a real process, customers over real HTTP, and a table that shows what became of each.

`processes.py` starts and ends the parts, `customers.py` is the story, `board.py` the table and the verdict.
"""
