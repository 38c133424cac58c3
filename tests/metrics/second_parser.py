"""Reads an exposition with the official Python client (PyPI: prometheus_client) and prints one line
for each sample, `name <TAB> sorted labels as JSON <TAB> value <TAB> milliseconds`, for
tests/metrics.rs to compare. Usage: second_parser.py text|openmetrics < exposition"""

import json
import re
import sys

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

read = sys.stdin.read()
written = set(re.findall(r"^\s*([\w:]+)", read, re.M | re.A))
kind = parser if sys.argv[1] == "text" else openmetrics_parser
for family in kind.text_string_to_metric_families(read):
    for sample in family.samples:
        labels = sorted((k, v) for k, v in sample.labels.items() if v != "")
        time = "" if sample.timestamp is None else str(round(float(sample.timestamp) * 1000))
        value = repr(float(sample.value))
        # The client adds _total to counters that were written without it.
        name = sample.name if sample.name in written else sample.name.removesuffix("_total")
        print(name, json.dumps(labels, ensure_ascii=False, separators=(",", ":")), value, time, sep="\t")
