"""Names out of a text and back in: replace, mask, hash, or placeholders that can be restored.

Reading order: `naming` (what stands in a name's place), `redacting`, `restoring`, `sealing` (a
mapping that only a key opens), `command` (the command line).
"""
