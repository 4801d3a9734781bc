"""The durable store of a campaign: cases, coverage and findings, in one SQLite file.

`store.py` is the API. `database.py` opens the file, `schema.py` says what is in it, `encoding.py`
how values become columns, `findings.py` how findings are grouped, and `lock.py` keeps two campaigns
apart. Nothing here imports TVM, so that reading a campaign takes no time.
"""
