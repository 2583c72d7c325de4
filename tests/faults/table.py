"""Prints the README's table of faults from the tests' records, one JSON object per line."""
import json
import statistics
import sys


def merged(records):
    """Merges the records into one entry per fault."""
    faults = {}
    for entry in records:
        known = faults.setdefault(entry["fault"], {**entry, "injected": 0, "steps_lost": None, "seconds": []})
        known["injected"] += entry["injected"]
        known["seconds"] += entry["seconds"]
        lost = [value for value in (known["steps_lost"], entry["steps_lost"]) if value is not None]
        known["steps_lost"] = max(lost, default=None)
    return faults.values()


def row(entry):
    seconds = entry["seconds"]
    recovery = f"{statistics.median(seconds):.1f} ({max(seconds):.1f})" if len(seconds) > 1 else f"{seconds[0]:.1f}" if seconds else "-"
    lost = "-" if entry["steps_lost"] is None else str(entry["steps_lost"])
    return f"| {entry['fault']} | {entry['injected']} | {entry['outcome']} | {lost} | {recovery} |"


def main(file):
    with open(file) as lines:
        entries = merged([json.loads(line) for line in lines])
    print("| fault | injected | outcome | steps lost, at most | seconds to recover: median (longest) |\n|---|---|---|---|---|")
    for entry in sorted(entries, key=lambda entry: -entry["injected"]):
        print(row(entry))


main(sys.argv[1])
