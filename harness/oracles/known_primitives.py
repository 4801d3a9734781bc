"""Known failures of schedule primitives, by the condition under which each of them fails.

`harness/schedules/known.py` says which programs and arguments meet a condition, and a finding whose
culprit met one has it at the end of its signature. docs/findings.md has the places in TVM's source.
"""

from __future__ import annotations

FUSED = "apache/tvm#18636"
PARTIAL = "it copies all that the block declares, where the block writes a part"
COVER = "it takes the loops to cover the domains of the block's axes"
PREDICATE = "it drops the predicate of the block"

# The primitive and the condition, what it does then, and the upstream number where there is one.
PRIMITIVES: tuple[tuple[str, str, str], ...] = (
    ("loop_partition:nested-blocks", "inner blocks are copied without new variables", ""),
    ("loop_partition:allocations", "a block is copied without new buffers", ""),
    ("loop_partition:definitions", "what a block defines is defined again in each part", ""),
    ("loop_partition:same-names", "it takes buffers of one name for one", ""),
    ("loop_partition:computed-variables", "a block is copied without new variables", ""),
    ("loop_partition:reduction", "each part of a reduction begins again", ""),
    ("loop_partition:starts-elsewhere", "it takes extents for ends", ""),
    (":undeclared-regions", "blocks of loop_partition declare nothing, so it is misled", ""),
    (":reversed-axis", "an index map that reverses an axis fails, or makes an extent negative", ""),
    ("merge:dependence", "a consumer reads what is not yet written", ""),
    ("blockize:guarded", PREDICATE, ""),
    ("blockize:guarded-reduction", "the predicate moves out of the loops that it uses", ""),
    ("blockize:starts-elsewhere", "it drops the loop's start", ""),
    ("blockize:part-of-fused", "it divides the fused loops, not what is taken of them", ""),
    ("blockize_blocks:reduction", "it drops the init of a reduction", ""),
    ("blockize_blocks:other-blocks", "it drops other blocks of the same loops", ""),
    ("blockize_blocks:unlike-blocks", "it takes the first block's variables for all", ""),
    ("read_at:guarded", "it copies past the end", ""),
    ("write_at:guarded", "it copies past the end", ""),
    ("read_at:guarded-load", "it copies what a condition guards", ""),
    ("read_at:match-buffers", "it leaves the buffers that are matched", ""),
    ("write_at:match-buffers", "it leaves the buffers that are matched", ""),
    ("read_at:symbolic", "it does not know variables that are not loops", ""),
    ("write_at:updates", "what the block reads before it writes it is not copied", ""),
    ("read_at:several-blocks", "its conditions are failed checks", ""),
    ("write_at:several-blocks", "its conditions are failed checks", ""),
    ("read_at:nested-blocks", "it does not know the variables of blocks around", ""),
    ("write_at:nested-blocks", "it does not know the variables of blocks around", ""),
    ("read_at:reduction", "it copies what is not yet written", ""),
    ("write_at:reduction", "it copies what is not yet written", ""),
    ("reindex:inner-loops", "it uses the block's own loops outside of it", ""),
    ("reindex:guarded-load", "it copies what a condition guards", ""),
    ("reindex:updates", "it copies what is not yet written", ""),
    ("reindex_cache_read:guarded", PREDICATE, ""),
    ("reindex_cache_write:guarded", PREDICATE, ""),
    ("reindex:several-blocks", "that other blocks are in the loops is a failed check", ""),
    ("reindex:several-writers", "it overwrites what another block has written", ""),
    ("reindex:partial-domain", COVER, ""),
    ("reindex:loaded-indices", "it does not declare what the indices read", ""),
    ("reindex:guarded-store", PARTIAL, ""),
    ("reindex_cache_write:guarded-store", PARTIAL, ""),
    ("cache_read:nested-blocks", "it copies what the block around declares, past the end", ""),
    ("cache_write:guarded-fusion", "it copies past the end", ""),
    ("cache_write:guarded-store", PARTIAL, ""),
    ("cache_read:match-buffers", "it leaves the buffers that are matched", ""),
    ("cache_write:match-buffers", "its condition is a failed check", ""),
    ("reindex_cache_read:loaded-indices", "it does not declare what the indices read", ""),
    ("reindex_cache_read:guarded-load", "it copies what a condition guards", ""),
    ("cache_index:guarded", PREDICATE, ""),
    ("cache_index:starts-elsewhere", "it drops the loop's start", ""),
    ("cache_index:computed-variables", "it takes each variable for a loop", ""),
    ("cache_index:several-variables", "it gives a buffer of any rank one stride", ""),
    ("cache_index:any", "the block does not declare what it reads, or there is one index", ""),
    ("cache_inplace:nested-blocks", "it uses the variables of blocks around outside of them", ""),
    ("fuse_reduction_epilogue:not-a-bias", "what is no sum is applied at each step", FUSED),
    ("fuse_reduction_epilogue:not-a-sum", "it takes the reduction to start at zero", FUSED),
    ("fuse_reduction_epilogue:later-inputs", "it reads what is not yet written", ""),
    ("fuse_reduction_epilogue:other-place", "it takes the indices to be those of the sum", ""),
    ("decompose_reduction:guarded", "it drops conjuncts that name inner loops", ""),
    ("rfactor:guarded", PREDICATE, ""),
    ("rfactor:starts-elsewhere", "it takes the loop's extent for its end", ""),
    ("pad_einsum:not-an-einsum", "it asks how buffers are indexed, not what is computed", ""),
    ("pad_einsum:inner-loops", "it leaves loops inside of the block", ""),
    ("reverse_compute_inline:other-readers", "it removes what other blocks read", ""),
    ("compute_at:tensorized", "tensorize has left the dependences as they were", ""),
    ("reverse_compute_at:guarded-load", "what reads nothing, such as padding, is left out", ""),
    ("reverse_compute_at:readers-before", "it moves a block behind its consumers", ""),
    ("transform_block_layout:partial-domain", COVER, ""),
)
