"""What runs in the browser: the runtime, the page, and what hosts them in tests of a bundle."""
