"""The durable store of a campaign: cases, coverage and findings, in one SQLite file.

`schema.py` says what is in it, `store.py` is the API, `lock.py` keeps two campaigns apart. Nothing
here imports TVM, so that reading a campaign takes no time.
"""
