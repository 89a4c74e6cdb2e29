"""The goals, and what was reached of them."""
import json


def starts(figures):
    for who, one in figures["starts"].items():
        for title, level in one["levels"].items():
            for tool in filter(level.get, ("sixdocker", "on musl")):
                yield f"start as {who}: {title}", f"limit program, {tool}", level[tool]["ratio"], "at most", 1.15
            for peer, least in (("bubblewrap", 2), ("crun", 3), ("runc", 10)):
                if peer in level:
                    faster = level[peer]["median"] / level["sixdocker"]["median"]
                    yield f"start as {who}: {title}", f"{peer} is slower", faster, "at least", least


def rest(figures):
    for who, one in figures["throughput"].items():
        for workers, tools in one["workers"].items():
            yield f"sandboxes per second as {who}", f"{workers} workers", tools["sixdocker"]["ratio"], "at least", 0.9
    for who, one in figures["memory"].items():
        most = max(level["sixdocker"]["Rss"] for level in one["levels"].values()) / 1024
        yield f"resident beside the command, as {who}", "MiB", most, "at most", 1.5
    for who, one in figures["calls"].items():
        for title, level in one["levels"].items():
            yield f"system calls as {who}: {title}", "limit program", level["sixdocker"]["ratio"], "at most", 1.1
    for who, one in figures["relay"].items():
        for way, tools in one["ways"].items():
            yield f"terminal as {who}", way, tools["sixdocker"]["ratio"], "at least", 0.9
    for who, one in figures["teardown"].items():
        for title, level in one["levels"].items():
            if title.endswith("ours"):
                yield f"end as {who}: {title.split(':')[0]}", "limit program", level["sixdocker"]["ratio"], "at most", 1.15


def show(path):
    with open(path, encoding="utf-8") as file:
        figures = json.load(file)
    for about, than, reached, word, goal in (*starts(figures), *rest(figures)):
        good = reached <= goal if word == "at most" else reached >= goal
        print(f"{'reached' if good else 'MISSED ':8} {reached:7.2f}  {word} {goal:<5} {about} ({than})")
