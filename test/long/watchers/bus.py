"""How the watchers read the event bus. It knows nothing but docs/event-bus-contracts.md."""

import json
import os

import pika

EXCHANGE = "events.topic"


def events():
    """Every event from now on, as its type, headers and body. Prints {"ready": true} once none is missed any more."""
    channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
    channel.exchange_declare(EXCHANGE, "topic", durable=True)
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, EXCHANGE, "#")
    report(ready=True)
    for _, properties, content in channel.consume(queue, auto_ack=True):
        headers = properties.headers or {}
        yield headers.get("cloudEvents:type", ""), headers, json.loads(content)


def report(**line):
    print(json.dumps(line), flush=True)
