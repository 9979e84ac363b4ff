"""`python -m ner_service` is the command line."""

from ner_service.cli import main

main()
