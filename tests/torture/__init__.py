"""Nothing lost, nothing let in: trials that break a run on purpose, one module for each kind of damage.

`python -m tests.torture` runs them all and prints passes out of trials; `--long` runs more of each.
"""

ITEMS = {
    "1": "kills",
    "2": "resume",
    "3": "reruns",
    "4": "cache_keys",
    "5": "resources",
    "6": "photos",
    "7": "annotations",
    "8": "archives",
    "9": "canaries",
    "10": "notebooks",
    "11": "escaping",
}
