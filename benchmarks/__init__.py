"""How near the library comes to what the hardware allows, as ratios measured in one process: `python -m benchmarks`.

`references` holds what is compared with, written plainly; `cpu` and `cuda` hold the rows; `timing` measures them.
"""
