"""The job in local-cluster mode with two executor processes, one of which is killed midway, against one scan.

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
    """Wraps the task: notes the executor's process, and the first task to come to its end takes its executor
    down before Spark has heard of it."""

    def around(task):
        def wrapped(numbered):
            pid, name = parent(os.getpid())
            while name != "java":
                pid, name = parent(pid)
            with open(os.path.join(journal, "executors"), "a") as file:
                file.write(f"{pid}\n")
            state = task(numbered)
            try:
                # Only one process can make it.
                os.close(os.open(os.path.join(journal, "killed"), os.O_CREAT | os.O_EXCL))
            except FileExistsError:
                return state
            os.kill(pid, signal.SIGKILL)
            return state

        return wrapped

    return around


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
        code = subprocess.run([satrail, "scan", "--format", "json", "--output", one, *logs]).returncode
        merged = scan.main(["--satrail", satrail, "--report", many, "--lake", lake, *logs], around=dying_once(home))
        assert merged == code == 1, (merged, code)
        executors = pathlib.Path(home, "executors").read_text().split()
        assert os.path.exists(os.path.join(home, "killed")), "no executor was killed"
        assert len(set(executors)) >= 2, f"one executor did it all: {executors}"
        assert len(executors) > len(logs), f"nothing was done again: {executors}"
        assert pathlib.Path(one).read_bytes() == pathlib.Path(many).read_bytes(), "the reports differ"

        def ask(*where):
            sql = "SELECT verb, code, COUNT(*) AS n FROM events GROUP BY verb, code ORDER BY verb, code"
            done = subprocess.run([satrail, "query", "--sql", sql, "--format", "json", *where], capture_output=True, check=True)
            return json.loads(done.stdout)

        in_logs, in_lake = ask(*logs), ask("--parquet", lake)
        assert in_logs == in_lake and in_logs, "the lake holds something else"
        print(f"spark: {len(logs)} shards, {len(executors)} tasks on {len(set(executors))} executors, one killed: the same report, {sum(row['n'] for row in in_lake)} events in the lake")


if __name__ == "__main__":
    main()
