"""Whole runs of /bin/true, at three levels."""
import os

import same
from clocks import compare, rounds, table, works
from programs import LIMITS, LOCK

LEVELS = {
    "namespaces and mounts": set(),
    "and limits of memory and processes": {LIMITS},
    "and a filter, Landlock and masked paths": {LIMITS, LOCK},
    "a filter, Landlock and masked paths, without limits": {LOCK},
}


def possible(programs):
    return {title: features for title, features in LEVELS.items() if LIMITS not in features or programs.groups}


def runnable(programs, features, command):
    """The command lines of all that has these features and runs here."""
    made = {tool: maker(features, command) for tool, maker in programs.all().items()}
    ours = ("limit", "sixdocker")
    return {tool: words for tool, words in made.items() if words and (tool in ours or works(tool, words, programs.place))}


def measure(programs, asked):
    levels = {}
    for title, features in possible(programs).items():
        same.check(programs, features)
        commands = runnable(programs, features, ["/bin/true"])
        figures = compare(rounds(commands, asked.rounds, asked.patience, place=programs.place), 1000)
        table(title, figures, "ms")
        levels[title] = figures
    return {"rounds": asked.rounds, "uid": os.geteuid(), "levels": levels}
