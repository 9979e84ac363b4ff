"""Training, evaluation and export. Production never imports this package.

Reading order: `documents`, `columns`, `records` and `corpus` turn any source into one kind of data
set; `vectors` reads pretrained word vectors.
"""
