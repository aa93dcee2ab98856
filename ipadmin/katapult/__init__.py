"""The Katapult Core API as this product meets it.

Imports no Django and nothing else of ours, so that it can be read, tested and trusted by itself.
"""
