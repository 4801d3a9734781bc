"""The oracles, one file each, on real programs and real bugs."""
