"""Reads report.csv and report.xml of a directory with Python's own readers, and prints what is in them as JSON."""

import csv
import json
import sys
import xml.etree.ElementTree as tree

directory = sys.argv[1]
with open(f"{directory}/report.csv", newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file, strict=True))
suites = tree.parse(f"{directory}/report.xml").getroot()
cases = [
    {
        "name": case.get("name"),
        "failures": [[failure.get("type"), failure.get("message")] for failure in case.findall("failure")],
        "skipped": [skipped.get("message") for skipped in case.findall("skipped")],
    }
    for suite in suites.findall("testsuite")
    for case in suite.findall("testcase")
]
json.dump({"rows": rows, "suites": suites.attrib, "suite": suites[0].attrib, "cases": cases}, sys.stdout)
