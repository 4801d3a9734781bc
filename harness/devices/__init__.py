"""Where web code runs and is timed: base.py says what a device is, table.py which there are."""
