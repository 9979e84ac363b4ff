"""From words to spans: features, the two backends that run the network, decoding."""
