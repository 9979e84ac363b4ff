"""The forms of other services: thin translations, so that their clients work unchanged."""
