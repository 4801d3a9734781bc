"""Where programs come from: one file a family of seeds, and a typed random generator.

`all_seeds()` gives the programs that a campaign starts from, `generator.generate(rng)` fresh ones.
"""

from seeds.library import Seed, all_seeds, families, missing

__all__ = ["Seed", "all_seeds", "families", "missing"]
