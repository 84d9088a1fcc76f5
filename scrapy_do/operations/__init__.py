"""The waist: every use case once, for all dialects and pages.

No HTTP and no JSON shapes: those are the dialects'. What nobody has to ask for is in `engine`.
Read `operations` first, then `jobs`.
"""
