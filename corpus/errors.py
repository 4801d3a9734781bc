"""What can be wrong with a store, in words for users."""


class StoreError(Exception):
    """One line: what is wrong with the campaign's folder, and how to mend it."""
