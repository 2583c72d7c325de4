#!/usr/bin/env python3
"""Sends every query of a Grafana dashboard to a Prometheus server, and fails with a list of the queries that have no answer.

    dashboard_queries.py --prometheus http://127.0.0.1:9090 --dashboard vae_dist.json [--wait 30] [--may-be-empty 'gpu']

A query is an expression of a panel or an annotation, the series that fills a variable of the dashboard, or a rule that the server itself evaluates (an
alert only has to be free of errors). An answer is at least one series whose value is a number. rate() needs two scrapes: --wait gives a run that has
just started that many seconds to fill the dashboard.
"""

import argparse
import json
import math
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

VARIABLES = {"user": ".*", "run": ".*", "job": ".*", "rank": ".*", "__rate_interval": "1m"}


def substitute(expression):
    for name, value in VARIABLES.items():
        expression = re.sub(r"\$(?:%s\b|\{%s(?::\w+)?\})" % (name, name), lambda _: value, expression)
    unknown = re.findall(r"\$\{?\w+", expression)
    if unknown:
        sys.exit(f"dashboard_queries: no value for {', '.join(unknown)} in: {expression}")
    return expression


def panels_of(container):
    for panel in container.get("panels", []):
        yield panel
        yield from panels_of(panel)  # a collapsed row holds its panels


def questions(dashboard):
    """Yields (where, expression)."""
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            found = re.fullmatch(r"label_values\((.+), *(\w+)\)", variable["query"]["query"])
            if not found:
                sys.exit(f"dashboard_queries: variable {variable['name']} is not of the form label_values(series, label)")
            series, label = found.groups()
            yield f"variable {variable['name']}", f"count by ({label}) ({substitute(series)})"
    for annotation in dashboard["annotations"]["list"]:
        if "expr" in annotation:
            yield f"annotation {annotation['name']}", substitute(annotation["expr"])
    for panel in panels_of(dashboard):
        for target in panel.get("targets", []):
            yield f"panel '{panel['title']}' {target['refId']}", substitute(target["expr"])


def ask(server, expression):
    """Returns None if there is an answer, else what is wrong."""
    url = f"{server.rstrip('/')}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        return json.load(error).get("error", str(error))
    result = answer["data"]["result"]
    if not result:
        return "no data"
    if all(math.isnan(float(series["value"][1])) for series in result):
        return "only NaN"
    return None


def rules(prometheus):
    """Yields (where, what is wrong or None, expression) for each rule that the server evaluates."""
    with urllib.request.urlopen(f"{prometheus}/api/v1/rules", timeout=30) as response:
        groups = json.load(response)["data"]["groups"]
    for group in groups:
        for rule in group["rules"]:
            wrong = None if rule["health"] == "ok" else rule.get("lastError") or f"its health is {rule['health']}"
            if not wrong and rule["type"] == "recording":
                wrong = ask(prometheus, rule["name"])
            yield f"rule {rule['name']}", wrong, rule["query"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prometheus", required=True, help="address of the server, e.g. http://127.0.0.1:9090")
    parser.add_argument("--dashboard", required=True, help="the dashboard's JSON file")
    parser.add_argument("--wait", type=float, default=0, help="seconds within which the last question must have an answer (default: 0)")
    parser.add_argument("--may-be-empty", default="(?!)", help="regular expression: questions that contain it need no data, but must be free of errors")
    options = parser.parse_args()
    with open(options.dashboard, encoding="utf-8") as file:
        asked = list(questions(json.load(file)))
    if not asked:
        sys.exit(f"dashboard_queries: {options.dashboard} asks nothing")

    deadline = time.monotonic() + options.wait
    while True:
        answers = [(where, ask(options.prometheus, expression), expression) for where, expression in asked] + list(rules(options.prometheus))
        wrong = [(where, expression, reason) for where, reason, expression in answers
                 if reason and not (reason == "no data" and re.search(options.may_be_empty, expression))]
        if not wrong or time.monotonic() >= deadline:
            break
        time.sleep(1)
    for where, expression, reason in wrong:
        print(f"{where}: {reason}: {expression}")
    print(f"{len(answers) - len(wrong)} of {len(answers)} questions answered")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
