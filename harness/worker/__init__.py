"""Workers: run jobs in processes that may crash, hang or exhaust memory, and report their end."""
