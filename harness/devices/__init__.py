"""Where web code runs and is timed. See base.py for what a device is."""
