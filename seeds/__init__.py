"""Where programs come from: families of seeds, one file each, and a typed random generator.

`all_seeds()` returns the programs that a campaign starts from, `generator.generate(rng)` a new one.
"""

from seeds.library import Seed, all_seeds, families, missing

__all__ = ["Seed", "all_seeds", "families", "missing"]
