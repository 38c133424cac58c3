"""One satrail scan over many machines: each Spark task scans a shard, the driver merges the states.

    spark-submit scan.py --satrail /usr/local/bin/satrail --report report.json --lake LAKE SHARD...

A shard is whatever one `satrail scan` is to read: a file, a directory, a glob. Spark decides which machine scans
which shard, and scans again what a lost machine had; satrail's states add up to the same report in any order.
With --lake, a second round of tasks writes the shards' events as Parquet into one table, LAKE/events: each with the
merged state at hand, since the two events of a long-running request may stand in different shards. LAKE/findings are
those of the report.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile

from pyspark.sql import SparkSession

# satrail's exit codes: 1 means findings, which is no failure.
FINE = (0, 1)


def run(*command):
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode not in FINE:
        # An exception makes Spark try the task again, elsewhere.
        raise RuntimeError(f"{command[0]} {command[1]} ended with {done.returncode}: {done.stderr.strip()}")


def scan_shard(satrail, shard):
    """Runs on an executor: the shard's state, as bytes."""
    with tempfile.TemporaryDirectory() as home:
        state = os.path.join(home, "state")
        run(satrail, "scan", "--no-progress", "--fail-on", "never", "--partial-state", state, shard)
        with open(state, "rb") as file:
            return file.read()


def export_shard(satrail, number, shard, whole, lake):
    """Runs on an executor: the shard's events, as files of one table; a second try writes the same names again."""
    with tempfile.TemporaryDirectory() as home:
        state, export = os.path.join(home, "state"), os.path.join(home, "export")
        with open(state, "wb") as file:
            file.write(whole)
        run(satrail, "export", "--no-progress", "--with-state", state, "--output", export, shard)
        events = os.path.join(export, "events")
        for folder, _, files in os.walk(events):
            place = os.path.normpath(os.path.join(lake, "events", os.path.relpath(folder, events)))
            for name in sorted(files):
                put(os.path.join(folder, name), os.path.join(place, f"shard-{number:05}-{name}"))
        if number == 0:
            # Every shard has the findings of the whole.
            put(os.path.join(export, "findings", "part-0.parquet"), os.path.join(lake, "findings", "part-0.parquet"))


def put(source, target):
    """Beside its place first, under a name that engines skip: a table never shows half a file."""
    folder, name = os.path.split(target)
    os.makedirs(folder, exist_ok=True)
    half = os.path.join(folder, f".{os.getpid()}-{name}")
    shutil.copyfile(source, half)
    os.replace(half, target)


def merge(satrail, states, report):
    """Runs on the driver: the states are a few megabytes each, whatever the size of the logs. Gives back the exit code
    and the merged state."""
    with tempfile.TemporaryDirectory() as home:
        paths, whole = [], os.path.join(home, "whole.state")
        for number, state in enumerate(states):
            paths.append(os.path.join(home, f"{number:05}.state"))
            with open(paths[-1], "wb") as file:
                file.write(state)
        code = subprocess.run([satrail, "merge", "--output", report, "--partial-state", whole, *paths]).returncode
        if code not in FINE:
            return code, None
        with open(whole, "rb") as file:
            return code, file.read()


def main(arguments, around=lambda task, stage: task):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", nargs="+", metavar="SHARD", help="a file, a directory or a glob that every machine sees")
    parser.add_argument("--satrail", default="satrail", help="the program, at this path on every machine")
    parser.add_argument("--report", required=True, help="where the merged report goes (.json, .jsonl, else a table)")
    parser.add_argument("--lake", help="also write the events as Parquet below this directory, which every machine sees")
    options = parser.parse_args(arguments)
    satrail, lake = options.satrail, options.lake and os.path.abspath(options.lake)

    session = SparkSession.builder.appName("satrail scan").getOrCreate()
    # For those who import this file: executors must find it too.
    session.sparkContext.addPyFile(os.path.abspath(__file__))
    context, shards = session.sparkContext, list(enumerate(options.shards))
    # One task for each shard.
    task = around(lambda numbered: scan_shard(satrail, numbered[1]), "scan")
    states = context.parallelize(shards, len(shards)).map(task).collect()
    code, whole = merge(satrail, states, options.report)
    if lake and whole is not None:
        whole = context.broadcast(whole)
        task = around(lambda numbered: export_shard(satrail, *numbered, whole.value, lake), "export")
        context.parallelize(shards, len(shards)).foreach(task)
    session.stop()
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
