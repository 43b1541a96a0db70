"""A client of the event bus that knows nothing but docs/schemas and docs/event-bus-contracts.md.

    AMQP_URL=... bus_client.py watch <folder of the schemas>
        Reports every event as a JSON line {id, type, version, problems}, after a first line {"ready": true}.

    AMQP_URL=... bus_client.py publish <folder of the schemas> < events
        Publishes JSON lines {type, version, body, headers}, the headers on top of the mandatory ones, and reports the id
        of each as {id} once it is confirmed.
"""

import json
import os
import sys
import uuid
from datetime import datetime, timezone
from pathlib import Path

import pika
from jsonschema import Draft7Validator, FormatChecker

EXCHANGE = "events.topic"


def main(command, folder):
    channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
    {"watch": watch, "publish": publish}[command](channel, Schemas(Path(folder)))


class Schemas:
    def __init__(self, folder):
        self.folder = folder

    def problems(self, name, version, document):
        """Sentences that name the field, or none when the document is valid."""
        file = self.folder / f"{name}.v{version}.json"
        if not file.is_file():
            return [f"there is no {file.name}"]
        schema = json.loads(file.read_text(encoding="utf-8"))
        # Without a checker, formats such as date-time would be taken for comments.
        errors = Draft7Validator(schema, format_checker=FormatChecker()).iter_errors(document)
        return [f"{error.json_path}: {error.message}" for error in errors]

    def problems_of_event(self, headers, content):
        """Chooses the schemas by the headers alone."""
        event_type = str(headers.get("cloudEvents:type", ""))
        domain = event_type.split(".")[0]
        found = self.problems(f"headers.{domain}_event", 1, headers)
        try:
            body = json.loads(content)
        except ValueError as error:
            return [f"headers{problem}" for problem in found] + [f"body is not JSON: {error}"]
        in_body = self.problems(event_type, headers.get("schema_version"), body)
        return [f"headers{problem}" for problem in found] + [f"body{problem}" for problem in in_body]


def watch(channel, schemas):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, EXCHANGE, "#")
    report(ready=True)
    for _, properties, content in channel.consume(queue, auto_ack=True):
        headers = properties.headers or {}
        report(
            id=properties.message_id,
            type=headers.get("cloudEvents:type"),
            version=headers.get("schema_version"),
            problems=schemas.problems_of_event(headers, content),
        )


def publish(channel, schemas):
    channel.confirm_delivery()
    for line in sys.stdin:
        event = json.loads(line)
        body, event_type, event_id = event["body"], event["type"], str(uuid.uuid4())
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        headers = {
            "cloudEvents:specversion": "1.0",
            "cloudEvents:id": event_id,
            "cloudEvents:source": "/python/bus_client",
            "cloudEvents:type": event_type,
            "cloudEvents:subject": body[event_type.split(".")[0] + "_id"],
            "cloudEvents:time": now,
            "cloudEvents:sequence": f"{1:019}",
            "cloudEvents:correlationid": event_id,
            "cloudEvents:traceparent": f"00-{uuid.uuid4().hex}-{uuid.uuid4().hex[16:]}-01",
            "schema_version": event["version"],
            **event["headers"],
        }
        content = json.dumps(body).encode()
        if problems := schemas.problems_of_event(headers, content):
            raise SystemExit(f"this is no event of the catalog: {problems}")
        properties = pika.BasicProperties(
            message_id=event_id,
            type=event_type,
            correlation_id=event_id,
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=2,
            headers=headers,
        )
        channel.basic_publish(EXCHANGE, event_type, content, properties, mandatory=True)
        report(id=event_id)


def report(**line):
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
