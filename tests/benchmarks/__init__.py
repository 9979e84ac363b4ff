"""Benchmarks: plain scripts, run by `make bench`, that write docs/benchmarks.md.

Reading order: `run` (what is measured, in which order), `bench` (sizes and settings), `timing`
(repeated commands, medians, spreads), then one module a measure: `peers_race`, `stages`, `kernel`,
`http_race`, `service`, `growth`, `parity`, `training_speed`; `gpu`, a command of its own for where
there is one; last `report` and `plots`, which turn the figures into the page. No figure on it is
typed.

`peers/` runs in an environment of its own and imports nothing of ours.
"""
