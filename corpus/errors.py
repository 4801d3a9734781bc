"""What can be wrong with a store, in words for users."""

from harness import UserError


class StoreError(UserError):
    """One line: what is wrong with the campaign's folder, and how to fix it."""
