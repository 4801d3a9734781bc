"""Devices: where web code runs and is timed. base.py defines a device, table.py lists them."""
