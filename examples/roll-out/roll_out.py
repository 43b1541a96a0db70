"""Publishes a version of an agent, rolls it out, and ends with what became of it: one row and one queue.

    DATABASE_URL=... AMQP_URL=... roll_out.py <agent id> <version> <runtime.json>

Exit code 0: the rollout is completed; 3: it ended otherwise.
"""

import json
import os
import sys

import pika
import psycopg

# `rollout.updated` has the end of a rollout that was aborted, superseded or refused.
ENDS = {"aborted", "superseded", "refused"}


def main(agent_id, version, runtime_file):
    with open(runtime_file, encoding="utf-8") as file:
        runtime = file.read()
    channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
    # The queue is bound before the row is inserted, so that no event is missed.
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "events.topic", "rollout.*")
    rollout_id = request(agent_id, version, runtime)
    for _, properties, content in channel.consume(queue, auto_ack=True):
        event = json.loads(content)
        if event["rollout_id"] != rollout_id:
            continue
        print(properties.type, content.decode(), flush=True)
        if properties.type == "rollout.completed":
            return 0
        if properties.type == "rollout.rolled_back" or event.get("status") in ENDS:
            return 3


def request(agent_id, version, runtime):
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute(
            "update agents set version = %s, runtime = %s where id = %s", (version, runtime, agent_id)
        )
        strategy = json.dumps({"canary": {"count": 1}, "min_healthy_seconds": 10})
        row = connection.execute(
            "insert into rollouts (agent_id, version, strategy) values (%s, %s, %s) returning id",
            (agent_id, version, strategy),
        ).fetchone()
        return str(row[0])


sys.exit(main(*sys.argv[1:]))
