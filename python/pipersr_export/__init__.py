# SPDX-License-Identifier: MIT
"""Model files in the formats of other programs. Needs NumPy and nothing else."""
