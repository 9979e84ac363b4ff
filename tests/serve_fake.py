"""Serves the fake tagger as a process of its own: python -m tests.serve_fake [name ...]."""

import sys

from ner_service.api.app import create_app
from ner_service.api.server import serve
from ner_service.api.settings import Settings
from tests.fakes import FakeTagger

if __name__ == "__main__":
    settings = Settings()
    app = create_app(settings, FakeTagger())
    for name in sys.argv[1:]:
        app.state.service.models.add(FakeTagger(name=name), source=name)
    serve(settings, app)
