"""What every test shares: no network, and Hypothesis without wall-clock deadlines."""

import os

# Set before the first import of a library that reads them: no test may reach a hub.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"

import hypothesis

# A deadline measures how busy the machine is, not the code.
hypothesis.settings.register_profile("house", deadline=None, print_blob=True)
hypothesis.settings.load_profile("house")
