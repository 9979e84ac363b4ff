"""Batch tagging: any file, any size, interrupted at will.

Reading order: `options` (what a job is), `records` (what is read and what comes back), `tagging`
(a shard to its result, a function of the shard alone); then `job`, and on one machine `local`,
`nursery`, `fork_server` and `worker` (the processes).
"""
