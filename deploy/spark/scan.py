"""One satrail scan over many machines: each Spark task scans a shard, the driver merges the states.

    spark-submit scan.py --satrail /usr/local/bin/satrail --report report.json --lake LAKE SHARD...

A shard is whatever one `satrail scan` is to read: a file, a directory, a glob. Spark decides which machine scans
which shard, and scans again what a lost machine had; satrail's states add up to the same report in any order.
With --lake, the same tasks write the shards' events as Parquet into one table, LAKE/events.
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


def scan_shard(satrail, number, shard, lake):
    """Runs on an executor: the shard's state, as bytes; its events go into the lake."""
    with tempfile.TemporaryDirectory() as home:
        state = os.path.join(home, "state")
        run(satrail, "scan", "--no-progress", "--fail-on", "never", "--partial-state", state, shard)
        if lake:
            export_shard(satrail, number, shard, lake, home)
        with open(state, "rb") as file:
            return file.read()


def export_shard(satrail, number, shard, lake, home):
    """The shard's events, as files of one table; a second try writes the same names again."""
    export = os.path.join(home, "export")
    run(satrail, "export", "--no-progress", "--output", export, shard)
    events = os.path.join(export, "events")
    for folder, _, files in os.walk(events):
        place = os.path.normpath(os.path.join(lake, "events", os.path.relpath(folder, events)))
        for name in sorted(files):
            os.makedirs(place, exist_ok=True)
            # Beside its place first, under a name that engines skip: the table never shows half a file.
            target = os.path.join(place, f"shard-{number:05}-{name}")
            half = os.path.join(place, f".{os.getpid()}-{os.path.basename(target)}")
            shutil.copyfile(os.path.join(folder, name), half)
            os.replace(half, target)


def merge(satrail, states, report, rest):
    """Runs on the driver: the states are a few megabytes each, whatever the size of the logs."""
    with tempfile.TemporaryDirectory() as home:
        paths = []
        for number, state in enumerate(states):
            paths.append(os.path.join(home, f"{number:05}.state"))
            with open(paths[-1], "wb") as file:
                file.write(state)
        return subprocess.run([satrail, "merge", "--output", report, *rest, *paths]).returncode


def main(arguments, around=lambda task: task):
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
    shards = list(enumerate(options.shards))
    task = around(lambda numbered: scan_shard(satrail, numbered[0], numbered[1], lake))
    # One task for each shard.
    states = session.sparkContext.parallelize(shards, len(shards)).map(task).collect()
    session.stop()
    return merge(satrail, states, options.report, [])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
