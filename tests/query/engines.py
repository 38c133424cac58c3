"""Runs SQL over exported tables in DuckDB or Spark, one JSON document in (argv: engine, export; stdin: {id: sql}),
one out ({id: rows}). What engines write differently is made alike: times as RFC 3339, whole numbers as such."""

import datetime
import decimal
import json
import os
import sys

TABLES = ["events", "findings", "samples"]


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def duckdb_rows(export, queries):
    import duckdb

    connection = duckdb.connect()
    for table in TABLES:
        files = os.path.join(export, table, "**", "*.parquet")
        connection.execute(
            f"CREATE VIEW {table} AS SELECT * FROM read_parquet('{files}', hive_partitioning = true)"
        )
    for name, sql in queries.items():
        cursor = connection.execute(sql)
        columns = [column[0] for column in cursor.description]
        yield name, [dict(zip(columns, map(plain, row))) for row in cursor.fetchall()]


def spark_rows(export, queries):
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    for table in TABLES:
        session.read.parquet(os.path.join(export, table)).createOrReplaceTempView(table)
    for name, sql in queries.items():
        rows = session.sql(sql).collect()
        yield name, [{k: plain(v) for k, v in row.asDict().items()} for row in rows]
    session.stop()


def main():
    engine, export = sys.argv[1:]
    run = {"duckdb": duckdb_rows, "spark": spark_rows}[engine]
    json.dump(dict(run(export, json.load(sys.stdin))), sys.stdout)


if __name__ == "__main__":
    main()
