"""The painter behind the sample corpus: a small orthographic renderer, sceneries, things, people, and their composition."""
