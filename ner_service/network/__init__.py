"""The network in torch: tensors in, tensors out; no strings, metrics, optimisers or files."""

from ner_service.network.crf import CRF
from ner_service.network.encoders import WordInputs
from ner_service.network.tagger_network import TaggerNetwork

__all__ = ["CRF", "TaggerNetwork", "WordInputs"]
