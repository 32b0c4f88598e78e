"""The sample corpus, drawn by code.

`corpus` decides which labels each photo carries and writes the folder; `scenes` turns one set of labels into a photo. `canvas`
(flat colour, noise, the camera) and `solids` (lit bodies) are what everything is painted with: `skies`, `landscapes`, `towns`
and `rooms` lie behind, `people` with their `faces`, `animals`, `plants` and `cars` stand in front, and `unlabelled` paints the
half of the photos that carry no label.
"""
