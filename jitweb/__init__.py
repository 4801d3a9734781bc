"""The tuner: makes transformer models fast in a browser. So far only its commands' frame exists."""
