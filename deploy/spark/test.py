"""The job in local-cluster mode with two executor processes, of which one is killed midway in each round, against one
scan and one export.

    python test.py SATRAIL LOG...      (scripts/test runs it on the sample)
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def parent(pid):
    """The parent of a process, and the name of that."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    pid = int(next(line.split()[1] for line in status.splitlines() if line.startswith("PPid:")))
    return pid, pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def dying_once(journal):
    """Wraps the task: notes the executor's process, and the first task of a round to come to its end takes its
    executor down before Spark has heard of it."""

    def around(task, stage):
        def wrapped(numbered):
            pid, name = parent(os.getpid())
            while name != "java":
                pid, name = parent(pid)
            with open(os.path.join(journal, f"executors-{stage}"), "a") as file:
                file.write(f"{pid}\n")
            state = task(numbered)
            try:
                # Only one process can make it.
                os.close(os.open(os.path.join(journal, f"killed-{stage}"), os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return state
            os.kill(pid, signal.SIGKILL)
            return state

        return wrapped

    return around


def watch(stage):
    """One event of a watch, which opens in one shard and closes in another."""
    return json.dumps({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata", "auditID": "over-two-shards",
        "stage": stage, "requestURI": "/api/v1/secrets?watch=true", "verb": "watch",
        "user": {"username": "system:serviceaccount:shop:web"}, "sourceIPs": ["10.0.0.1"],
        "objectRef": {"resource": "secrets", "apiVersion": "v1"}, "responseStatus": {"code": 200},
        "requestReceivedTimestamp": "2026-11-22T04:25:00.000000Z", "stageTimestamp": "2026-11-22T04:26:00.000000Z",
    }) + "\n"


def main():
    satrail, *logs = sys.argv[1:]
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ["PYSPARK_SUBMIT_ARGS"] = (
        "--master local-cluster[2,1,1024] --conf spark.ui.enabled=false --conf spark.driver.bindAddress=127.0.0.1 "
        "--conf spark.driver.host=127.0.0.1 --conf spark.executor.memory=512m pyspark-shell"
    )
    import pyspark

    os.environ.setdefault("SPARK_HOME", os.path.dirname(pyspark.__file__))
    import scan

    with tempfile.TemporaryDirectory() as home:
        one, many, lake = (os.path.join(home, name) for name in ("one.json", "many.json", "lake"))
        for name, stage in (("opens.log", "ResponseStarted"), ("closes.log", "ResponseComplete")):
            logs.append(os.path.join(home, name))
            pathlib.Path(logs[-1]).write_text(watch(stage))
        code = subprocess.run([satrail, "scan", "--format", "json", "--output", one, *logs]).returncode
        merged = scan.main(["--satrail", satrail, "--report", many, "--lake", lake, *logs], around=dying_once(home))
        assert merged == code == 1, (merged, code)
        for stage in ("scan", "export"):
            executors = pathlib.Path(home, f"executors-{stage}").read_text().split()
            assert os.path.exists(os.path.join(home, f"killed-{stage}")), f"{stage}: no executor was killed"
            assert len(set(executors)) >= 2, f"{stage}: one executor did it all: {executors}"
            assert len(executors) > len(logs), f"{stage}: nothing was done again: {executors}"
        assert pathlib.Path(one).read_bytes() == pathlib.Path(many).read_bytes(), "the reports differ"

        def ask(sql, *where):
            done = subprocess.run([satrail, "query", "--sql", sql, "--format", "json", *where], capture_output=True, check=True)
            return json.loads(done.stdout)

        # Requests as well as events: the watch over two shards is one.
        events = (
            "SELECT verb, code, COUNT(*) AS n, SUM(CASE WHEN is_request THEN 1 ELSE 0 END) AS requests FROM events "
            "GROUP BY verb, code ORDER BY verb, code"
        )
        for sql in (events, "SELECT * FROM findings ORDER BY fingerprint"):
            in_logs, in_lake = ask(sql, *logs), ask(sql, "--parquet", lake)
            assert in_logs == in_lake and in_logs, f"the lake holds something else: {sql}"
        total = ask("SELECT COUNT(*) AS n, SUM(CASE WHEN is_request THEN 1 ELSE 0 END) AS r FROM events", "--parquet", lake)[0]
        print(
            f"spark: {len(logs)} shards, an executor killed in each of two rounds: the same report, {total['n']} events and "
            f"{total['r']} requests in the lake"
        )


if __name__ == "__main__":
    main()
