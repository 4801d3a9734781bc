"""The lowest layer: builds and verifies programs; the only place that compiles TIR.

`docs/how-it-works.md` describes in which order its parts come into play.
"""


class UserError(Exception):
    """Something that the user did, or can fix: one line that says what is wrong and how to fix it.

    The command lines print it and exit with 2. Every other exception is a bug of this project.
    """
