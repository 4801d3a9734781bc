"""Workers: processes that may crash, hang or eat memory, and what is learned from their deaths."""
