"""The report of a campaign: one HTML file that opens from disk, and a live view of it."""
