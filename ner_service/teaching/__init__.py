"""Around the memory: what a server keeps on disk for its models, and what is learnt from feedback.

Reading order: `lessons` (a server's folder), `feedback` (corrections, ranked), `command` (the
command line).
"""
