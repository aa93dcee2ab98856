"""The client of the Katapult Core API. Imports no Django and nothing else of this project."""
