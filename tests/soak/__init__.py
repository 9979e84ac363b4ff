"""Hard times for the server: what no schema allows, too much of everything, and faults.

`python -m tests.soak.run` does all of it and writes docs/reliability.json and docs/reliability.md.
"""
